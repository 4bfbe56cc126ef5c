"""The baseline: the extractor's own classifier on every step, its scores smoothed and grouped into segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cltdr_cli.methods.record import Follower, Method
from cltdr_cli.methods.sliding.config import SlidingConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
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


def trace(outputs: Any, config: SlidingConfig, grid: FeatureGrid) -> NDArray[np.float32]:
    """Class scores ``[1, T, K]`` to the smoothed scores ``[T, K]`` that segments are cut from."""
    from cltdr_cli.methods.sliding.grouping import smooth_scores

    steps_per_second = grid.rate / grid.stride_frames
    return smooth_scores(outputs[0].cpu().numpy(), config.smoothing_seconds * steps_per_second)


def follow(config: SlidingConfig, inference: InferenceConfig, grid: FeatureGrid) -> Follower | None:
    """What finds the segments of ``decode`` and hard NMS while the scores come."""
    from cltdr_cli.methods.sliding.following import SlidingFollower

    is_local = config.context_seconds is not None and inference.multiclass_nms and inference.nms_method == "hard"
    return SlidingFollower(config, inference, grid) if is_local else None


METHOD = Method(
    title="sliding classifier",
    supervision="none",
    config=SlidingConfig,
    adopt=adopt,
    decode=decode,
    trace=trace,
    follow=follow,
)
