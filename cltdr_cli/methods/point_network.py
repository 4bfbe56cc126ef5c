"""From the numbers of a ``PointConfig`` to the parts that every point detector is built of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from cltdr_cli.methods.point_config import PointConfig
from cltdr_cli.models.encoder import Encoder, Projection, make_sinusoid_table
from cltdr_cli.models.heads import Heads, HeadShape, build_heads
from cltdr_cli.models.neck import FeaturePyramidNeck, IdentityNeck

MakeBlock = Callable[["int | None"], nn.Module]
"""Makes a stem block (None), or the branch block whose output is that level."""


def build_encoder(
    config: PointConfig,
    make_block: MakeBlock,
    stem_blocks: int,
    positions: bool,
    kind: type[Encoder] = Encoder,
    parts: Sequence[tuple[int, int]] = (),
) -> Encoder:
    """Projection, stem and branch; ``parts`` as in ``Projection``."""
    projection = Projection(
        config.input_dim, config.embd_dim, config.embd_layers, config.embd_kernel_size, config.embd_with_ln, parts
    )
    stem = [make_block(None) for _ in range(stem_blocks)]
    branch = [make_block(level) for level in range(1, config.levels)]
    table = make_sinusoid_table(config.max_seq_len, config.embd_dim) if positions else None
    return kind(projection, stem, branch, table)


def build_neck(config: PointConfig) -> nn.Module:
    """One layer norm per level, or a feature pyramid."""
    if config.neck == "identity":
        return IdentityNeck(config.levels, config.fpn_dim, config.fpn_with_ln)
    return FeaturePyramidNeck(config.levels, config.embd_dim, config.fpn_dim, config.fpn_with_ln)


def make_head_shape(config: PointConfig) -> HeadShape:
    """Sizes of the heads."""
    return HeadShape(
        config.fpn_dim, config.head_dim, config.head_num_layers, config.head_kernel_size, config.head_with_ln
    )


def build_plain_heads(config: PointConfig, bins: int = 0, boundary_kernel: int = 3) -> Heads:
    """Class and offset heads; with bins start and end heads, too."""
    return build_heads(
        make_head_shape(config), config.num_classes, config.cls_prior_prob, config.levels, bins, boundary_kernel
    )


def find_head_reach(config: PointConfig, boundary_kernel: int = 1) -> int:
    """How far past the last real step a head sees, in steps of its level (more than it does is harmless)."""
    return config.head_num_layers * max(config.head_kernel_size, boundary_kernel)
