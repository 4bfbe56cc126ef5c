"""TriDet (CVPR 2023): boundaries as distributions over bins, over scalable-granularity perception."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltdr_cli.methods.point_method import decode_points, make_center_sampled_objective
from cltdr_cli.methods.record import Method, Overrun
from cltdr_cli.methods.tridet.config import TridetConfig
from cltdr_cli.methods.tridet.published import PUBLISHED

if TYPE_CHECKING:
    from cltdr_cli.models.detector import PointDetector
    from cltdr_cli.training.config import TrainConfig
    from cltdr_cli.training.objective import Objective


def build(config: TridetConfig) -> PointDetector:
    """The network with fresh weights."""
    from cltdr_cli.methods.tridet.network import build_tridet

    return build_tridet(config)


def make_objective(config: TridetConfig, training: TrainConfig) -> Objective:
    """One term; with bins the IoU of a class's boundaries weighs its class loss."""
    from cltdr_cli.training.losses import CLASS_LOSSES
    from cltdr_cli.training.objective import PointTerm

    term = PointTerm(CLASS_LOSSES[training.class_loss], iou_power=training.iou_weight_power)
    return make_center_sampled_objective(config, training, [term])


METHOD = Method(
    title="TriDet, CVPR 2023",
    supervision="segments",
    config=TridetConfig,
    build=build,
    decode=decode_points,
    objective=make_objective,
    published=PUBLISHED,
    overruns={
        "activitynet-1.3": Overrun(0.5, drops_truncated=True),
        "hacs": Overrun(0.0, drops_truncated=False),
    },
)
