"""Local feature enhancement: the steps of one video read their neighbours, in our reconstruction of DFE.

DFE (ICASSP 2023) has no published code and only its abstract is known; it says that features "interact along time
inside each video". The operators here are our own choice.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.attention import attend

LocalKind = Literal["conv", "attention"]

_KERNEL, _DILATIONS = 3, (1, 2, 4)
_NARROWING = 4


def narrow_channels(channels: int) -> int:
    """Channels inside the enhancements: a quarter of those outside, but one at least."""
    return max(1, channels // _NARROWING)


class LocalEnhancement(nn.Module):
    """Features plus what their neighbours add, which is exactly nothing with fresh weights.

    ``conv``: ``X + W_c·GELU(sum of three depth-wise convolutions of W_z·LN(X), at dilations 1, 2, 4)``.
    ``attention``: the same plus ``W_o·attention(LN(X))``, in a window around each step.

    Args:
        channels: D of the features.
        kind: What reads the neighbours.
        window: How many steps away attention looks, on both sides.
    """

    def __init__(self, channels: int, kind: LocalKind = "conv", window: int = 16) -> None:
        super().__init__()
        inner = narrow_channels(channels)
        self.norm = nn.LayerNorm(channels)
        self.narrow = make_linear(channels, inner)
        self.filters = nn.ModuleList(
            nn.Conv1d(inner, inner, _KERNEL, padding=dilation, dilation=dilation, groups=inner)
            for dilation in _DILATIONS
        )
        for conv in self.filters:
            draw_weights(conv, _KERNEL)
        self.widen = make_zero_linear(inner, channels)
        self.attention = WindowAttention(channels, window) if kind == "attention" else None

    def forward(self, features: Tensor) -> Tensor:
        """``[B, T, D]`` -> ``[B, T, D]``."""
        normed = self.norm(features)
        inner = self.narrow(normed).transpose(1, 2)
        mixed = torch.stack([conv(inner) for conv in self.filters]).sum(0)
        enhanced = features + self.widen(F.gelu(mixed.transpose(1, 2)))
        return enhanced if self.attention is None else enhanced + self.attention(normed)


class WindowAttention(nn.Module):
    """Self-attention of one head over the steps at most ``window`` away, with a learned bias for each distance.

    Args:
        channels: D of the features.
        window: Farthest distance.
    """

    _offsets: Tensor

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        inner = narrow_channels(channels)
        self.query, self.key, self.value = (make_linear(channels, inner) for _ in range(3))
        self.distance_bias = nn.Parameter(torch.zeros(window + 1))
        self.widen = make_zero_linear(inner, channels)
        offsets = torch.arange(-window, window + 1).abs()
        self.register_buffer("_offsets", offsets, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """``[B, T, D]`` -> ``[B, T, D]``; memory grows linearly with T."""
        query, key, value = (part(features)[:, None] for part in (self.query, self.key, self.value))
        everywhere = features.new_ones(1, features.shape[1], 1)
        bias = self.distance_bias[self._offsets]
        return self.widen(attend(query, key, value, everywhere, len(bias), bias[None])[:, 0])


def make_linear(channels_in: int, channels_out: int, bias: bool = True) -> nn.Linear:
    """A linear map with small initial weights."""
    linear = nn.Linear(channels_in, channels_out, bias=bias)
    draw_weights(linear, channels_in)
    return linear


def make_zero_linear(channels_in: int, channels_out: int, bias: bool = True) -> nn.Linear:
    """A linear map whose output is 0 until it learns."""
    linear = nn.Linear(channels_in, channels_out, bias=bias)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear


def draw_weights(layer: nn.Module, inputs: int) -> None:
    """Weights uniform in ``±sqrt(1 / inputs)`` and biases 0.

    CO2-Net's own are ``sqrt(6)`` times as large. With them the enhancement outran the rest of the network in
    experiments (docs/results.md), and what it learned generalized worse.
    """
    for name, parameter in layer.named_parameters():
        if name == "bias":
            nn.init.zeros_(parameter)
        else:
            bound = math.sqrt(1 / inputs)
            nn.init.uniform_(parameter, -bound, bound)
