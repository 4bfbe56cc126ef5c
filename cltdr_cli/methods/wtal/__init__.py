"""Localization from video labels (weakly supervised): CO2-Net and HAM-Net, and room for DFE on the former."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltdr_cli.methods.record import Method
from cltdr_cli.methods.wtal.config import WtalConfig, WtalInference, WtalTraining, check_sections
from cltdr_cli.methods.wtal.published import PUBLISHED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from cltdr_cli.inference.nms import Candidates
    from cltdr_cli.methods.wtal.outputs import WtalOutputs
    from cltdr_cli.timeline import FeatureGrid
    from cltdr_cli.training.label_loader import Sampler
    from cltdr_cli.training.objective import Objective

TIOUS = (0.1, 0.7, 7)
"""First, last and number of the thresholds that this family reports on THUMOS14."""


def build(config: WtalConfig) -> nn.Module:
    """The network with fresh weights."""
    from cltdr_cli.methods.wtal.co2net import Co2Net
    from cltdr_cli.methods.wtal.hamnet import HamNet

    widths = (config.input_dim, config.attention_dim, config.num_classes, config.feature_dropout)
    if config.network == "hamnet":
        return HamNet(*widths, config.pool_kernel)
    enhance = None if config.enhancement in (None, "none") else lambda: build_enhancement(config)
    return Co2Net(*widths, config.attention_dropout or 0.0, config.pool_kernel, enhance)


def build_enhancement(config: WtalConfig) -> nn.Module:
    """What makes enhanced features of fused ones: the local part of our reconstruction of DFE.

    The global part is in the objective, since it exists in training only.
    """
    from cltdr_cli.methods.wtal.local_enhancement import LocalEnhancement

    assert config.local_kind is not None, "checked with the preset"
    assert config.local_window is not None, "likewise"
    return LocalEnhancement(config.input_dim, config.local_kind, config.local_window)


def make_objective(config: WtalConfig, training: WtalTraining) -> Objective:
    """The losses of the network."""
    from cltdr_cli.methods.wtal.objective import Co2Objective, HamObjective
    from cltdr_cli.methods.wtal.taught_objective import TaughtObjective

    if config.enhancement == "global":
        return TaughtObjective(config, training)
    return HamObjective(training) if config.network == "hamnet" else Co2Objective(training)


def make_sampler(config: WtalConfig, training: WtalTraining, labels: NDArray[np.float32]) -> Sampler:
    """Which videos and steps each iteration sees."""
    from cltdr_cli.methods.wtal.sampling import EpochSampler, PairSampler

    return EpochSampler(training, labels) if config.network == "hamnet" else PairSampler(training, labels)


def decode(outputs: WtalOutputs, config: WtalConfig, inference: WtalInference, grid: FeatureGrid) -> Candidates:
    """Candidates in steps: runs of attention above several thresholds, for the classes of the video."""
    from cltdr_cli.methods.wtal.proposals import propose

    return propose(outputs.logits[0], outputs.attention[0], inference)


def suppress(candidates: Candidates, inference: WtalInference, grid: FeatureGrid) -> Candidates:
    """Soft-NMS per class; every candidate stays, whatever its score."""
    from cltdr_cli.methods.wtal.nms import suppress_softly

    unit_steps = 1.0 if inference.nms_unit == "steps" else grid.rate / grid.stride_frames
    return suppress_softly(candidates, inference.nms_sigma, unit_steps)


METHOD = Method(
    title="weakly supervised localization",
    supervision="video",
    config=WtalConfig,
    decode=decode,
    build=build,
    objective=make_objective,
    training_config=WtalTraining,
    inference_config=WtalInference,
    check=check_sections,
    suppress=suppress,
    sampler=make_sampler,
    published=PUBLISHED,
    averages=((0.1, 0.5), (0.1, 0.7)),
    tious={"thumos14": TIOUS, "custom": TIOUS},
)
