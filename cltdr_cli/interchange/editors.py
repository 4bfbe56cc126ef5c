"""For video editors: OTIO (all of the time line, a track for each tier) and CMX 3600 EDL (the segments in a row).

Both are made with OpenTimelineIO (``pip install 'cltdr-cli[editors]'``). Frames are those of the video's rate; a
segment holds the frames that begin in it, so times are exact to the frame.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltdr_cli.errors import OutputError, UsageError
from cltdr_cli.files import write_text
from cltdr_cli.interchange.tracks import (
    Interval,
    Track,
    WriteSettings,
    lay_out_tiers,
    without_negative_times,
)
from cltdr_cli.plain_text import as_utf8, harmless

if TYPE_CHECKING:
    from opentimelineio.opentime import TimeRange

_TIMECODE_RATES = {Fraction(n) for n in (24, 25, 30, 48, 50, 60)} | {
    Fraction(n, 1001) for n in (24000, 30000, 48000, 60000)
}
_DEFAULT_TRACK = "actions"


def write_otio(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video as a time line: every segment a clip at its place, overlapping ones in tracks of their own.

    Raises:
        UsageError: OpenTimelineIO is missing, or the frame rate is unknown.
    """
    otio = _import_otio()
    (track,) = map(without_negative_times, tracks)
    rate = settings.find_rate(track)
    timeline = otio.schema.Timeline(name=track.video_id)
    for name, items in lay_out_tiers(track.intervals, _DEFAULT_TRACK).items():
        lane = otio.schema.Track(name=name, kind=otio.schema.TrackKind.Video)
        at = 0
        for item in items:
            first, count = _find_frames(item, rate)
            first = max(first, at)  # neighbours that share a frame after rounding do not overlap
            if first > at:
                lane.append(otio.schema.Gap(source_range=_make_range(otio, 0, first - at, rate)))
            lane.append(_make_clip(otio, track, item, first, count, rate))
            at = first + count
        timeline.tracks.append(lane)
    write_text(path, timeline.to_json_string(indent=1) + "\n")


def write_edl(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video's segments one after the other, by start: an EDL has a single track and knows no overlap.

    Raises:
        UsageError: OpenTimelineIO is missing, or the frame rate is unknown or none of time codes.
        OutputError: There are more segments than an EDL can number.
    """
    otio = _import_otio()
    (track,) = map(without_negative_times, tracks)
    rate = settings.find_rate(track)
    if rate not in _TIMECODE_RATES:
        raise UsageError(
            f"{track.video_id}: time code has no rate of {float(rate):g} frames per second.",
            "Give the rate of your editor's project as fps=: 23.976, 24, 25, 29.97, 30, 48, 50, 59.94 or 60.",
        )
    if len(track.intervals) > 999:
        raise OutputError(f"{track.video_id}: an EDL numbers 999 events at most, and there are {len(track.intervals)}")
    timeline = otio.schema.Timeline(name=harmless(track.video_id))
    lane = otio.schema.Track(name="V", kind=otio.schema.TrackKind.Video)
    for item in sorted(track.intervals, key=lambda i: (i.start, i.end)):
        first, count = _find_frames(item, rate)
        lane.append(_make_clip(otio, track, item, first, count, rate))
    timeline.tracks.append(lane)
    settings.notices.append(f"{path.name}: the segments stand one after the other; their places are the source times")
    write_text(path, otio.adapters.write_to_string(timeline, "cmx_3600", rate=float(rate)))


def _import_otio() -> Any:
    try:
        import opentimelineio as otio
        import otio_cmx3600_adapter  # noqa: F401 # pyright: ignore[reportUnusedImport] # the EDL writer is a plugin
    except ImportError as error:
        raise UsageError(
            "OTIO and EDL files need OpenTimelineIO, which is not installed.",
            "Install it: pip install 'cltdr-cli[editors]'",
        ) from error
    return otio


def _find_frames(item: Interval, rate: Fraction) -> tuple[int, int]:
    """First frame and number of frames, one at least."""
    first = round(Fraction(item.start) * rate)
    return first, max(1, round(Fraction(item.end) * rate) - first)


def _make_clip(otio: Any, track: Track, item: Interval, first: int, count: int, rate: Fraction) -> Any:
    last = max(first + count, round(Fraction(track.end_seconds) * rate))
    reference = otio.schema.ExternalReference(
        target_url=as_utf8(track.media or track.video_id), available_range=_make_range(otio, 0, last, rate)
    )
    facts: dict[str, Any] = {"label": item.label, "start": item.start, "end": item.end}
    if item.score is not None:
        facts["score"] = item.score
    return otio.schema.Clip(
        name=harmless(" ".join(item.label.split())),
        media_reference=reference,
        source_range=_make_range(otio, first, count, rate),
        metadata={"cltdr": facts, "cmx_3600": {"reel": "AX"}},
    )


def _make_range(otio: Any, first: int, count: int, rate: Fraction) -> TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(first, float(rate)), otio.opentime.RationalTime(count, float(rate))
    )
