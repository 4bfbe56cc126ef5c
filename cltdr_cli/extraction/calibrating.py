"""Which videos an ``int8`` network is calibrated on: chosen by the first run into a folder, kept by later ones."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.features.calibration import MOST_VIDEOS
from cltdr_cli.files import write_text
from cltdr_cli.video.inputs import Input

FILE = "calibration.json"


def calibration_videos(folder: Path, files: Sequence[Input]) -> tuple[Path, ...]:
    """The videos of the folder's first run as long as they are there, else the first of this run.

    Other videos would make another network, and every finished file would be redone for it.

    Args:
        folder: Where the features go.
        files: The videos of this run, of all shards.

    Raises:
        OutputError: The folder takes no files.
    """
    known = _known(folder / FILE)
    if known and all(path.is_file() for path in known):
        return known
    chosen = tuple(item.path.resolve() for item in files if not item.is_features)[:MOST_VIDEOS]
    if chosen:
        write_text(folder / FILE, json.dumps({"videos": [str(path) for path in chosen]}, indent=1) + "\n")
    return chosen


def _known(path: Path) -> tuple[Path, ...]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return tuple(Path(str(text)) for text in json.loads(path.read_bytes())["videos"])
    return ()
