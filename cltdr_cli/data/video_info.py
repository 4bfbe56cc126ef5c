"""Tables of durations, frame rates and subsets that are published beside annotations which lack them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, canonical_split
from cltdr_cli.errors import AnnotationError

FILE_NAMES = ("video_info_new.csv", "test_video_info.csv", "val_video_info.csv", "EPIC_100_video_info.csv")
"""What the tables of BSN (ActivityNet), AFSD (THUMOS14) and EPIC-KITCHENS-100 are called."""


class VideoFacts(NamedTuple):
    """What a table says of one video; None and empty where it is silent."""

    duration_seconds: float | None
    fps: float | None
    split: str = ""


def csv_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file by its head.

    Raises:
        AnnotationError: Unreadable, or a row is shorter or longer than the head.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, restkey="", strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{path} cannot be read as CSV: {error}") from error
    for number, row in enumerate(rows, 2):
        if "" in row or None in row.values():
            raise AnnotationError(f"{path}: line {number} has not as many cells as the head")
    return rows


def read_video_info(path: Path) -> dict[str, VideoFacts]:
    """Facts by video id, from a table in any form known here.

    Raises:
        AnnotationError: Another kind of table, or a cell that is no number.
    """
    rows = csv_rows(path)
    columns = set(rows[0]) if rows else set[str]()
    for needed, facts in _FORMS.items():
        if needed <= columns:
            return _facts_by_video(path, rows, facts)
    raise AnnotationError(
        f"{path} is no table of videos known here (columns: {', '.join(sorted(columns)) or 'none'})",
        "Known: video_id,duration,fps · video,fps,count · video,numFrame,seconds,fps,subset",
    )


def tables_beside(source: Path) -> list[Path]:
    """The published tables that lie in the folder of an annotation file, or around an annotation folder."""
    folders = [source, source.parent] if source.is_dir() else [source.parent]
    return [folder / name for folder in folders for name in FILE_NAMES if (folder / name).is_file()]


def with_video_info(annotations: Annotations, tables: Iterable[Path]) -> Annotations:
    """Annotations completed by tables: what the annotation file itself says goes first."""
    facts = {name: fact for table in tables for name, fact in read_video_info(table).items()}
    videos = {name: _completed(video, facts.get(name)) for name, video in annotations.videos.items()}
    return replace(annotations, videos=videos)


def _completed(video: AnnotatedVideo, facts: VideoFacts | None) -> AnnotatedVideo:
    if facts is None:
        return video
    duration = video.duration_seconds if video.duration_seconds is not None else facts.duration_seconds
    fps = video.fps if video.fps is not None else facts.fps
    return replace(video, duration_seconds=duration, fps=fps, split=video.split or canonical_split(facts.split))


def _facts_by_video(
    path: Path, rows: list[dict[str, str]], facts: Callable[[Mapping[str, str]], VideoFacts]
) -> dict[str, VideoFacts]:
    found: dict[str, VideoFacts] = {}
    for number, row in enumerate(rows, 2):
        try:
            found[row.get("video_id") or row["video"]] = facts(row)
        except (ValueError, ZeroDivisionError) as error:
            raise AnnotationError(f"{path}: line {number}: {error}") from error
    return found


def _bsn_facts(row: Mapping[str, str]) -> VideoFacts:
    """``rfps`` is the measured rate, ``fps`` the rounded one."""
    return VideoFacts(float(row["seconds"]), float(row["rfps"]), row["subset"])


def _afsd_facts(row: Mapping[str, str]) -> VideoFacts:
    return VideoFacts(float(row["count"]) / float(row["fps"]), float(row["fps"]))


def _epic_facts(row: Mapping[str, str]) -> VideoFacts:
    return VideoFacts(float(row["duration"]), float(row["fps"]))


_FORMS: dict[frozenset[str], Callable[[Mapping[str, str]], VideoFacts]] = {
    frozenset({"video", "seconds", "rfps", "subset"}): _bsn_facts,
    frozenset({"video", "fps", "count"}): _afsd_facts,
    frozenset({"video_id", "duration", "fps"}): _epic_facts,
}
