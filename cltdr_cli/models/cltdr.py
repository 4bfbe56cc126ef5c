"""CLTDR-GMG: cross-layer task decoupling and refinement over a gated multi-granularity encoder (AAAI 2025)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cltdr_cli.models.cltdr_config import CltdrConfig
from cltdr_cli.models.cross_layer import CrossLevelFusion, TaskDecoupling
from cltdr_cli.models.encoder import Encoder
from cltdr_cli.models.heads import OffsetHead, RefineHead, ScoreHead, Trunk
from cltdr_cli.models.neck import FeaturePyramidNeck, IdentityNeck
from cltdr_cli.models.outputs import HeadOutputs, Packing, Pyramid


class Cltdr(nn.Module):
    """The localizer: features ``[B, T, C]`` to class scores and boundaries at every point of a pyramid.

    The answer depends on the padded length (FFT, group norm and gates run over it): see ``pad_length``.
    """

    def __init__(self, config: CltdrConfig) -> None:
        super().__init__()
        self.config = config
        width = config.fpn_dim
        self.encoder = Encoder(config)
        self.neck = _neck(config)
        self.class_decoupling = TaskDecoupling(width, config.cls_neighbors, config.fusion)
        self.offset_decoupling = TaskDecoupling(width, config.reg_neighbors, config.fusion)
        kernel, classes, prior = config.head_kernel_size, config.num_classes, config.cls_prior_prob
        self.class_head = ScoreHead(_trunk(config, kernel), classes, kernel, prior)
        self.start_head = self.end_head = None
        if config.use_trident_head:
            edge = config.boundary_kernel_size
            self.start_head = ScoreHead(_trunk(config, edge), classes, edge, prior)
            self.end_head = ScoreHead(_trunk(config, edge), classes, edge, prior)
        outputs = 2 * (config.num_bins + 1) if config.use_trident_head else 2
        self.offset_head = OffsetHead(_trunk(config, kernel), outputs, kernel, config.levels)
        self.fusion = self.refine_head = None
        if config.refine != "none":
            self.fusion = CrossLevelFusion(width)
            self.refine_head = RefineHead(_trunk(config, kernel), classes, kernel, config.refine)

    def forward(self, features: Tensor, mask: Tensor, real_steps: int | None = None) -> HeadOutputs:
        """Padded features ``[B, T, C]`` and mask bool ``[B, T]``, true on real steps, to the heads' outputs.

        Nothing is computed in the heads beyond ``real_steps``, by default the longest real length. In training the
        first convolution sees the padding as it is: published input noise lies on it, too.
        """
        real_steps = int(mask.sum(1).max()) if real_steps is None else real_steps
        weights = mask[..., None].to(features.dtype)
        features = features if self.training else features * weights
        pyramid = self.neck(self.encoder(features, weights, real_steps))
        return self._decode(pyramid, self._packing(pyramid, real_steps))

    def pad_length(self, steps: int) -> int:
        """Published padding: to ``max_seq_len``; longer ones to a multiple of the largest stride·kernel."""
        return padded_steps(self.config, steps)

    def _packing(self, pyramid: Pyramid, real_steps: int) -> Packing:
        # A head sees this far past the last real step; what lies further never reaches an output.
        reach = self.config.head_num_layers * max(self.config.head_kernel_size, self.config.boundary_kernel_size)
        reach += _SHIFT_REACH
        lengths = [
            min(level.shape[1], -(-real_steps // 2**index) + reach) for index, level in enumerate(pyramid.levels)
        ]
        gap = max(self.config.num_bins, reach)
        return Packing(lengths, gap, pyramid.masks)

    def _decode(self, pyramid: Pyramid, packing: Packing) -> HeadOutputs:
        levels = pyramid.levels
        class_levels, offset_levels = self.class_decoupling(levels), self.offset_decoupling(levels)
        fields: dict[str, Tensor] = {}
        if self.start_head is not None and self.end_head is not None:
            plain = packing.pack(levels).detach()
            fields["start_logits"] = self.start_head(plain, packing)
            fields["end_logits"] = self.end_head(plain, packing)
        if self.refine_head is not None and self.fusion is not None:
            fields |= self.refine_head(packing.pack(self.fusion(levels, packing.lengths)), packing)
        return HeadOutputs(
            packing,
            self.class_head(packing.pack(class_levels), packing),
            self.offset_head(packing.pack(offset_levels), packing),
            **fields,
        )


_SHIFT_REACH = 3  # half of the refinement shifts' kernel of seven


def padded_steps(config: CltdrConfig, steps: int) -> int:
    """Length that ``steps`` feature steps are padded to at inference (spec §1)."""
    if steps <= config.max_seq_len:
        return config.max_seq_len
    return -(-steps // config.padding_span) * config.padding_span


def _neck(config: CltdrConfig) -> IdentityNeck | FeaturePyramidNeck:
    if config.neck == "identity":
        return IdentityNeck(config.levels, config.fpn_dim, config.fpn_with_ln)
    return FeaturePyramidNeck(config.levels, config.embd_dim, config.fpn_dim, config.fpn_with_ln)


def _trunk(config: CltdrConfig, kernel: int) -> Trunk:
    return Trunk(config.fpn_dim, config.head_dim, kernel, config.head_num_layers - 1, config.head_with_ln)


def build_cltdr(config: CltdrConfig, seed: int | None = None) -> Cltdr:
    """The network with fresh weights; a seed makes them reproducible without touching the global generator."""
    if seed is None:
        return Cltdr(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Cltdr(config)
