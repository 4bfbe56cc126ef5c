"""What the networks have in common: convolutions with their initial weights, and the averaging of outputs."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.convolution import TimeConv

SLOPE = 0.2
"""Of every leaky ReLU on negative values."""


def make_conv(channels_in: int, channels_out: int, kernel: int) -> TimeConv:
    """A convolution over time with weights uniform in ``±sqrt(6 / fan_in)`` and no bias at first."""
    conv = TimeConv(channels_in, channels_out, kernel)
    bound = math.sqrt(6 / (channels_in * kernel))
    nn.init.uniform_(conv.weight, -bound, bound)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def leak(x: Tensor) -> Tensor:
    """Leaky ReLU."""
    return F.leaky_relu(x, SLOPE)


def average_neighbours(x: Tensor, kernel: int | None) -> Tensor:
    """``[B, T, C]`` -> ``[B, T, C]``, the mean of ``kernel`` steps around each; zeros beyond the ends count."""
    if kernel is None:
        return x
    return F.avg_pool1d(x.transpose(1, 2), kernel, 1, kernel // 2).transpose(1, 2)
