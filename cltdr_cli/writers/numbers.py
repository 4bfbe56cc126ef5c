"""Prepares segments for writing: sorted, with scores as the shortest decimals that read back as the same number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from cltdr_cli.errors import OutputError
from cltdr_cli.plain_text import as_utf8
from cltdr_cli.segments import Segment, VideoResult


def sort_segments(result: VideoResult) -> Iterator[Segment]:
    """Sort the segments by falling score, with scores as short decimals.

    Raises:
        OutputError: A time or score is not finite; no format can hold that.
    """
    found = result.detections
    if not (np.isfinite(found.segments_seconds).all() and np.isfinite(found.scores).all()):
        raise OutputError(f"{result.video_id}: a time or score is not a finite number; nothing was written")
    order = np.argsort(-found.scores, kind="stable")
    rows = replace(result, detections=found.selected(order))
    for segment in rows:
        yield replace(segment, score=shorten_score(segment.score))


def shorten_score(score: float) -> float:
    """The float whose decimals are the shortest for this float32: 0.1, not 0.10000000149011612."""
    return float(np.format_float_positional(np.float32(score), unique=True))


def check_distinct(results: Sequence[VideoResult]) -> None:
    """Check that all results of a file have different ids.

    Raises:
        OutputError: Two videos have the same id.
    """
    counts = Counter(as_utf8(result.video_id) for result in results)
    twice = [video_id for video_id, count in counts.items() if count > 1]
    if twice:
        raise OutputError(
            f"two inputs have the id {twice[0]!r}, so their segments could not be told apart in one file",
            "write to a folder, or rename one of the inputs",
        )
