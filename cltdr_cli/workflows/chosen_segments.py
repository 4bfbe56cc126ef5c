"""The segments of one video that are cut or shown: read from any file, then chosen by score and label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.data.class_lists import suggest_names
from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.interchange import Interval
from cltdr_cli.plain_text import describe_hidden
from cltdr_cli.reporting import Reporter
from cltdr_cli.workflows.labelled_tracks import find_track, read_labelled


def read_chosen_segments(
    video: Path,
    segments: Path,
    *,
    from_format: str | None,
    fps: float | None,
    tier: Sequence[str],
    min_score: float | None,
    labels: str | Sequence[str] | None,
    report: Reporter,
) -> list[Interval]:
    """Read the segments of a video, by start.

    Args:
        video: The video.
        segments: Detections or annotations, in any readable format.
        from_format: Their format; None tells it from the content.
        fps: Frames per second, where frames are counted.
        tier: Words ``NAME`` or ``NAME=LABEL``: only these tiers.
        min_score: Segments with a lower score are left out; those without a score stay. None takes the
            ``display_score`` that results state.
        labels: Only these: names, or one string of names separated by commas.
        report: Hears what is left out.

    Raises:
        AnnotationError: The file cannot be read, has nothing of this video, or a time that is no number.
        UsageError: No segment has one of the labels.
    """
    found = read_labelled(segments, from_format, None, fps or _measure_rate(video), tier)
    for notice in found.notices:
        report.notice(notice)
    track = find_track(found.tracks, video, segments)
    items = list(track.intervals)
    if wrong := [i for i in items if not (math.isfinite(i.start) and math.isfinite(i.end)) or i.end < i.start]:
        raise AnnotationError(
            f"{segments}: {wrong[0].label!r} lasts from {wrong[0].start:g} to {wrong[0].end:g} s",
            "`cltdr datasets check` lists all such segments: correct or remove them.",
        )
    wanted = _split_labels(labels)
    if unknown := sorted(set(wanted) - {item.label for item in items}):
        there = list(dict.fromkeys(item.label for item in items))
        meant = suggest_names(unknown, there)
        raise UsageError(
            f"No segment has the label {unknown[0]!r}.",
            f"{f'Did you mean {meant}? ' if meant else ''}There are: {', '.join(there[:10])}.",
        )
    shown = track.shown_from(min_score).intervals
    if min_score is None and (hidden := describe_hidden(track.find_hidden_scores(), track.display_score)):
        report.notice(hidden)
    kept = [item for item in shown if not wanted or item.label in wanted]
    return sorted(kept, key=lambda i: (i.start, i.end))


def _measure_rate(video: Path) -> float | None:
    from cltdr_cli.video import open_video

    reader = open_video(video, "pyav")
    rate = reader.info.rate
    reader.close()
    return None if rate is None else float(rate)


def _split_labels(labels: str | Sequence[str] | None) -> list[str]:
    words = labels.split(",") if isinstance(labels, str) else list(labels or ())
    return [word.strip() for word in words if word.strip()]
