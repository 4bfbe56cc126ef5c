"""Subtitles: one cue for each interval, by start."""

from __future__ import annotations

from pathlib import Path

from cltdr_cli.files import write_text
from cltdr_cli.interchange.tracks import Track, WriteSettings
from cltdr_cli.writers.subtitles import Cue, make_srt, make_vtt


def write_srt(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video as SubRip."""
    write_text(path, make_srt(_list_cues(tracks)))


def write_vtt(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video as WebVTT."""
    write_text(path, make_vtt(_list_cues(tracks)))


def _list_cues(tracks: list[Track]) -> list[Cue]:
    (track,) = tracks
    ordered = sorted(track.intervals, key=lambda i: (i.start, i.end))
    return [(i.start, i.end, i.label if i.score is None else f"{i.label} ({i.score:.2f})") for i in ordered]
