"""Detectors by preset or checkpoint: the localizer with its labels, and the extractor it was trained on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import UsageError, WeightsError
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.zoo.detectors import installed_detector, list_published_detectors
from cltdr_cli.zoo.extractors import LoadedExtractor, ModelSources, extractor_of, extractor_record
from cltdr_cli.zoo.flow import flow_of
from cltdr_cli.zoo.preset import Preset, load_preset, with_display_score
from cltdr_cli.zoo.weights import state

if TYPE_CHECKING:
    import torch
    from torch import nn

    from cltdr_cli.inference.localize import Localizer, NetworkLocalizer
    from cltdr_cli.zoo.checkpoint import Checkpoint
    from extractors.flow import FlowEngine

DEMO = "demo"
CLASSIFIERS = (
    "kinetics600-movinet-a2", "kinetics600-movinet-a0", "kinetics400-i3d-rgb", "kinetics400-videomae-base",
)  # fmt: skip
"""Presets that need no weights beyond those of their extractor, the one to prefer first."""

_UNTRAINED = "untrained: "

DEMO_NOTICE = (
    "This is the bundled demo model: it knows eight actions of drawn figures only, not real footage. "
    "For real actions: `cltdr weights download movinet-a2-stream`, then the same command again; "
    "or a checkpoint= of your own."
)


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
        flow_loader: Makes what computes the extractor's optical flow; None where it looks at none.
        label_ids: Number of each class in the annotation that was trained on; None where that is its index.
    """

    preset: Preset
    labels: tuple[str, ...]
    localizer: Localizer
    digests: dict[str, str]
    notices: tuple[str, ...]
    trained: bool
    extractor_loader: Callable[[], LoadedExtractor] = field(repr=False)
    flow_loader: Callable[[], FlowEngine | None] = field(repr=False, default=lambda: None)
    label_ids: tuple[int, ...] | None = None

    @cached_property
    def extractor(self) -> LoadedExtractor:
        """The extractor of the preset, loaded once when first asked for."""
        return self.extractor_loader()

    @cached_property
    def flow(self) -> FlowEngine | None:
        """What computes the optical flow that the extractor looks at; None where it looks at none."""
        return self.flow_loader()


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
        raise UsageError("preset= and checkpoint= name two models.", "A checkpoint carries its preset: drop one.")
    notices: tuple[str, ...] = ()
    if checkpoint is None:
        settings = load_preset(choose_installed(sources) or DEMO if preset == "auto" else preset)
        if find_method(settings.method).build is None:
            return _load_with_class_head(settings, sources)
        checkpoint = _find_weights(settings, sources)
        notices = (DEMO_NOTICE,) if settings.name == DEMO else ()
    return _load_checkpoint(load_checkpoint(checkpoint), checkpoint.name, sources, notices)


def _load_checkpoint(
    checkpoint: Checkpoint, source: str, sources: ModelSources, notices: tuple[str, ...]
) -> LoadedDetector:
    preset = with_display_score(checkpoint.preset)
    method = find_method(preset.method)
    if method.build is None:
        raise WeightsError(f"{source} carries preset {preset.name}, which has no network", "Make it again.")
    network = build_network(method, preset.model)
    try:
        network.load_state_dict(checkpoint.state)
    except RuntimeError as error:
        raise WeightsError(f"{source} does not fit its own preset: {error}", "The file is damaged.") from error
    if len(checkpoint.labels) != preset.model.num_classes:
        raise WeightsError(
            f"{source} names {len(checkpoint.labels)} classes for {preset.model.num_classes} outputs",
            "The file is damaged.",
        )
    trained = bool(checkpoint.facts.get("trained", True))
    if not trained:
        notices += ("Its weights are random: it was never trained, and its segments mean nothing.",)
    labels = checkpoint.labels if trained else tuple(_UNTRAINED + label for label in checkpoint.labels)
    return LoadedDetector(
        preset,
        labels,
        make_localizer(preset, network, sources.device),
        {source: checkpoint.digest},
        notices,
        trained,
        lambda: extractor_of(preset, sources),
        lambda: flow_of(preset, sources),
        checkpoint.label_ids,
    )


def _load_with_class_head(preset: Preset, sources: ModelSources) -> LoadedDetector:
    """A method without a network of its own: the extractor's class head is its network."""
    method, loaded = find_method(preset.method), extractor_of(preset, sources)
    head = loaded.extractor.class_head()
    if head is None or method.adopt is None:
        raise WeightsError(
            f"The weights of {preset.features.extractor} carry no class head to slide over the video.",
            f"`cltdr weights download {preset.features.extractor}` fetches a file that does.",
        )
    return LoadedDetector(
        preset,
        preset.class_names or (),
        make_localizer(preset, method.adopt(preset.model, copy.deepcopy(head).float()), sources.device),
        loaded.digests,
        (),
        True,
        lambda: loaded,
        lambda: flow_of(preset, sources),
    )


def make_localizer(preset: Preset, network: nn.Module, device: torch.device | str) -> NetworkLocalizer:
    """A network with the preset's decoding and post-processing, in evaluation mode on the device."""
    import torch

    from cltdr_cli.inference.localize import NetworkLocalizer, suppress_steps

    method, files = find_method(preset.method), preset.features
    place, trace = torch.device(device), method.trace
    return NetworkLocalizer(
        network.eval().requires_grad_(False).to(place),
        lambda outputs, grid: method.decode(outputs, preset.model, preset.inference, grid),
        preset.inference,
        place,
        files.downsample_rate,
        preset.model.max_seq_len if files.force_upsampling else None,
        method.suppress or suppress_steps,
        None if trace is None else lambda outputs, grid: trace(outputs, preset.model, grid),
    )


def choose_installed(sources: ModelSources) -> str | None:
    """Name of a real detector that this machine has everything for; None without one."""
    from cltdr_cli.zoo import catalog

    for name in catalog.presets():
        if installed_detector(name) is not None:
            return name
    for name in CLASSIFIERS:
        spec = extractor_record(load_preset(name).features.extractor).spec
        if spec.name in sources.files or (spec.weights and state(spec.weights) in ("verified", "unverified")):
            return name
    return None


def _find_weights(preset: Preset, sources: ModelSources) -> Path:
    """The checkpoint of a preset: installed by the user under its name, or of the manifest.

    Raises:
        WeightsError: There is neither.
    """
    installed = installed_detector(preset.name)
    if installed is not None:
        return installed
    if preset.weights:
        return sources.fetch(preset.weights)
    raise _explain_missing(preset)


def _explain_missing(preset: Preset) -> WeightsError:
    published = list_published_detectors().get(preset.name)
    if published is not None:
        return WeightsError(
            f"The weights of preset {preset.name} are published without a direct address.", published.steps
        )
    return WeightsError(
        f"There are no public weights for preset {preset.name}.",
        "Ask its authors for the checkpoint, turn it into ours with\n"
        f"  `cltdr convert CHECKPOINT.pth.tar --preset {preset.name} --out {preset.name}.safetensors`\n"
        f"and install it: `cltdr weights add {preset.name} {preset.name}.safetensors` (or train: `cltdr train`).",
    )
