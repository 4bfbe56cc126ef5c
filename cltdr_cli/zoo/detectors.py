"""Detectors that the user installed under the name of their preset: checkpoints in the cache folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from cltdr_cli.errors import WeightsError
from cltdr_cli.files import replacing
from cltdr_cli.zoo.manifest import cache_folder


@dataclass(frozen=True)
class PublishedDetector:
    """Weights that their authors published without a direct address, so that the user must fetch them by hand.

    Attributes:
        preset: Name of the preset that they belong to.
        file: Where the checkpoint lies in the published archive.
        origin: Who published it, and where.
        licence: Its licence.
    """

    preset: str
    file: str
    origin: str
    licence: str

    @property
    def steps(self) -> str:
        """What to do, as commands."""
        name = self.preset
        return (
            f"Fetch {self.file} from {self.origin} in a browser, then\n"
            f"  `cltdr convert {self.file.split()[-1]} --preset {name} --out {name}.safetensors`\n"
            f"  `cltdr weights add {name} {name}.safetensors`"
        )


def list_published_detectors() -> dict[str, PublishedDetector]:
    """Published weights without a direct address, by the name of their preset."""
    text = resources.files("cltdr_cli.weights").joinpath("by_hand.json").read_text(encoding="utf-8")
    return {name: PublishedDetector(name, **facts) for name, facts in json.loads(text).items()}


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
