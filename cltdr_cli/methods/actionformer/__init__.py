"""ActionFormer (ECCV 2022): a pyramid of transformer blocks with attention in local windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltdr_cli.methods.actionformer.config import ActionFormerConfig
from cltdr_cli.methods.actionformer.published import PUBLISHED
from cltdr_cli.methods.point_method import decode_points, make_center_sampled_objective
from cltdr_cli.methods.record import Method, Overrun

if TYPE_CHECKING:
    from cltdr_cli.models.detector import PointDetector
    from cltdr_cli.training.config import TrainConfig
    from cltdr_cli.training.objective import Objective


def build(config: ActionFormerConfig) -> PointDetector:
    """The network with fresh weights."""
    from cltdr_cli.methods.actionformer.network import build_actionformer

    return build_actionformer(config)


def make_objective(config: ActionFormerConfig, training: TrainConfig) -> Objective:
    """Focal loss (or what ``class_loss`` says) and DIoU of all positive points."""
    from cltdr_cli.training.losses import CLASS_LOSSES
    from cltdr_cli.training.objective import PointTerm

    return make_center_sampled_objective(config, training, [PointTerm(CLASS_LOSSES[training.class_loss])])


METHOD = Method(
    title="ActionFormer, ECCV 2022",
    supervision="segments",
    config=ActionFormerConfig,
    build=build,
    decode=decode_points,
    objective=make_objective,
    published=PUBLISHED,
    crop_margin_windows=0.5,
    overruns={"activitynet-1.3": Overrun(0.5, drops_truncated=True)},
)
