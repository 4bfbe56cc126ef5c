"""TriDet: boundaries as distributions over bins, over scalable-granularity perception (CVPR 2023)."""

from __future__ import annotations

from torch import nn

from cltdr_cli.methods.point_network import build_encoder, build_neck, build_plain_heads, find_head_reach
from cltdr_cli.methods.tridet.config import TridetConfig
from cltdr_cli.methods.tridet.encoder import SgpEncoder
from cltdr_cli.methods.tridet.sgp import SgpBlock
from cltdr_cli.models.blocks import ConvBlock, build_downsample
from cltdr_cli.models.detector import Padding, PointDetector
from cltdr_cli.models.encoder import Encoder


def build_tridet(config: TridetConfig) -> PointDetector:
    """The network with fresh weights.

    Its answer depends on the padded length: means and group norms run over it.
    """
    is_sgp = config.backbone == "sgp"
    encoder = build_encoder(
        config,
        lambda level: _build_block(config, level),
        config.stem_blocks,
        config.use_abs_pe and is_sgp,
        SgpEncoder if is_sgp else Encoder,
    )
    heads = build_plain_heads(config, config.bins, config.boundary_kernel_size)
    padding = Padding(config.max_seq_len, config.padding_span)
    reach = find_head_reach(config, config.boundary_kernel_size)
    return PointDetector(encoder, build_neck(config), heads, padding, reach)


def _build_block(config: TridetConfig, level: int | None) -> nn.Module:
    """A stem block (level None), or the branch block that makes ``level``."""
    if config.backbone == "conv":
        return ConvBlock(config.embd_dim, 1 if level is None else 2)
    narrow = 1 if level is None else config.block_kernel_sizes[level]
    return SgpBlock(
        config.embd_dim,
        (narrow, config.wide_kernel(narrow)),
        config.mlp_dim,
        None if level is None else build_downsample(config.downsample, config.embd_dim),
        0.0 if level is None else config.droppath,
        config.init_conv_vars,
    )
