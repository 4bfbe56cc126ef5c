"""Blocks that several encoders use: plain residual convolutions, and two ways to halve the length."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.convolution import TimeConv
from cltdr_cli.models.layers import MaskedConv


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


class MaxDownsample(nn.Module):
    """Maximum of three steps around every second one."""

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T / 2, C]``."""
        here, after = x[:, ::2], x[:, 1::2]
        before = F.pad(after, (0, 0, 1, 0), value=-torch.inf)[:, : here.shape[1]]
        return torch.maximum(torch.maximum(here, after), before)


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


def build_depthwise(channels: int, kernel: int, deviation: float) -> TimeConv:
    """A depth-wise convolution with normal weights of that deviation and a bias of zero."""
    conv = TimeConv(channels, channels, kernel, groups=channels)
    nn.init.normal_(conv.weight, 0, deviation)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
