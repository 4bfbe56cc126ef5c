"""The two bundled weights files: where they lie, how they are written, and their entries in the manifest."""

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
"""Names in the manifest; each file is ``bundled/<name>.safetensors``."""

_NOTES = {
    EXTRACTOR: "Extractor of the demo model: a small 3-D CNN. Knows drawn figures only.",
    LOCALIZER: "Localizer of the demo model: CLTDR-GMG on the features of `demo`. Knows drawn figures only.",
}


def locate_file(folder: Path, name: str) -> Path:
    """Path of one of the two files in a folder."""
    return folder / f"{name}.safetensors"


def save_extractor(path: Path, state: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write the extractor's weights as half floats, atomically.

    Args:
        path: The file.
        state: State dict of a ``DemoNetwork``.
        facts: ``trained`` and how the file was made; stored in its header as JSON.

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


def read_extractor_facts(path: Path) -> dict[str, Any]:
    """Read how an extractor's file was made, from its header.

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
    """Write both files with random weights. The same seed gives the same files.

    Raises:
        OutputError: A file cannot be written.
    """
    import torch

    from cltdr_cli.methods import find_method
    from cltdr_cli.methods.record import build_network
    from cltdr_cli.zoo.checkpoint import save_checkpoint
    from cltdr_cli.zoo.preset import load_preset
    from extractors.demo import DemoNetwork

    facts = {"trained": False, "seed": seed, "source": "examples/bundled_model/build.py --untrained"}
    preset = load_preset("demo")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        extractor, localizer = DemoNetwork(), build_network(find_method(preset.method), preset.model)
    save_extractor(locate_file(folder, EXTRACTOR), extractor.state_dict(), facts)
    labels = preset.class_names or ()
    save_checkpoint(locate_file(folder, LOCALIZER), localizer.state_dict(), preset, labels, facts)


def make_manifest_entries(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifest's entries for the two files of a folder."""
    return {name: _make_entry(locate_file(folder, name), name) for name in (EXTRACTOR, LOCALIZER)}


def _make_entry(path: Path, name: str) -> dict[str, Any]:
    from cltdr_cli.zoo.digests import file_digests

    return {
        "file": path.name,
        "url": None,
        "bytes": path.stat().st_size,
        "digests": {"sha256": file_digests(path)["sha256"]},
        "licence": "MIT",
        "non_commercial": False,
        "origin": "examples/bundled_model/build.py",
        "note": _NOTES[name],
    }


def install(folder: Path, package: Path) -> None:
    """Copy the two files and their results into a weights folder, and update the manifest there.

    Args:
        folder: Folder of the build.
        package: Folder of ``manifest.json``, such as ``weights`` in a checkout.

    Raises:
        OutputError: A file cannot be written.
    """
    manifest = package / "manifest.json"
    content: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    for name in (EXTRACTOR, LOCALIZER):
        with replacing(locate_file(package / "bundled", name)) as partial:
            shutil.copyfile(locate_file(folder, name), partial)
    for name in ("README.md", "results.json"):
        if (folder / name).is_file():
            write_text(package / "bundled" / name, (folder / name).read_text(encoding="utf-8"))
    others = {name: facts for name, facts in content.items() if name not in (EXTRACTOR, LOCALIZER)}
    write_text(manifest, json.dumps(others | make_manifest_entries(folder), indent=2, ensure_ascii=False) + "\n")
