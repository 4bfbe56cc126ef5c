"""Heads over the packed pyramid: a shared trunk form, then class, boundary, offset and refinement outputs."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.layers import MaskedConv, rectified
from cltdr_cli.models.outputs import Packing

_SHIFT_KERNEL = 7


class Trunk(nn.Module):
    """Masked convolution, norm, ReLU, as often as a head has hidden layers."""

    def __init__(self, channels_in: int, channels: int, kernel: int, layers: int, with_norm: bool) -> None:
        super().__init__()
        widths = [channels_in] + [channels] * layers
        self.width = widths[-1]
        self.convs = nn.ModuleList(MaskedConv(a, b, kernel, bias=not with_norm) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) if with_norm else nn.Identity() for _ in range(layers))

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed ``[B, rows, C_in]`` -> ``[B, rows, C]``."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = packing.with_zero_gaps(rectified(norm(conv(x, packing.mask))))
        return x


class ScoreHead(nn.Module):
    """Trunk and a logit per class; the bias starts at the class prior. Classification, start and end heads."""

    def __init__(self, trunk: Trunk, num_classes: int, kernel: int, prior_probability: float) -> None:
        super().__init__()
        self.trunk = trunk
        self.out = MaskedConv(trunk.width, num_classes, kernel)
        if self.out.conv.bias is not None:
            nn.init.constant_(self.out.conv.bias, -math.log((1 - prior_probability) / prior_probability))

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed ``[B, rows, C]`` -> logits ``[B, rows, K]``, zero outside the real steps."""
        return self.out(self.trunk(x, packing), packing.mask)


class OffsetHead(nn.Module):
    """Trunk and non-negative offsets, scaled per level."""

    def __init__(self, trunk: Trunk, outputs: int, kernel: int, levels: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.out = MaskedConv(trunk.width, outputs, kernel)
        self.scales = nn.Parameter(torch.ones(levels))

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed ``[B, rows, C]`` -> offsets ``[B, rows, outputs]``."""
        raw = self.out(self.trunk(x, packing), packing.mask)
        scale = raw.new_zeros(packing.rows).index_put((packing.points,), self.scales.to(raw.dtype)[packing.levels])
        return F.relu(raw * scale[:, None])


class RefineHead(nn.Module):
    """Shared trunk; shifts of start and end, and a factor on the class logit.

    Args:
        trunk: On the cross-layer fused features.
        num_classes: K.
        kernel: Taps of the class refinement.
        refine: ``class``, ``regression`` or ``both``.
    """

    def __init__(self, trunk: Trunk, num_classes: int, kernel: int, refine: str) -> None:
        super().__init__()
        self.trunk = trunk
        boundaries, classes = refine in ("regression", "both"), refine in ("class", "both")
        self.start = MaskedConv(trunk.width, num_classes, _SHIFT_KERNEL) if boundaries else None
        self.end = MaskedConv(trunk.width, num_classes, _SHIFT_KERNEL) if boundaries else None
        self.score = MaskedConv(trunk.width, num_classes, kernel) if classes else None

    def forward(self, x: Tensor, packing: Packing) -> dict[str, Tensor]:
        """Packed ``[B, rows, C]`` -> the refinement fields of ``HeadOutputs``, each ``[B, rows, K]``."""
        x = self.trunk(x, packing)
        outs = {"start_shifts": self.start, "end_shifts": self.end, "class_refinement": self.score}
        return {name: conv(x, packing.mask) for name, conv in outs.items() if conv is not None}
