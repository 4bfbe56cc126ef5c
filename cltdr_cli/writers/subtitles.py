"""Results as SRT or WebVTT subtitles, to watch them with the video: one cue per segment, by start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.errors import OutputError
from cltdr_cli.files import write_text
from cltdr_cli.plain_text import harmless
from cltdr_cli.segments import Segment, VideoResult
from cltdr_cli.writers.numbers import sort_segments

_SRT_LOOKALIKES = str.maketrans("<>{}\\", "\u2039\u203a()\u29f5")
"""SRT has no escapes for the tags that players interpret (``<i>``, ``{\\an8}``), so these signs are replaced."""

_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""https://www.w3.org/TR/webvtt1/#webvtt-cue-text"""


def write_srt(results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write SubRip cues of one video; ``external`` is not written.

    Raises:
        OutputError: More than one video, a number that is not finite, or the file cannot be written.
    """
    cues = [
        f"{number}\n{_format_span(segment, ',')}\n{_format_text(segment).translate(_SRT_LOOKALIKES)}\n"
        for number, segment in enumerate(_sort_by_start(results, path), 1)
    ]
    write_text(path, "\n".join(cues))


def write_vtt(results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write WebVTT cues of one video; ``external`` is not written.

    Raises:
        OutputError: More than one video, a number that is not finite, or the file cannot be written.
    """
    cues = [
        f"{_format_span(segment, '.')}\n{_format_text(segment).translate(_VTT_ESCAPES)}\n"
        for segment in _sort_by_start(results, path)
    ]
    write_text(path, "\n".join(["WEBVTT\n", *cues]))


def _sort_by_start(results: Sequence[VideoResult], path: Path) -> list[Segment]:
    if len(results) != 1:
        raise OutputError(f"{path}: subtitles belong to one video, not to {len(results)}", "write to a folder")
    return sorted(sort_segments(results[0]), key=lambda segment: (segment.start, segment.end))


def _format_span(segment: Segment, point: str) -> str:
    """``start --> end``; a cue lasts at least a millisecond, because players drop empty ones."""
    start = max(0, round(segment.start * 1000))
    end = max(start + 1, round(segment.end * 1000))
    return f"{_format_stamp(start, point)} --> {_format_stamp(end, point)}"


def _format_stamp(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def _format_text(segment: Segment) -> str:
    return f"{' '.join(harmless(' '.join(segment.label.split())).split())} ({segment.score:.2f})"
