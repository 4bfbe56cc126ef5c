"""Where the models of a run come from, by the arguments that all workflows share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from cltdr_cli.errors import UsageError
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.workflows.default_model import choose_default_preset
from cltdr_cli.workflows.downloads import fetch_weights
from cltdr_cli.zoo.devices import resolve_device
from cltdr_cli.zoo.extractors import ModelSources, extractor_record
from cltdr_cli.zoo.load import LoadedDetector, load_detector
from cltdr_cli.zoo.manifest import manifest

WeightsFiles: TypeAlias = "Mapping[str, str | Path] | Sequence[str]"
"""Weights given by hand: files by name, or words ``NAME=FILE`` as on the command line."""


def find_models(
    device: str = "auto",
    extractor_weights: WeightsFiles = (),
    precision: str = "fp32",
    *,
    extractor: str | None = None,
    option: str | None = None,
    flow: str | None = None,
    force: bool = False,
    backend: str = "torch",
    compiled: bool = False,
    accept_license: bool = False,
    report: Reporter = SILENT,
) -> ModelSources:
    """Where models come from and how they run; nothing is loaded yet.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        extractor_weights: Files in place of the cache, by name of the extractor or of the weights.
        precision: Arithmetic of the extractor: ``fp32``, ``fp16``, ``bf16`` or ``int8``.
        extractor: Name of the extractor, in place of the preset's.
        option: Preprocessing option of the extractor.
        flow: Name of the optical flow, in place of the preset's.
        force: Whether features of another kind than the preset's are taken.
        backend: What runs the extractor: ``torch``, ``openvino``, or ``auto``: OpenVINO on a CPU where it is
            installed, pays, and gives the same features within 1e-3.
        compiled: Whether PyTorch compiles the extractor first.
        accept_license: Whether licences that exclude uses are agreed to.
        report: Hears of downloads, and is asked about licences.

    Raises:
        UsageError: There is no such device or extractor, or a word is no ``NAME=FILE``.
    """
    return ModelSources(
        device=resolve_device(device),
        files=read_weights_files(extractor_weights),
        precision=precision,
        extractor=extractor,
        option=option,
        fetch=lambda name: fetch_weights(name, accept_license=accept_license, report=report),
        flow=flow,
        any_kind=force,
        backend=backend,
        compiled=compiled,
    )


def load_reported_detector(
    preset: str | Path,
    checkpoint: str | Path | None,
    models: ModelSources,
    report: Reporter = SILENT,
    *,
    download: bool | None = False,
) -> LoadedDetector:
    """Load a detector and report what one should know of it.

    Args:
        preset: Name or YAML file; ``auto`` leaves the choice to ``choose_default_preset``.
        checkpoint: Checkpoint in place of a preset.
        models: Where models come from and how they run.
        report: Hears of downloads and notices.
        download: Whether ``auto`` may download a detector; else it is the bundled demo.

    Raises:
        CltdrError: There is no such preset, or weights are missing, damaged, or do not fit.
    """
    if str(preset) == "auto" and checkpoint is None:
        preset = choose_default_preset(models, bool(download), report)
    loaded = load_detector(str(preset), None if checkpoint is None else Path(checkpoint), models)
    for text in loaded.notices:
        report.notice(text)
    return loaded


def read_weights_files(given: WeightsFiles) -> dict[str, Path]:
    """Files of weights by name.

    Raises:
        UsageError: A word is no ``NAME=FILE``, or the name is of no weights and no extractor.
    """
    pairs = given.items() if isinstance(given, Mapping) else map(_split_pair, given)
    files = {name: Path(file) for name, file in pairs}
    for name in files.keys() - manifest().keys():
        extractor_record(name)
    return files


def _split_pair(word: str) -> tuple[str, str]:
    name, equals, file = word.partition("=")
    if not equals or not file:
        raise UsageError(f"The weights {word!r} are not NAME=FILE.", "For instance: i3d-rgb=rgb_imagenet.pt")
    return name, file
