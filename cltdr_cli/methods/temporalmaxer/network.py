"""TemporalMaxer: a pyramid by max pooling alone, and two heads on it (2023)."""

from __future__ import annotations

from torch import nn

from cltdr_cli.methods.point_network import build_encoder, build_plain_heads, find_head_reach
from cltdr_cli.methods.temporalmaxer.config import TemporalMaxerConfig
from cltdr_cli.models.blocks import PoolBlock
from cltdr_cli.models.detector import Padding, PointDetector
from cltdr_cli.models.layers import GroupNorm
from cltdr_cli.models.neck import SharedNormNeck

_NORM_GROUPS = 4


class TemporalMaxer(PointDetector):
    """Projection, max pooling, one norm for all levels, heads.

    Attributes:
        averaged_times: Parameters of the shared norm, and how often each is averaged in a training step: the
            published program holds it once for every level.
    """

    def __init__(self, config: TemporalMaxerConfig) -> None:
        encoder = build_encoder(config, lambda level: PoolBlock(), 0, positions=False, parts=config.parts)
        neck = SharedNormNeck(_build_norm(config))
        padding = Padding(config.max_seq_len, config.coarsest_stride)
        super().__init__(encoder, neck, build_plain_heads(config), padding, find_head_reach(config))
        self.averaged_times = {f"neck.{name}": config.levels for name, _ in neck.named_parameters()}


def _build_norm(config: TemporalMaxerConfig) -> nn.Module:
    if config.neck_norm == "layer":
        return nn.LayerNorm(config.fpn_dim)
    return GroupNorm(config.fpn_dim, _NORM_GROUPS, has_weights=False)
