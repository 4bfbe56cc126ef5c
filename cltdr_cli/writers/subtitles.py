"""Results as SRT or WebVTT subtitles, to watch them with the video: one cue per segment, by start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cltdr_cli.errors import OutputError
from cltdr_cli.files import write_text
from cltdr_cli.plain_text import harmless
from cltdr_cli.segments import Segment, VideoResult
from cltdr_cli.writers.numbers import sort_segments

Cue = tuple[float, float, str]

_SRT_LOOKALIKES = str.maketrans("<>{}\\", "\u2039\u203a()\u29f5")
"""SRT has no escapes for the tags that players interpret (``<i>``, ``{\\an8}``), so these signs are replaced."""

_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""https://www.w3.org/TR/webvtt1/#webvtt-cue-text"""


def write_srt(results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write SubRip cues of one video; ``external`` is not written.

    Raises:
        OutputError: More than one video, a number that is not finite, or the file cannot be written.
    """
    write_text(path, make_srt(map(_make_cue, _sort_by_start(results, path))))


def write_vtt(results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write WebVTT cues of one video; ``external`` is not written.

    Raises:
        OutputError: More than one video, a number that is not finite, or the file cannot be written.
    """
    write_text(path, make_vtt(map(_make_cue, _sort_by_start(results, path))))


def make_srt(cues: Iterable[Cue]) -> str:
    """SubRip text of cues ``(start, end, text)`` in their order; seconds."""
    blocks = [
        f"{number}\n{_format_span(start, end, ',')}\n{_flatten(text).translate(_SRT_LOOKALIKES)}\n"
        for number, (start, end, text) in enumerate(cues, 1)
    ]
    return "\n".join(blocks)


def make_vtt(cues: Iterable[Cue]) -> str:
    """WebVTT text of cues ``(start, end, text)`` in their order; seconds."""
    blocks = [
        f"{_format_span(start, end, '.')}\n{_flatten(text).translate(_VTT_ESCAPES)}\n" for start, end, text in cues
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _sort_by_start(results: Sequence[VideoResult], path: Path) -> list[Segment]:
    if len(results) != 1:
        raise OutputError(f"{path}: subtitles belong to one video, not to {len(results)}", "write to a folder")
    return sorted(sort_segments(results[0]), key=lambda segment: (segment.start, segment.end))


def _format_span(start_seconds: float, end_seconds: float, point: str) -> str:
    """``start --> end``; a cue lasts at least a millisecond, because players drop empty ones."""
    start = max(0, round(start_seconds * 1000))
    end = max(start + 1, round(end_seconds * 1000))
    return f"{_format_stamp(start, point)} --> {_format_stamp(end, point)}"


def _format_stamp(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def _make_cue(segment: Segment) -> Cue:
    return segment.start, segment.end, f"{segment.label} ({segment.score:.2f})"


def _flatten(text: str) -> str:
    """Text on one line that draws only itself: a blank line would end the cue."""
    return " ".join(harmless(" ".join(text.split())).split())
