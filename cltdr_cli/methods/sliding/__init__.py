"""The baseline: the extractor's own classifier on every step, its scores smoothed and grouped into segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cltdr_cli.methods.record import Method
from cltdr_cli.methods.sliding.config import SlidingConfig

if TYPE_CHECKING:
    from torch import nn

    from cltdr_cli.inference.config import InferenceConfig
    from cltdr_cli.inference.nms import Candidates
    from cltdr_cli.timeline import FeatureGrid


def adopt(config: SlidingConfig, head: nn.Module) -> nn.Module:
    """The extractor's class head as a network over whole sequences."""
    from cltdr_cli.methods.sliding.classifier import StepClassifier

    return StepClassifier(head)


def decode(outputs: Any, config: SlidingConfig, inference: InferenceConfig, grid: FeatureGrid) -> Candidates:
    """Class scores ``[1, T, K]`` to candidates."""
    from cltdr_cli.methods.sliding.grouping import group_scores

    return group_scores(outputs[0].cpu().numpy(), config, grid)


METHOD = Method(
    title="sliding classifier",
    supervision="none",
    config=SlidingConfig,
    adopt=adopt,
    decode=decode,
)
