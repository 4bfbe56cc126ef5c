"""Names -> working parts: a detector with its labels, and the frozen extractor it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import UsageError, WeightsError
from cltdr_cli.models.cltdr_config import CltdrConfig
from cltdr_cli.models.sliding_config import SlidingConfig
from cltdr_cli.zoo.detectors import installed_detector
from cltdr_cli.zoo.preset import Preset, load_preset
from cltdr_cli.zoo.weights import ensure, state

if TYPE_CHECKING:
    import torch

    from cltdr_cli.inference.localize import Localizer
    from cltdr_cli.zoo.checkpoint import Checkpoint
    from extractors import ExtractorRecord
    from extractors.spec import Extractor

Fetch = Callable[[str], Path]
"""Name of a weights entry -> its verified file; the command line's also downloads, with a progress bar."""

DEMO = "demo"
_UNTRAINED = "untrained: "

DEMO_NOTICE = (
    "This is the bundled demo model: it knows eight actions of drawn figures only, not real footage. "
    "For real actions: `cltdr weights download i3d-rgb`, then `--preset kinetics400-i3d-rgb`; "
    "or your own `--checkpoint FILE`."
)


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
        precision: Of the extractor: ``fp32``, ``fp16`` or ``bf16``.
        extractor: Name of the extractor, in place of the preset's.
        option: Named preprocessing option of the extractor.
        fetch: Finds weights that were not given by hand.
    """

    device: torch.device | str = "cpu"
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
    precision: str = "fp32"
    extractor: str | None = None
    option: str | None = None
    fetch: Fetch = from_cache


@dataclass(frozen=True)
class LoadedExtractor:
    """A frozen extractor and where its weights come from.

    Attributes:
        extractor: The network with its record.
        digests: Weights entry or file name -> SHA-256.
    """

    extractor: Extractor
    digests: dict[str, str]


@dataclass
class LoadedDetector:
    """A preset come to life.

    Attributes:
        preset: Its settings.
        labels: Class names in index order.
        localizer: Features -> detections.
        digests: Names of the localizer's weights -> SHA-256.
        notices: What the user must know of this model.
        trained: False for a model with random weights.
        extractor_loader: Makes the extractor, when a video (or a class head) asks for it.
    """

    preset: Preset
    labels: tuple[str, ...]
    localizer: Localizer
    digests: dict[str, str]
    notices: tuple[str, ...]
    trained: bool
    extractor_loader: Callable[[], LoadedExtractor] = field(repr=False)

    @cached_property
    def extractor(self) -> LoadedExtractor:
        """The extractor of the preset, loaded once when first asked for."""
        return self.extractor_loader()


def load_extractor(name: str, sources: ModelSources) -> LoadedExtractor:
    """A frozen extractor by name (``cltdr extractors`` lists them).

    Raises:
        UsageError: No such extractor or option.
        WeightsError: Its weights are missing, damaged, or do not fit.
    """
    import extractors
    from cltdr_cli.zoo.digests import known_sha256
    from cltdr_cli.zoo.state_dict import load_state_dict

    spec = extractor_record(name).spec
    paths = [_weights_file(entry, name, sources) for entry in (spec.weights or name).split("+")]
    states = [load_state_dict(path) for path in paths]
    try:
        built = extractors.build(
            name, states if len(states) > 1 else states[0], sources.device, sources.precision, sources.option
        )
    except ValueError as error:
        raise WeightsError(
            f"{', '.join(map(str, paths))} do not fit extractor {name}: {error}",
            "`cltdr extractors` names the weights that each extractor takes.",
        ) from error
    return LoadedExtractor(built, {path.name: known_sha256(path) for path in paths})


def extractor_of(preset: Preset, sources: ModelSources) -> LoadedExtractor:
    """The extractor that a preset's features come from, or the one named in its place.

    Raises:
        UsageError: Those features cannot be extracted here, or the named extractor's are of another width.
        WeightsError: As ``load_extractor``.
    """
    from extractors import EXTRACTORS

    name = sources.extractor or preset.features.extractor
    if sources.extractor is None and name not in EXTRACTORS:
        raise UsageError(
            f"Preset {preset.name} was trained on features ({name}, {preset.features.width} wide) that cannot be "
            "extracted from video here.",
            "Give feature files (.npy) in place of videos, or name the right extractor: --extractor NAME.",
        )
    width = extractor_record(name).spec.width
    if width != preset.features.width:
        raise UsageError(
            f"Extractor {name} makes features {width} wide; preset {preset.name} takes {preset.features.width}.",
            "`cltdr extractors` lists the widths.",
        )
    return load_extractor(name, sources)


def extractor_record(name: str) -> ExtractorRecord:
    """The record of an extractor by name.

    Raises:
        UsageError: There is none; the nearest names are given.
    """
    from difflib import get_close_matches

    from extractors import EXTRACTORS

    if name not in EXTRACTORS:
        near = get_close_matches(name, EXTRACTORS, 3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`cltdr extractors` lists them."
        raise UsageError(f"There is no extractor {name!r}.", hint)
    return EXTRACTORS[name]


def load_detector(
    preset: str = "auto", checkpoint: Path | None = None, sources: ModelSources | None = None
) -> LoadedDetector:
    """A working detector.

    Args:
        preset: Name, YAML file, or ``auto``: an installed real detector if there is one, else the demo model.
        checkpoint: One of our checkpoints; it carries its preset, and ``preset`` must then be left ``auto``.
        sources: Where models come from and how they run; by default the cache and the CPU.

    Raises:
        UsageError: Both a preset and a checkpoint are named.
        PresetError: No such preset.
        WeightsError: Weights are missing, damaged, or do not fit.
    """
    from cltdr_cli.zoo.checkpoint import load_checkpoint

    sources = sources or ModelSources()
    if checkpoint is not None and preset != "auto":
        raise UsageError(
            "--preset and --checkpoint name two models.", "A checkpoint carries its preset: drop one."
        )
    if checkpoint is None:
        settings = load_preset(_best_installed(sources) if preset == "auto" else preset)
        if isinstance(settings.model, SlidingConfig):
            return _sliding(settings, settings.model, sources)
        checkpoint = _localizer_file(settings, sources)
    return _cltdr(load_checkpoint(checkpoint), checkpoint.name, sources)


def _cltdr(checkpoint: Checkpoint, source: str, sources: ModelSources) -> LoadedDetector:
    import torch

    from cltdr_cli.inference.localize import CltdrLocalizer
    from cltdr_cli.models.cltdr import build_cltdr

    preset = checkpoint.preset
    if not isinstance(preset.model, CltdrConfig):
        raise WeightsError(f"{source} carries preset {preset.name}, which has no network", "Make it again.")
    model = build_cltdr(preset.model)
    try:
        model.load_state_dict(checkpoint.state)
    except RuntimeError as error:
        raise WeightsError(f"{source} does not fit its own preset: {error}", "The file is damaged.") from error
    device = torch.device(sources.device)
    localizer = CltdrLocalizer(
        model.to(device).eval().requires_grad_(False),
        preset.inference,
        device,
        preset.features.downsample_rate,
        preset.features.force_upsampling,
    )
    trained = bool(checkpoint.facts.get("trained", True))
    notices = (DEMO_NOTICE,) if preset.name == DEMO else ()
    if not trained:
        notices += ("Its weights are random: it was never trained, and its segments mean nothing.",)
    labels = checkpoint.labels if trained else tuple(_UNTRAINED + label for label in checkpoint.labels)
    return LoadedDetector(
        preset,
        labels,
        localizer,
        {source: checkpoint.digest},
        notices,
        trained,
        lambda: extractor_of(preset, sources),
    )


def _sliding(preset: Preset, config: SlidingConfig, sources: ModelSources) -> LoadedDetector:
    from cltdr_cli.inference.sliding import SlidingLocalizer

    loaded = extractor_of(preset, sources)
    head = loaded.extractor.class_head()
    if head is None:
        raise WeightsError(
            f"The weights of {preset.features.extractor} carry no class head to slide over the video.",
            f"`cltdr weights download {preset.features.extractor}` fetches a file that does.",
        )
    weight, bias = (tensor.detach().float().cpu().numpy() for tensor in (head.weight, head.bias))
    localizer = SlidingLocalizer(weight, bias, config, preset.inference)
    return LoadedDetector(preset, preset.class_names or (), localizer, loaded.digests, (), True, lambda: loaded)


def _best_installed(sources: ModelSources) -> str:
    """The real detector that this machine has everything for, else the demo."""
    from cltdr_cli.zoo import catalog

    for name in catalog.presets():
        if installed_detector(name) is not None:
            return name
    for name in ("kinetics400-i3d-rgb", "kinetics400-videomae-base"):
        spec = extractor_record(load_preset(name).features.extractor).spec
        if spec.name in sources.files or (spec.weights and state(spec.weights) in ("verified", "unverified")):
            return name
    return DEMO


def _localizer_file(preset: Preset, sources: ModelSources) -> Path:
    """The checkpoint of a preset: installed by the user under its name, or of the manifest.

    Raises:
        WeightsError: There is neither.
    """
    installed = installed_detector(preset.name)
    if installed is not None:
        return installed
    if preset.weights:
        return sources.fetch(preset.weights)
    raise _no_weights(preset)


def _no_weights(preset: Preset) -> WeightsError:
    return WeightsError(
        f"There are no public weights for preset {preset.name}.",
        "Ask its authors for the checkpoint, turn it into ours with\n"
        f"  cltdr convert CHECKPOINT.pth.tar --preset {preset.name} --out {preset.name}.safetensors\n"
        f"and install it: cltdr weights add {preset.name} {preset.name}.safetensors (or train: cltdr train).",
    )


def _weights_file(entry: str, name: str, sources: ModelSources) -> Path:
    """The file of one weights entry: given by hand under either name, or found."""
    given = sources.files.get(entry) or sources.files.get(name)
    if given is None:
        return sources.fetch(entry)
    if not given.is_file():
        raise WeightsError(f"The weights {given} given for {name} are not there.", "Check the path.")
    return given
