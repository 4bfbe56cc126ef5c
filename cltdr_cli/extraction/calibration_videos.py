"""Which videos an ``int8`` network is calibrated on: chosen by the first run into a folder, kept by later ones."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.features.calibration import MOST_VIDEOS
from cltdr_cli.files import percent_decode, percent_encode, write_text
from cltdr_cli.video.named_inputs import Input

FILE = ".cltdr-calibration.json"
"""Hidden: no video's sidecar begins with a dot."""

_KEY = "videos_percent_encoded"
"""Paths may be no UTF-8."""


def choose_calibration_videos(folder: Path, files: Sequence[Input]) -> tuple[Path, ...]:
    """The videos of the folder's first run as long as they are there, else the first of this run.

    Other videos would make another network, and every finished file would be redone for it.

    Args:
        folder: Where the features go.
        files: The videos of this run, of all shards.
    """
    known = _read_known(folder / FILE)
    if known and all(path.is_file() for path in known):
        return known
    return tuple(item.path.resolve() for item in files if not item.is_features)[:MOST_VIDEOS]


def remember_calibration_videos(folder: Path, videos: Sequence[Path]) -> None:
    """Let later runs into the folder choose the same.

    Raises:
        OutputError: The folder takes no files.
    """
    if videos and tuple(videos) != _read_known(folder / FILE):
        write_text(folder / FILE, json.dumps({_KEY: [percent_encode(path) for path in videos]}, indent=1) + "\n")


def _read_known(path: Path) -> tuple[Path, ...]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(path.read_bytes())
        if _KEY not in content:  # files of older versions
            return tuple(Path(str(text)) for text in content["videos"])
        return tuple(Path(percent_decode(text)) for text in content[_KEY])
    return ()
