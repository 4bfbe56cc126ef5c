"""The two files in the box: the frozen extractor, the localizer, and what the manifest says of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltdr_cli.files import replacing, write_text

if TYPE_CHECKING:
    from torch import Tensor

EXTRACTOR, LOCALIZER = "demo", "demo-localizer"
"""Names in the manifest; ``<name>.safetensors`` in ``bundled/``."""

_NOTES = {
    EXTRACTOR: "Extractor of the demo model: a small 3-D CNN. Knows drawn figures only.",
    LOCALIZER: "Localizer of the demo model: CLTDR-GMG on the features of `demo`. Knows drawn figures only.",
}


def bundled_file(folder: Path, name: str) -> Path:
    """Where one of the two files lies in a folder."""
    return folder / f"{name}.safetensors"


def save_extractor(path: Path, state: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write the extractor's weights as half floats, whole or not at all.

    Args:
        path: The file.
        state: Of a ``DemoNetwork``.
        facts: ``trained`` and how it was made; kept in the header as JSON.

    Raises:
        OutputError: The file cannot be written.
    """
    from safetensors.torch import save_file

    halves = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in state.items()
    }
    with replacing(path) as partial:
        save_file(halves, partial, {"facts": json.dumps(dict(facts), ensure_ascii=False)})


def extractor_facts(path: Path) -> dict[str, Any]:
    """What the file of an extractor says of its making.

    Raises:
        WeightsError: It cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    from cltdr_cli.errors import WeightsError

    try:
        with safe_open(path, framework="pt") as file:
            return dict(json.loads((file.metadata() or {}).get("facts", "{}")))
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as the demo extractor: {error}") from error


def write_untrained(folder: Path, seed: int) -> None:
    """Write both files with random weights: the same seed gives the same files.

    Raises:
        OutputError: A file cannot be written.
    """
    import torch

    from cltdr_cli.methods import find_method
    from cltdr_cli.methods.record import build_network
    from cltdr_cli.zoo.checkpoint import save_checkpoint
    from cltdr_cli.zoo.preset import load_preset
    from extractors.demo import DemoNetwork

    facts = {"trained": False, "seed": seed, "source": "cltdr demo build --untrained"}
    preset = load_preset("demo")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        extractor, localizer = DemoNetwork(), build_network(find_method(preset.method), preset.model)
    save_extractor(bundled_file(folder, EXTRACTOR), extractor.state_dict(), facts)
    labels = preset.class_names or ()
    save_checkpoint(bundled_file(folder, LOCALIZER), localizer.state_dict(), preset, labels, facts)


def manifest_entries(folder: Path) -> dict[str, dict[str, Any]]:
    """What the manifest is to say of the two files of a folder."""
    return {name: _entry(bundled_file(folder, name), name) for name in (EXTRACTOR, LOCALIZER)}


def _entry(path: Path, name: str) -> dict[str, Any]:
    from cltdr_cli.zoo.digests import file_digests

    return {
        "file": path.name,
        "url": None,
        "bytes": path.stat().st_size,
        "digests": {"sha256": file_digests(path)["sha256"]},
        "licence": "MIT",
        "non_commercial": False,
        "origin": "cltdr demo build",
        "note": _NOTES[name],
    }


def install(folder: Path, package: Path) -> None:
    """Copy the two files of a folder, and what was measured of them, into the package; enter them in its manifest.

    Args:
        folder: Where the files were built.
        package: The folder of ``manifest.json``.

    Raises:
        OutputError: The package takes no files.
    """
    manifest = package / "manifest.json"
    content: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    for name in (EXTRACTOR, LOCALIZER):
        with replacing(bundled_file(package / "bundled", name)) as partial:
            shutil.copyfile(bundled_file(folder, name), partial)
    for name in ("README.md", "results.json"):
        if (folder / name).is_file():
            write_text(package / "bundled" / name, (folder / name).read_text(encoding="utf-8"))
    others = {name: facts for name, facts in content.items() if name not in (EXTRACTOR, LOCALIZER)}
    write_text(manifest, json.dumps(others | manifest_entries(folder), indent=2, ensure_ascii=False) + "\n")
