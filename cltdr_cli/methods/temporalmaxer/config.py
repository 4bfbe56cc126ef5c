"""The numbers of a TemporalMaxer network, and of how its training decides what each point should predict."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from cltdr_cli.methods.joined_config import JoinedConfig
from cltdr_cli.ranges import STRICT, Fraction, NonNegativeFloat, PositiveFloat


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TemporalMaxerConfig(JoinedConfig):
    """Architecture and assignment of one TemporalMaxer model (2023; key names of published configs in brackets).

    Attributes:
        neck: Only one norm, which all levels share (``fpn_type``).
        neck_norm: Which: ``group`` of four groups without weights, or ``layer`` (``fpn_norm``).
        assigner_iou_weight: Of the DIoU loss in the cost of an instance for a point (``assigner.iou_weight``).
        assigner_cls_weight: Of the focal loss in that cost (``assigner.cls_weight``).
        assigner_center_radius: Points within so many level strides of an instance's centre are positive
            (``assigner.center_radius``).
        assigner_keep_percent: Share, from 0 to 1, of the points inside an instance that count fully, the cheapest
            ones (``assigner.keep_percent``).
        assigner_confuse_weight: How much the others inside an instance count (``assigner.confuse_weight``).
    """

    neck: Literal["identity"] = "identity"
    neck_norm: Literal["group", "layer"] = "group"
    assigner_iou_weight: NonNegativeFloat = 2.0
    assigner_cls_weight: NonNegativeFloat = 1.0
    assigner_center_radius: PositiveFloat = 1.5
    assigner_keep_percent: Fraction = 1.0
    assigner_confuse_weight: NonNegativeFloat = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neck_norm == "group" and self.embd_dim % 4:
            raise ValueError(f"embd_dim {self.embd_dim} must be a multiple of 4, the groups of the neck's norm")
