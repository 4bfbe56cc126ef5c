"""What a page shows of one video, as plain JSON: everything that the page's program knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""One segment as in results files: ``label``, ``label_id``, ``score``, ``segment`` [start, end], ``reviewed``."""

_LEAST_SHOWN = 0.1
"""The score slider begins here where the file names no ``display_score``; at 0 if that would hide everything."""


@dataclass(frozen=True)
class PageVideo:
    """One video of a report.

    Attributes:
        video_id: Its name in results.
        rows: Its segments, by falling score.
        duration_seconds: Its length; 0 where unknown.
        facts: Its part of ``external_data``: fps, grid, score curves.
        run: The rest of ``external_data``: preset and weights.
        truth: Rows of the ground truth (``label``, ``start``, ``end``); None where none is given.
        thumbnails: Pictures by the number of their row, as ``data:`` addresses.
        file_name: Begins the names of saved files.
        based_on: The file that the segments come from, and its digest.
    """

    video_id: str
    rows: Sequence[Row]
    duration_seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    run: Mapping[str, Any] = field(default_factory=dict[str, Any])
    truth: Sequence[Mapping[str, Any]] | None = None
    thumbnails: Mapping[int, str] = field(default_factory=dict[int, str])
    file_name: str = "segments"
    based_on: Mapping[str, str] | None = None

    @property
    def end_seconds(self) -> float:
        """The video's length; where it is unknown, the end of the last segment."""
        if 0 < self.duration_seconds < math.inf:
            return self.duration_seconds
        ends = [*(row["segment"][1] for row in self.rows), *(row["end"] for row in self.truth or ())]
        return max(ends, default=0.0)

    @property
    def labels(self) -> dict[str, int | None]:
        """Labels in order of their first segment, with their numbers."""
        found: dict[str, int | None] = {}
        for row in self.rows:
            found.setdefault(row["label"], row.get("label_id"))
        for row in self.truth or ():
            found.setdefault(row["label"], None)
        return found


@dataclass(frozen=True)
class PageLinks:
    """Where a page finds what lies outside of it.

    Attributes:
        video: Address of the video; None without one, or where its bytes are in the page.
        video_type: Media type of a video whose bytes are in the page.
        index: Address of the index page.
        save: Where the page sends corrected segments; None lets it save by downloads.
        digest: Version of the segments that ``save`` compares with.
    """

    video: str | None = None
    video_type: str = ""
    index: str | None = None
    save: str | None = None
    digest: str = ""


def make_content(video: PageVideo, links: PageLinks, min_score: float | None = None) -> dict[str, Any]:
    """What the page of one video knows.

    Args:
        video: The video.
        links: Addresses.
        min_score: Where the score slider begins; None takes the file's ``display_score``.
    """
    labels = video.labels
    facts = {key: value for key, value in video.facts.items() if key not in ("score_curves", "review")}
    return {
        "video_id": video.video_id,
        "segments": [dict(row) for row in video.rows],
        "duration": video.end_seconds,
        "fps": video.facts.get("fps"),
        "labels": list(labels),
        "label_ids": list(labels.values()),
        "truth": None if video.truth is None else [dict(row) for row in video.truth],
        "curves": video.facts.get("score_curves"),
        "thumbnails": {str(place): picture for place, picture in video.thumbnails.items()},
        "display_score": choose_display_score(video, min_score),
        "notes": _make_notes(video),
        "facts": facts,
        "run": dict(video.run),
        "file_name": video.file_name,
        "based_on": video.based_on,
        "video": links.video,
        "video_type": links.video_type,
        "index": links.index,
        "save_address": links.save,
        "digest": links.digest,
    }


def choose_display_score(video: PageVideo, min_score: float | None = None) -> float:
    """The score below which the page leaves segments out at first."""
    if min_score is not None:
        return min_score
    if "review" in video.facts:  # a person kept these, whatever their scores
        return 0.0
    stated = video.run.get("display_score")
    if isinstance(stated, int | float):
        return float(stated)
    best = max((row["score"] for row in video.rows), default=0.0)
    return _LEAST_SHOWN if best >= _LEAST_SHOWN else 0.0


def make_index_row(video: PageVideo, page: str, min_score: float | None = None) -> dict[str, Any]:
    """One row of the index page; bars are ``[start, end, strength]``, in thousandths of the video."""
    least, scale = choose_display_score(video, min_score), 1000 / (video.end_seconds or 1.0)
    shown = [row for row in video.rows if row["score"] >= least]
    bars = [(round(row["segment"][0] * scale), round(row["segment"][1] * scale), row["score"]) for row in shown]
    return {
        "id": video.video_id,
        "page": page,
        "duration": video.end_seconds,
        "count": len(shown),
        "labels": list(dict.fromkeys(row["label"] for row in shown)),
        "bars": [[start, end, round(min(max(score, 0.01), 1.0), 2)] for start, end, score in bars],
    }


def _make_notes(video: PageVideo) -> list[str]:
    count = len(video.rows)
    notes = [f"{count} segment{'' if count == 1 else 's'}"]
    if preset := video.run.get("preset"):
        notes.append(f"preset {preset}")
    review = video.facts.get("review")
    if isinstance(review, Mapping):
        notes.append(f"reviewed by {review.get('by')} at {review.get('at')}")
    return notes
