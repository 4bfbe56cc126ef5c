"""CLTDR-GMG: cross-layer task decoupling and refinement over a gated multi-granularity encoder (AAAI 2025)."""

from __future__ import annotations

from torch import nn

from cltdr_cli.methods.cltdr.config import CltdrConfig
from cltdr_cli.methods.cltdr.cross_layer import CrossLevelFusion, TaskDecoupling
from cltdr_cli.methods.cltdr.gmg import GmgBlock
from cltdr_cli.methods.cltdr.refinement import SHIFT_REACH, RefineHead
from cltdr_cli.methods.point_network import (
    build_encoder,
    build_neck,
    build_plain_heads,
    find_head_reach,
    make_head_shape,
)
from cltdr_cli.models.blocks import ConvBlock, build_downsample
from cltdr_cli.models.boundaries import ShiftedBoundaries
from cltdr_cli.models.detector import Padding, PointDetector
from cltdr_cli.models.outputs import HeadOutputs, Packing, Pyramid


class Cltdr(PointDetector):
    """A point detector whose tasks read different levels, and whose outputs are refined.

    The answer depends on the padded length (FFT, group norm and gates run over it): see ``pad_length``.
    """

    def __init__(self, config: CltdrConfig) -> None:
        heads = build_plain_heads(config, config.bins, config.boundary_kernel_size)
        padding = Padding(config.max_seq_len, config.padding_span)
        encoder = build_encoder(
            config, lambda level: _build_block(config, level), config.stem_blocks, config.use_abs_pe
        )
        reach = find_head_reach(config, config.boundary_kernel_size) + SHIFT_REACH
        super().__init__(encoder, build_neck(config), heads, padding, reach)
        self.config = config
        self.class_decoupling = TaskDecoupling(config.fpn_dim, config.cls_neighbors, config.fusion)
        self.offset_decoupling = TaskDecoupling(config.fpn_dim, config.reg_neighbors, config.fusion)
        self.fusion = self.refine_head = None
        if config.refine != "none":
            trunk = make_head_shape(config).make_trunk()
            self.fusion = CrossLevelFusion(config.fpn_dim)
            self.refine_head = RefineHead(trunk, config.num_classes, config.head_kernel_size, config.refine)
        self._freeze_unread()

    def read_heads(self, pyramid: Pyramid, packing: Packing) -> HeadOutputs:
        """Class head on levels fused with the one above, offset head with the one below, refinement with both."""
        levels = pyramid.levels
        class_levels, offset_levels = self.class_decoupling(levels), self.offset_decoupling(levels)
        offsets = self.offset_head(packing.pack(offset_levels), packing)
        packed = packing.pack(levels)
        outputs = HeadOutputs(
            packing,
            self.class_head(packing.pack(class_levels), packing),
            self.read_boundaries(packed, offsets, packing),
            embeddings=packed if self.training else None,
        )
        del packed  # a long video's levels need not stay while the outputs are refined
        if self.refine_head is not None and self.fusion is not None:
            found = self.refine_head(packing.pack(self.fusion(levels, packing.lengths)), packing)
            outputs.class_refinement = found.class_factor
            if found.start_shifts is not None and found.end_shifts is not None:
                outputs.refined_boundaries = ShiftedBoundaries(outputs.boundaries, found.start_shifts, found.end_shifts)
        return outputs

    def _freeze_unread(self) -> None:
        """Take parameters that no output depends on out of training: without bins nothing reads the shifts.

        The published program keeps them as they are, too, since they never get a gradient.
        """
        head = self.refine_head
        if head is None or self.config.use_trident_head:
            return
        unread = (head.start, head.end) if head.score is not None else (head, self.fusion)
        for module in unread:
            if module is not None:
                module.requires_grad_(False)


def _build_block(config: CltdrConfig, level: int | None) -> nn.Module:
    """A stem block (level None), or the branch block that makes ``level``."""
    if config.backbone == "conv":
        return ConvBlock(config.embd_dim, 1 if level is None else 2)
    downsample = None if level is None else build_downsample(config.downsample, config.embd_dim)
    return GmgBlock(
        config.embd_dim,
        1 if level is None else config.block_kernel_sizes[level],
        config.mlp_dim,
        downsample,
        0.0 if level is None else config.droppath,
        config.init_conv_vars,
        (config.gmg_gate, config.gmg_branches, config.global_extractor),
    )
