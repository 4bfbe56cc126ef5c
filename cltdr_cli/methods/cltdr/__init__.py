"""CLTDR-GMG (AAAI 2025): tasks decoupled across levels and refined, over gated multi-granularity blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltdr_cli.methods.cltdr.config import CltdrConfig
from cltdr_cli.methods.cltdr.published import PUBLISHED
from cltdr_cli.methods.point_method import decode_points, make_center_sampled_objective
from cltdr_cli.methods.record import Method

if TYPE_CHECKING:
    from cltdr_cli.methods.cltdr.network import Cltdr
    from cltdr_cli.training.config import TrainConfig
    from cltdr_cli.training.objective import Objective

REFINED_SHARE = 0.7
"""Of the refined outputs in the losses; the unrefined ones have the rest (published)."""


def build(config: CltdrConfig) -> Cltdr:
    """The network with fresh weights."""
    from cltdr_cli.methods.cltdr.network import Cltdr

    return Cltdr(config)


def make_objective(config: CltdrConfig, training: TrainConfig) -> Objective:
    """Refined outputs by varifocal loss, and unrefined ones by ``class_loss``; without refinement these alone.

    The IoU weighs the class loss of the outputs that detections come from.
    """
    from cltdr_cli.training.losses import CLASS_LOSSES
    from cltdr_cli.training.objective import PointTerm

    loss, power = CLASS_LOSSES[training.class_loss], training.iou_weight_power
    if config.refine == "none":
        terms = [PointTerm(loss, iou_power=power)]
    else:
        terms = [
            PointTerm(CLASS_LOSSES["varifocal"], REFINED_SHARE, is_refined=True, iou_power=power),
            PointTerm(loss, 1 - REFINED_SHARE),
        ]
    return make_center_sampled_objective(config, training, terms)


METHOD = Method(
    title="CLTDR-GMG, AAAI 2025",
    supervision="segments",
    config=CltdrConfig,
    build=build,
    decode=decode_points,
    objective=make_objective,
    published=PUBLISHED,
)
