"""Small layers that the networks share. Everything here is ``[B, T, C]``: batch, steps, channels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.convolution import TimeConv, is_plain


def rectify(x: Tensor) -> Tensor:
    """ReLU of a tensor that nobody else holds: in its place when no gradient needs what stood there."""
    return F.relu(x, inplace=not torch.is_grad_enabled())


def copy_by_columns(x: Tensor) -> Tensor:
    """The same ``[B, M, N]``, where no gradient needs it with the M values of a column next to each other in memory.

    PyTorch copies matrices that lie the other way block by block, but not stacks of them: 2,304 steps of 512 channels
    took six times as long, since steps 2 KB apart push each other out of the cache.
    """
    if torch.is_grad_enabled() or is_plain() or x.device.type != "cpu":
        return x
    columns = x.new_empty(x.shape[0], x.shape[2], x.shape[1])
    for copied, item in zip(columns, x, strict=True):
        copied.copy_(item.T)
    return columns.transpose(1, 2)


class MaskedConv(nn.Module):
    """Convolution over time whose output is zero on masked steps; a stride takes every second mask step."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.conv = TimeConv(channels_in, channels_out, kernel, stride=stride, groups=groups, bias=bias)
        if bias and self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``[B, T, C_in]``, mask ``[B, T, 1]`` of the input's dtype -> ``[B, T / stride, C_out]``."""
        out, weights = self.conv(x), mask[:, :: self.conv.stride]
        return out * weights if torch.is_grad_enabled() else out.mul_(weights)


class Repeat(NamedTuple):
    """One step of a sequence that stands for others that are left out.

    Attributes:
        step: Which.
        times: How many equal steps are left out.
    """

    step: int
    times: int


def mean_over_steps(x: Tensor, repeat: Repeat | None = None) -> Tensor:
    """``[B, T, C]`` -> ``[B, 1, C]``; a repeated step counts as often as it stands for one."""
    if repeat is None:
        return x.mean(1, keepdim=True)
    total = x.sum(1, keepdim=True) + repeat.times * x[:, repeat.step : repeat.step + 1]
    return total / (x.shape[1] + repeat.times)


class GroupNorm(nn.Module):
    """Group norm over steps and the channels of a group, padded steps counted (as published)."""

    def __init__(self, channels: int, groups: int = 16, eps: float = 1e-5, has_weights: bool = True) -> None:
        super().__init__()
        self.groups, self.eps = groups, eps
        self.weight = nn.Parameter(torch.ones(channels)) if has_weights else None
        self.bias = nn.Parameter(torch.zeros(channels)) if has_weights else None

    def forward(self, x: Tensor, repeat: Repeat | None = None) -> Tensor:
        """``[B, T, C]`` -> ``[B, T, C]``; a repeated step counts as often as it stands for one."""
        centered = x - self._average_groups(x, repeat)
        spread = self._average_groups(centered.square(), repeat)
        factor = torch.rsqrt(spread + self.eps)
        if self.weight is None or self.bias is None:
            return centered * factor
        return torch.addcmul(self.bias, centered, factor * self.weight)

    def _average_groups(self, x: Tensor, repeat: Repeat | None) -> Tensor:
        """``[B, T, C]`` -> ``[B, 1, C]``, one value in all channels of a group."""
        grouped = mean_over_steps(x, repeat).unflatten(2, (self.groups, -1))
        return grouped.mean(3, keepdim=True).expand_as(grouped).flatten(2)


class ScaledDropPath(nn.Module):
    """Stochastic depth with a learned scale per channel, initialised small; the scale acts at inference too.

    Attributes:
        draws: Uniform ``[B]`` numbers that decide about the next batch; None draws them from the global generator.
    """

    draws: Tensor | None = None

    def __init__(self, channels: int, probability: float, initial_scale: float = 1e-4) -> None:
        super().__init__()
        self.probability = probability
        self.scale = nn.Parameter(torch.full((channels,), initial_scale))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T, C]``; in training whole samples are dropped and the rest scaled up."""
        x = x * self.scale
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        draws = torch.rand(x.shape[0], device=x.device) if self.draws is None else self.draws
        return x * (draws[:, None, None] < keep) / keep


class SampleDropout(nn.Module):
    """Dropout whose chance belongs to the sample: a resumed run, or one in parts, drops the same values.

    A second pass over the same batch drops other values than the first one.

    Attributes:
        seeds: One for each sample of the next batch; None draws from the global generator.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self._seeds: tuple[int, ...] | None = None
        self._generators: list[torch.Generator] | None = None

    @property
    def seeds(self) -> tuple[int, ...] | None:
        """One for each sample of the next batch."""
        return self._seeds

    @seeds.setter
    def seeds(self, seeds: tuple[int, ...] | None) -> None:
        self._seeds, self._generators = seeds, None

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T, C]``; in training values are set to 0 and the others scaled up."""
        if not self.training or self.probability == 0:
            return x
        if self.seeds is None:
            return F.dropout(x, self.probability)
        if self._generators is None:
            self._generators = [torch.Generator(x.device).manual_seed(seed) for seed in self.seeds]
        keep, mask = 1 - self.probability, torch.empty_like(x)
        for row, generator in zip(mask, self._generators, strict=True):
            row.bernoulli_(keep, generator=generator)
        return x * mask / keep


def make_drop_path(channels: int, probability: float) -> nn.Module:
    """A ``ScaledDropPath``, or nothing at all when the probability is 0 (no scale either, as published)."""
    return ScaledDropPath(channels, probability) if probability > 0 else nn.Identity()
