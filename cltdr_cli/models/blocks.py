"""Blocks that several encoders use: plain residual convolutions, and two ways to halve the length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.convolution import TimeConv
from cltdr_cli.models.layers import GroupNorm, MaskedConv, Repeat, make_drop_path


class ConvBlock(nn.Module):
    """Residual block of plain masked convolutions (published ``backbone_type: conv``)."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = MaskedConv(channels, 2 * channels, 3, stride=stride)
        self.conv2 = MaskedConv(2 * channels, channels, 3)
        self.skip = MaskedConv(channels, channels, 1, stride=stride) if stride > 1 else None

    def forward(self, u: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, T, C]`` and mask ``[B, T, 1]`` -> the same, shorter by the stride."""
        kept = u if self.skip is None else self.skip(u, mask)
        halved = mask[:, :: self.conv1.conv.stride]
        return F.relu(kept + self.conv2(F.relu(self.conv1(u, mask)), halved)), halved


class MixingBlock(nn.Module, ABC):
    """A residual block of two parts: steps are mixed, then each goes through an MLP.

    ``y = x·mask + drop(mix(norm(x)))`` and ``y + drop(MLP(group norm(y)))``, where x is the input at half the length
    in branch blocks. Subclasses say how steps are mixed.

    Args:
        channels: D.
        mlp_dim: Hidden channels of the MLP.
        downsample: Module that halves the length, or None in the stem.
        droppath: Probability; 0 also removes the learned scales.
    """

    def __init__(self, channels: int, mlp_dim: int, downsample: nn.Module | None, droppath: float) -> None:
        super().__init__()
        self.downsample = downsample
        self.norm = nn.LayerNorm(channels)
        self.mlp_norm = GroupNorm(channels)
        self.mlp_in = TimeConv(channels, mlp_dim, 1)
        self.mlp_out = TimeConv(mlp_dim, channels, 1)
        for conv in (self.mlp_in, self.mlp_out):
            nn.init.zeros_(conv.bias) if conv.bias is not None else None
        self.drop_mixed = make_drop_path(channels, droppath)
        self.drop_mlp = make_drop_path(channels, droppath)

    def forward(self, u: Tensor, mask: Tensor, repeat: Repeat | None = None) -> tuple[Tensor, Tensor]:
        """``[B, T, C]`` and mask ``[B, T, 1]`` -> the same, at half the length when down-sampling.

        ``repeat`` is a step of the output that stands for others, too; only for blocks whose ``mix`` minds it.
        """
        x = u if self.downsample is None else self.downsample(u)
        if self.downsample is not None:
            mask = mask[:, ::2]
        y = torch.addcmul(self.drop_mixed(self.mix(self.norm(x), mask, repeat)), x, mask)
        hidden = F.gelu(self.mlp_in(self.mlp_norm(y, repeat)))
        return y + self.drop_mlp(self.mlp_out(hidden)), mask

    @abstractmethod
    def mix(self, z: Tensor, mask: Tensor, repeat: Repeat | None = None) -> Tensor:
        """Normed ``[B, T, C]`` and mask ``[B, T, 1]`` -> mixed, z itself included."""


def make_depthwise(channels: int, kernel: int, deviation: float) -> TimeConv:
    """A depth-wise convolution with weights of this standard deviation, and biases of 0."""
    conv = TimeConv(channels, channels, kernel, groups=channels)
    nn.init.normal_(conv.weight, 0, deviation)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class PoolBlock(nn.Module):
    """Maximum of three steps around every second one, and no parameters."""

    def forward(self, u: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, T, C]`` and mask ``[B, T, 1]`` -> the same, at half the length."""
        halved = mask[:, ::2]
        return max_pool(u) * halved, halved


def max_pool(x: Tensor) -> Tensor:
    """Maximum of three steps around every second one: ``[B, T, C]`` -> ``[B, T / 2, C]``."""
    here, after = x[:, ::2], x[:, 1::2]
    before = F.pad(after, (0, 0, 1, 0), value=-torch.inf)[:, : here.shape[1]]
    return torch.maximum(torch.maximum(here, after), before)


class MaxDownsample(nn.Module):
    """Maximum of three steps around every second one."""

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T / 2, C]``."""
        return max_pool(x)


class AverageDownsample(nn.Module):
    """Mean of step pairs, then a 1×1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = TimeConv(channels, channels, 1)
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T / 2, C]``."""
        return self.conv((x[:, ::2] + x[:, 1::2]) / 2)


def build_downsample(kind: Literal["max", "avg"], channels: int) -> nn.Module:
    """The maximum of three steps, or the mean of two."""
    return MaxDownsample() if kind == "max" else AverageDownsample(channels)
