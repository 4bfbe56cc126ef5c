"""Files of other people's tools: labelled intervals of videos are read from them and written to them."""

from __future__ import annotations

from cltdr_cli.interchange.formats import FORMATS, READABLE, recognise_format, write_tracks
from cltdr_cli.interchange.reading import read_tracks
from cltdr_cli.interchange.tracks import Interval, Track, WriteSettings

__all__ = [
    "FORMATS",
    "READABLE",
    "Interval",
    "Track",
    "WriteSettings",
    "read_tracks",
    "recognise_format",
    "write_tracks",
]
