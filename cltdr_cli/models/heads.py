"""Heads over the packed pyramid: a shared trunk form, then class, boundary and offset outputs."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.layers import MaskedConv, rectify
from cltdr_cli.models.outputs import Packing

_EMPTY_CLASS_PRIOR = 1e-6


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
            x = conv(x, packing.mask)  # by itself: the norm of a long video then need not hold the conv's input, too
            x = packing.clear_gaps(rectify(norm(x)))
        return x


class ScoreHead(nn.Module):
    """Trunk and a logit per class; the bias starts at the class prior. Classification, start and end heads."""

    def __init__(self, trunk: Trunk, num_classes: int, kernel: int, prior_probability: float) -> None:
        super().__init__()
        self.trunk = trunk
        self.out = MaskedConv(trunk.width, num_classes, kernel)
        self.set_prior(slice(None), prior_probability)

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed ``[B, rows, C]`` -> logits ``[B, rows, K]``, zero outside the real steps."""
        return self.out(self.trunk(x, packing), packing.mask)

    def set_prior(self, classes: slice | list[int], probability: float) -> None:
        """Let classes start at this probability, through the output's bias."""
        assert self.out.conv.bias is not None
        with torch.no_grad():
            self.out.conv.bias[classes] = -math.log((1 - probability) / probability)


class OffsetHead(nn.Module):
    """Trunk and non-negative offsets, scaled per level."""

    def __init__(self, trunk: Trunk, outputs: int, kernel: int, levels: int) -> None:
        super().__init__()
        self.trunk, self.outputs = trunk, outputs
        self.out = MaskedConv(trunk.width, outputs, kernel)
        self.scales = nn.Parameter(torch.ones(levels))

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Packed ``[B, rows, C]`` -> offsets ``[B, rows, outputs]``."""
        raw = self.out(self.trunk(x, packing), packing.mask)
        scale = raw.new_zeros(packing.rows).index_put((packing.points,), self.scales.to(raw.dtype)[packing.levels])
        return F.relu(raw * scale[:, None])


def expect_nothing_of(network: nn.Module, classes: Collection[int]) -> None:
    """Start classes without any instance in the annotation at a probability of 1e-6, in all class and boundary heads.

    The published programs do so (``head_empty_cls``, which their trainers set from the annotation).
    """
    for head in network.modules():
        if isinstance(head, ScoreHead) and classes:
            head.set_prior(sorted(classes), _EMPTY_CLASS_PRIOR)


@dataclass(frozen=True)
class HeadShape:
    """The sizes that all heads of a network have in common.

    Attributes:
        channels_in: Width of the neck.
        channels: Width inside a head.
        layers: Convolutions of a head, the output one counted.
        kernel: Taps of the class and offset heads.
        with_norm: Layer norm after each hidden convolution.
    """

    channels_in: int
    channels: int
    layers: int
    kernel: int
    with_norm: bool

    def make_trunk(self, kernel: int | None = None) -> Trunk:
        """The hidden layers of one head; ``kernel`` in place of the usual taps."""
        return Trunk(self.channels_in, self.channels, kernel or self.kernel, self.layers - 1, self.with_norm)


class Heads(NamedTuple):
    """The heads of a point detector; start and end heads only with boundary bins."""

    classes: ScoreHead
    offsets: OffsetHead
    starts: ScoreHead | None
    ends: ScoreHead | None


def build_heads(
    shape: HeadShape, num_classes: int, prior_probability: float, levels: int, bins: int, boundary_kernel: int
) -> Heads:
    """Fresh heads.

    Args:
        shape: Sizes.
        num_classes: K.
        prior_probability: Of every class at first.
        levels: Of the pyramid.
        bins: On each side of a point; 0 for two plain distances and no start and end heads.
        boundary_kernel: Taps of the start and end heads.
    """
    classes = ScoreHead(shape.make_trunk(), num_classes, shape.kernel, prior_probability)
    starts = ends = None
    if bins:
        trunks = [shape.make_trunk(boundary_kernel) for _ in range(2)]
        starts, ends = (ScoreHead(trunk, num_classes, boundary_kernel, prior_probability) for trunk in trunks)
    outputs = 2 * (bins + 1) if bins else 2
    return Heads(classes, OffsetHead(shape.make_trunk(), outputs, shape.kernel, levels), starts, ends)
