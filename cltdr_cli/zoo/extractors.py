"""Frozen extractors by name: their records, their verified weights, the loaded network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import UsageError, WeightsError
from cltdr_cli.zoo.hub import explain_missing_timm, is_hub_name
from cltdr_cli.zoo.preset import Preset
from cltdr_cli.zoo.weights import ensure

if TYPE_CHECKING:
    import torch

    from extractors import ExtractorRecord
    from extractors.spec import Extractor, ExtractorSpec

Fetch = Callable[[str], Path]
"""Name of a weights entry -> its verified file; the command line's also downloads, with a progress bar."""


def from_cache(name: str) -> Path:
    """The verified file of a weights entry; never downloads.

    Raises:
        WeightsError: It is not here; the message says how to get it.
    """
    return ensure(name, allow_download=False)


@dataclass(frozen=True)
class ModelSources:
    """Where models come from and how they run.

    Attributes:
        device: Where networks run.
        files: Extractor weights given by hand, by name of the extractor or of the weights entry; they go first.
        precision: Of the extractor: ``fp32``, ``fp16`` or ``bf16``; by OpenVINO ``fp32`` or ``int8``.
        extractor: Name of the extractor, in place of the preset's.
        option: Named preprocessing option of the extractor.
        fetch: Finds weights that were not given by hand.
        flow: Name of the optical flow, in place of the preset's.
        any_kind: Whether features of another kind than the preset's are taken.
        backend: What runs the extractor: ``torch``, ``openvino``, or ``auto``, which chooses when it is loaded.
        compiled: Whether PyTorch compiles the network first.
    """

    device: torch.device | str = "cpu"
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
    precision: str = "fp32"
    extractor: str | None = None
    option: str | None = None
    fetch: Fetch = from_cache
    flow: str | None = None
    any_kind: bool = False
    backend: str = "torch"
    compiled: bool = False


@dataclass(frozen=True)
class LoadedExtractor:
    """A frozen extractor and where its weights come from.

    Attributes:
        extractor: The network with its record.
        digests: Weights entry or file name -> SHA-256.
        notice: What runs it and why, where ``backend="auto"`` left that open.
    """

    extractor: Extractor
    digests: dict[str, str]
    notice: str = ""


def load_extractor(name: str, sources: ModelSources) -> LoadedExtractor:
    """A frozen extractor by name (``cltdr extractors`` lists them).

    One in ``int8`` must be calibrated before it is used: ``features.calibration.calibrate_extractor``.

    Raises:
        UsageError: No such extractor or option, or its backend cannot do that or is not installed.
        WeightsError: Its weights are missing, damaged, or do not fit.
    """
    import extractors
    from cltdr_cli.zoo.digests import known_sha256
    from cltdr_cli.zoo.state_dict import load_state_dict, refuse_nan

    if sources.backend == "auto":
        return _load_on_best_backend(name, sources)
    check_backend(sources)
    check_causal(_find_spec(name, sources.option), sources)
    paths = list(weights_files(name, sources).values())
    states = [load_state_dict(path) for path in paths]
    for path, state in zip(paths, states, strict=True):
        refuse_nan(path, state)
    try:
        built = extractors.build(
            name,
            states if len(states) > 1 else states[0],
            sources.device,
            sources.precision,
            sources.option,
            backend=sources.backend,
            compiled=sources.compiled,
        )
    except ValueError as error:
        raise WeightsError(
            f"{', '.join(map(str, paths))} do not fit extractor {name}: {error}",
            "`cltdr extractors` names the weights that each extractor takes.",
        ) from error
    return LoadedExtractor(built, {path.name: known_sha256(path) for path in paths})


def _load_on_best_backend(name: str, sources: ModelSources) -> LoadedExtractor:
    """OpenVINO where it pays and its features are close enough, which is measured; else PyTorch."""
    from cltdr_cli.zoo.backends import LARGEST_DIFFERENCE, explain_torch, measure_difference
    from extractors.openvino_backend import OpenVinoExtractor

    reason = explain_torch(_find_spec(name, sources.option), sources)
    if not reason:
        found = load_extractor(name, replace(sources, backend="openvino"))
        assert isinstance(found.extractor, OpenVinoExtractor)
        difference = measure_difference(found.extractor)
        if difference <= LARGEST_DIFFERENCE:
            return replace(
                found, notice=f"{name} runs on OpenVINO; its features differ from PyTorch's by {difference:.1g}"
            )
        reason = f"OpenVINO's features would differ by {difference:.1g}"
    return replace(load_extractor(name, replace(sources, backend="torch")), notice=f"{name} runs on PyTorch: {reason}")


def _find_spec(name: str, option: str | None) -> ExtractorSpec:
    try:
        return extractor_record(name).with_option(option)
    except ValueError as error:
        raise UsageError(f"extractor {name}: {error}.", "`cltdr extractors` names the options.") from error


def check_backend(sources: ModelSources) -> None:
    """Refuse a backend, device and precision that do not go together, before any weights are loaded.

    Raises:
        UsageError: They do not, or a package for it is not installed.
    """
    if sources.precision == "int8" and sources.backend != "openvino":
        raise UsageError("int8 is computed by OpenVINO only.", "Choose backend= openvino, or leave precision= out.")
    if sources.backend != "openvino":
        return
    if str(sources.device).partition(":")[0] != "cpu":
        raise UsageError(
            f"OpenVINO runs extractors on the CPU, not on {sources.device}.",
            "Choose device= cpu, or leave backend= out.",
        )
    if sources.precision not in ("fp32", "int8"):
        raise UsageError(f"OpenVINO computes in fp32 or int8, not in {sources.precision}.", "Choose one of them.")
    if sources.compiled:
        raise UsageError("compiled= is for PyTorch; OpenVINO compiles in any case.", "Leave it out.")
    _check_installed("nncf" if sources.precision == "int8" else "openvino")


def check_causal(spec: ExtractorSpec, sources: ModelSources) -> None:
    """Refuse ways of running a causal extractor that cannot carry its state from frame to frame.

    Raises:
        UsageError: The extractor is causal, and is to be compiled by PyTorch, or to be computed in int8.
    """
    if spec.causal and (sources.compiled or sources.precision == "int8"):
        raise UsageError(
            f"{spec.name} goes frame by frame and remembers what it saw: it runs neither compiled nor in int8.",
            "Leave compiled= and precision= out.",
        )


def _check_installed(package: str) -> None:
    missing = [name for name in ("openvino", package) if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"The backend OpenVINO needs the package {missing[0]}, which is not installed.",
            "Install it: pip install 'cltdr-cli[openvino]'",
        )


def weights_files(name: str, sources: ModelSources) -> dict[str, Path]:
    """Weights entry -> file of an extractor, in the order of its networks; nothing is loaded.

    Raises:
        UsageError: No such extractor.
        WeightsError: A file is missing or damaged.
    """
    entries = (extractor_record(name).spec.weights or name).split("+")
    return {entry: weights_file(entry, name, sources) for entry in entries}


def extractor_of(preset: Preset, sources: ModelSources) -> LoadedExtractor:
    """The extractor that a preset's features come from, or the one named in its place.

    Raises:
        UsageError: Those features cannot be extracted here, or the named extractor's are of another width.
        WeightsError: As ``load_extractor``.
    """
    from extractors import EXTRACTORS

    name = sources.extractor or preset.features.extractor
    if sources.extractor is None and name not in EXTRACTORS and not is_hub_name(name):
        raise UsageError(
            f"Preset {preset.name} was trained on features ({name}, {preset.features.width} wide) that cannot be "
            "extracted from video here.",
            "Give feature files (.npy) in place of videos, or name the right extractor as extractor=.",
        )
    width = extractor_record(name).spec.width
    if width != preset.features.width:
        raise UsageError(
            f"Extractor {name} makes features {width} wide; preset {preset.name} takes {preset.features.width}.",
            "`cltdr extractors` lists the widths.",
        )
    if sources.extractor is None and sources.option is None:
        sources = replace(sources, option=preset.features.option)
    return load_extractor(name, sources)


def extractor_record(name: str) -> ExtractorRecord:
    """The record of an extractor by name.

    Raises:
        UsageError: There is none; the nearest names are given.
    """
    from extractors import EXTRACTORS, find_record

    if is_hub_name(name):
        try:
            return find_record(name)
        except ImportError as error:
            raise explain_missing_timm() from error
        except ValueError as error:
            raise UsageError(f"There is no extractor {name!r}: {error}.", "timm.list_models() lists them.") from error
    if name not in EXTRACTORS:
        near = get_close_matches(name, EXTRACTORS, 3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`cltdr extractors` lists them."
        raise UsageError(f"There is no extractor {name!r}.", hint)
    return EXTRACTORS[name]


def weights_file(entry: str, name: str, sources: ModelSources) -> Path:
    """The file of one weights entry: given by hand under either name, or found.

    Raises:
        WeightsError: It is not there.
    """
    given = sources.files.get(entry) or sources.files.get(name)
    if given is None:
        return sources.fetch(entry)
    if not given.is_file():
        raise WeightsError(f"The weights {given} given for {name} are not there.", "Check the path.")
    return given
