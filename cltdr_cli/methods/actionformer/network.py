"""ActionFormer: a pyramid of transformer blocks with local attention, and two heads on it (ECCV 2022)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.methods.actionformer.block import TransformerBlock, WindowAttention
from cltdr_cli.methods.actionformer.config import ActionFormerConfig
from cltdr_cli.methods.point_network import build_encoder, build_neck, build_plain_heads, find_head_reach
from cltdr_cli.models.blocks import ConvBlock
from cltdr_cli.models.detector import Padding, PointDetector
from cltdr_cli.models.encoder import Encoder
from cltdr_cli.models.outputs import Pyramid


class TransformerEncoder(Encoder):
    """An encoder whose blocks give zeros at padded steps, so that most of the padding need not be computed."""

    def run_blocks(self, x: Tensor, mask: Tensor, real_steps: int) -> Pyramid:
        """As ``Encoder.run_blocks``, on the real steps and a few padded ones; the rest of each level is zeros.

        Every level keeps at least one padded step: convolutions and pooling at the last real step see it.
        """
        steps, coarsest = x.shape[1], 2 ** len(self.branch)
        kept = min(steps, (-(-real_steps // coarsest) + 1) * coarsest)
        pyramid = super().run_blocks(x[:, :kept], mask[:, :kept], real_steps)
        if kept == steps:
            return pyramid
        missing = [(steps - kept) // 2**level for level in range(len(pyramid.levels))]
        levels = [F.pad(level, (0, 0, 0, more)) for level, more in zip(pyramid.levels, missing, strict=True)]
        masks = [F.pad(part, (0, 0, 0, more)) for part, more in zip(pyramid.masks, missing, strict=True)]
        return Pyramid(levels, masks)


def build_actionformer(config: ActionFormerConfig) -> PointDetector:
    """The network with fresh weights."""
    is_transformer = config.backbone == "transformer"
    encoder = build_encoder(
        config,
        lambda level: _build_block(config, level) if is_transformer else ConvBlock(config.embd_dim, _stride(level)),
        config.stem_blocks,
        config.use_abs_pe and is_transformer,
        TransformerEncoder if is_transformer and config.stem_blocks else Encoder,
        config.parts,
    )
    heads, padding = build_plain_heads(config), Padding(config.max_seq_len, config.padding_span)
    return PointDetector(encoder, build_neck(config), heads, padding, find_head_reach(config))


def _build_block(config: ActionFormerConfig, level: int | None) -> nn.Module:
    """A stem block (level None), or the branch block that makes ``level``."""
    window, stride = config.window_sizes[level or 0], _stride(level)
    attention = WindowAttention(config.embd_dim, config.heads, window, stride, config.use_rel_pe, config.dropout)
    return TransformerBlock(config.embd_dim, attention, stride, config.droppath, config.dropout)


def _stride(level: int | None) -> int:
    return 1 if level is None else 2
