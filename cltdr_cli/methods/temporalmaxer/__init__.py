"""TemporalMaxer (2023): a pyramid by max pooling alone; points learn the instance that costs them least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltdr_cli.methods.point_method import decode_points, make_point_objective
from cltdr_cli.methods.record import Method
from cltdr_cli.methods.temporalmaxer.config import TemporalMaxerConfig
from cltdr_cli.methods.temporalmaxer.published import PUBLISHED

if TYPE_CHECKING:
    from cltdr_cli.methods.temporalmaxer.network import TemporalMaxer
    from cltdr_cli.training.config import TrainConfig
    from cltdr_cli.training.objective import Objective


def build(config: TemporalMaxerConfig) -> TemporalMaxer:
    """The network with fresh weights."""
    from cltdr_cli.methods.temporalmaxer.network import TemporalMaxer

    return TemporalMaxer(config)


def make_objective(config: TemporalMaxerConfig, training: TrainConfig) -> Objective:
    """Focal loss (or what ``class_loss`` says) and DIoU, targets by cost; ``center_sample`` is not read."""
    from cltdr_cli.methods.temporalmaxer.assigner import CostAssigner
    from cltdr_cli.training.losses import CLASS_LOSSES
    from cltdr_cli.training.objective import PointTerm

    terms = [PointTerm(CLASS_LOSSES[training.class_loss])]
    return make_point_objective(config, training, terms, CostAssigner(config), looks_at_outputs=True)


METHOD = Method(
    title="TemporalMaxer, 2023",
    supervision="segments",
    config=TemporalMaxerConfig,
    build=build,
    decode=decode_points,
    objective=make_objective,
    published=PUBLISHED,
    crop_margin_windows=0.5,
)
