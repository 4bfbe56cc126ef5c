"""Chapters for players and video sites: ffmetadata for FFmpeg, and the text that YouTube takes."""

from __future__ import annotations

import re
from pathlib import Path

from cltdr_cli.files import write_text
from cltdr_cli.interchange.tracks import (
    Interval,
    Track,
    WriteSettings,
    to_milliseconds,
    without_negative_times,
)
from cltdr_cli.plain_text import clock_time, harmless

FEWEST_CHAPTERS, SHORTEST_SECONDS = 3, 10
"""YouTube shows chapters from three on, each of ten seconds at least (YouTube Help, "Video chapters")."""


def list_chapters(track: Track) -> list[Interval]:
    """The intervals by start: what players show as chapters."""
    return sorted(without_negative_times(track).intervals, key=lambda i: (i.start, i.end))


def write_ffmetadata(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video's chapters in milliseconds, for ``ffmpeg -i VIDEO -i FILE -map_chapters 1 -codec copy OUT``."""
    (track,) = tracks
    lines = [";FFMETADATA1"]
    for item in list_chapters(track):
        start, end = to_milliseconds(item.start), to_milliseconds(item.end)
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={max(end, start + 1)}"]
        lines.append(f"title={_escape(item.label)}")
    write_text(path, "\n".join(lines) + "\n")


def write_youtube(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video's chapters as lines ``0:00 label`` in whole seconds; the first is at 0:00, as YouTube wants."""
    (track,) = tracks
    starts: dict[int, list[str]] = {}
    for item in list_chapters(track):
        labels = starts.setdefault(int(item.start), [])
        if item.label not in labels:
            labels.append(item.label)
    starts = {0: starts.get(0, ["Start"]), **{at: names for at, names in starts.items() if at}}
    _note_rules(list(starts), track, settings)
    hours = max(starts) >= 3600
    lines = [
        f"{_clock(at, hours)} {harmless(' / '.join(' '.join(n.split()) for n in names))}"
        for at, names in starts.items()
    ]
    write_text(path, "\n".join(lines) + "\n")


def _note_rules(starts: list[int], track: Track, settings: WriteSettings) -> None:
    ends = [*starts[1:], max(track.end_seconds, starts[-1])]
    short = sum(end - start < SHORTEST_SECONDS for start, end in zip(starts, ends, strict=True))
    if len(starts) < FEWEST_CHAPTERS or short:
        settings.notices.append(
            f"{track.video_id}: YouTube shows chapters only if there are {FEWEST_CHAPTERS} or more and all last "
            f"{SHORTEST_SECONDS} s; here are {len(starts)}, and {short} of them are shorter"
        )


def _clock(seconds: int, hours: bool) -> str:
    clock = clock_time(seconds, 0)
    return f"0:{clock:0>5}" if hours and seconds < 3600 else clock


def _escape(label: str) -> str:
    """FFmpeg's own rule: ``=``, ``;``, ``#``, a backslash and line ends are escaped with a backslash."""
    return re.sub(r"([=;#\\])", r"\\\1", harmless(" ".join(label.split())))
