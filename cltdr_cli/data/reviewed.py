"""Corrected results as annotations: what ``cltdr review`` or a report saved is read for training and scoring."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from cltdr_cli.data.annotations import Instance, VideoDraft

REVIEWED_SUFFIX = ".reviewed.json"
LAYOUT = "reviewed"
"""Name of the layout, see ``annotation_layouts.LAYOUTS``."""

DEFAULT_SPLIT = "training"
"""Split of videos whose file names none: corrected segments are there to be learned from."""


def is_reviewed(content: Any) -> bool:
    """Whether a results file says that a person went through it."""
    external = content.get("external_data") if isinstance(content, dict) else None
    return isinstance(external, dict) and external.get("reviewed") is True and isinstance(content.get("results"), dict)


def find_reviewed_videos(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Records by video id: the ``segments``, and what the file says of the video beside them.

    Raises:
        ValueError: Segments are no list.
    """
    facts = content["external_data"].get("videos")
    records: dict[str, Mapping[str, Any]] = {}
    for video_id, rows in content["results"].items():
        if not isinstance(rows, list):
            raise ValueError(f"the segments of {video_id!r} are no list")
        known = facts.get(video_id) if isinstance(facts, dict) else None
        records[video_id] = {**(known if isinstance(known, dict) else {}), "segments": rows}
    return records


def _read_time(value: Any) -> datetime | None:
    """When a review was saved; without a zone it is in UTC."""
    if value is None:
        return None
    time = datetime.fromisoformat(str(value).replace("Z", "+00:00"))  # Python 3.10 does not know the Z
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def read_reviewed(record: Mapping[str, Any]) -> VideoDraft:
    """One video: every segment that a person left in it is an instance, whatever its score."""
    duration, fps = record.get("duration"), record.get("fps")
    review = record.get("review")
    draft = VideoDraft(
        split=str(record.get("subset") or DEFAULT_SPLIT),
        duration_seconds=None if duration is None else float(duration),
        fps=None if fps is None else float(fps),
        reviewed_at=_read_time(review.get("at") if isinstance(review, dict) else None),
    )
    for row in record["segments"]:
        start, end = row["segment"]
        number = row.get("label_id")
        draft.instances.append(
            Instance(float(start), float(end), str(row["label"]), None if number is None else int(number))
        )
    return draft
