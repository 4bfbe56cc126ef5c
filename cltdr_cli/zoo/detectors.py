"""Detectors that the user installed under the name of their preset: checkpoints in the cache folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from cltdr_cli.errors import WeightsError
from cltdr_cli.files import replacing
from cltdr_cli.zoo.manifest import cache_folder


def detector_path(preset: str) -> Path:
    """Where an installed checkpoint of that preset lies, or would lie."""
    return cache_folder() / "detectors" / f"{preset}.safetensors"


def installed_detector(preset: str) -> Path | None:
    """The installed checkpoint of that preset; None without one."""
    path = detector_path(preset)
    return path if path.is_file() else None


def installed_detectors() -> dict[str, Path]:
    """Every installed checkpoint by the name of its preset, sorted."""
    return {path.stem: path for path in sorted(detector_path("any").parent.glob("*.safetensors"))}


def add_detector(preset: str, file: Path) -> Path:
    """Copy one of our checkpoints to its place, once it proves to be of that preset.

    Raises:
        WeightsError: It is no checkpoint of ours, or of another preset.
        OutputError: The cache folder takes no files.
    """
    from cltdr_cli.zoo.checkpoint import load_checkpoint

    found = load_checkpoint(file).preset.name
    if found != preset:
        raise WeightsError(
            f"{file} is a checkpoint of preset {found}, not of {preset}; nothing was copied",
            f"cltdr weights add {found} {file} installs it under its own name; checkpoint= takes any.",
        )
    target = detector_path(preset)
    with replacing(target) as partial:
        shutil.copyfile(file, partial)
    return target
