"""Corrected segments on disk: read, and saved beside the results that they correct, never over them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cltdr_cli import __version__
from cltdr_cli.data.segment_files import VideoSegments, read_segments, reviewed_path
from cltdr_cli.errors import CltdrError
from cltdr_cli.files import write_text
from cltdr_cli.review.rows import check_rows

_LAYOUT = "VERSION 1.3"
_LOCK_SECONDS = 10.0


class ConflictError(CltdrError):
    """Somebody else saved the same video in the meantime."""


@dataclass(frozen=True)
class Version:
    """The segments of a video as they are now.

    Attributes:
        video: The segments: the reviewed ones where there are any, else the model's.
        digest: Of the segments; a save names the one it was made from.
    """

    video: VideoSegments
    digest: str


class ReviewStore:
    """The videos of a results file (or folder), each with its reviewed version where somebody saved one.

    Args:
        videos: As ``data.segment_files.read_segments`` read them.
    """

    def __init__(self, videos: Sequence[VideoSegments]) -> None:
        self.videos = tuple(videos)

    def load(self, number: int) -> Version:
        """The newest version of a video.

        Raises:
            AnnotationError: The reviewed file cannot be read.
        """
        video = self.videos[number]
        saved = _read_saved(reviewed_path(video.source)).get(video.video_id)
        if saved is not None:
            # What the corrections are based on stays the model's file, however often they are saved.
            video = replace(video, rows=saved.rows, facts={**video.facts, **saved.facts})
        return Version(video, _digest(video.rows))

    def save(self, number: int, rows: Any, by: str, edits: int, expected_digest: str) -> tuple[Path, str]:
        """Save corrected segments of one video; the other videos in the file stay.

        Args:
            number: Place of the video.
            rows: As in results files.
            by: Name of the reviewer.
            edits: How many edits were made.
            expected_digest: Of the version that was corrected.

        Returns:
            The file, and the digest of what is in it now.

        Raises:
            ConflictError: Another version was saved since.
            AnnotationError: A row lacks its label, score or times.
            OutputError: The file cannot be written.
        """
        from filelock import FileLock

        checked = check_rows(rows)
        path = reviewed_path(self.videos[number].source)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS):
            current = self.load(number)
            if current.digest != expected_digest:
                raise _explain_conflict(current.video)
            review = {"by": by, "at": _now(), "edits": edits, "based_on": self._describe_source(number)}
            _write(path, replace(current.video, rows=checked), review)
        return path, self.load(number).digest

    def _describe_source(self, number: int) -> dict[str, str]:
        video = self.videos[number]
        return {"file": video.source.name, "sha256": video.digest}


def _read_saved(path: Path) -> dict[str, VideoSegments]:
    return {video.video_id: video for video in read_segments(path)} if path.exists() else {}


def _write(path: Path, video: VideoSegments, review: Mapping[str, Any]) -> None:
    saved = _read_saved(path)
    saved[video.video_id] = replace(video, facts={**video.facts, "review": review})
    content = {
        "version": _LAYOUT,
        "results": {name: list(item.rows) for name, item in saved.items()},
        "external_data": {
            **video.run,
            "reviewed": True,
            "cltdr_version": __version__,
            "videos": {name: item.facts for name, item in saved.items()},
        },
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _digest(rows: Sequence[Mapping[str, Any]]) -> str:
    return hashlib.sha256(json.dumps([dict(row) for row in rows], sort_keys=True).encode("ascii")).hexdigest()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _explain_conflict(video: VideoSegments) -> ConflictError:
    review = video.facts.get("review")
    who = f"{review.get('by')} at {review.get('at')}" if isinstance(review, Mapping) else "somebody else"
    return ConflictError(
        f"{video.video_id} was saved by {who}, after this page was opened",
        "Download your version (Download JSON), then reload the page to see theirs.",
    )
