"""Vectors of instances: the mean features of the steps of each that matter, and of those around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cltdr_cli.training.contrast import BACKGROUND, Vectors

_BINS = 16
_WINDOW_SHARE = 0.2


@dataclass(frozen=True)
class Scene:
    """Level 0 of a part of a batch, and the instances there.

    Attributes:
        features: float32 ``[B, T, D]``.
        mask: bool ``[B, T]``, true on real steps.
        segments: float32 ``[B, N, 2]``, in steps.
        labels: int64 ``[B, N]``; negative in rows that hold no instance.
    """

    features: Tensor
    mask: Tensor
    segments: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        assert self.features.dtype == torch.float32, "sums over many steps need it"

    @property
    def times(self) -> Tensor:
        """float32 ``[T]``, in steps."""
        return torch.arange(self.features.shape[1], device=self.features.device, dtype=torch.float32)

    def find_inside(self) -> Tensor:
        """Bool ``[B, N, T]``: real steps inside each instance, at least the one nearest to its centre."""
        starts, ends = self.segments[..., :1], self.segments[..., 1:]
        last = (self.mask.sum(1) - 1).clamp(min=0)[:, None, None]
        nearest = torch.minimum(((starts + ends) / 2).round().long().clamp(min=0), last)
        inside = (self.times >= starts) & (self.times <= ends) & self.mask[:, None]
        return (inside | (self.times == nearest)) & (self.labels >= 0)[..., None]

    def find_around(self, inside: Tensor, counts: Tensor) -> Tensor:
        """Bool ``[B, N, T]``: so many real steps before and after each instance, in none of the others.

        Args:
            inside: Bool ``[B, N, T]``.
            counts: int64 ``[B, N]``.
        """
        starts, ends, reach = self.segments[..., :1], self.segments[..., 1:], counts[..., None]
        before = (self.times < starts) & (self.times >= starts - reach)
        after = (self.times > ends) & (self.times <= ends + reach)
        free = self.mask & ~inside.any(1)
        return (before | after) & free[:, None] & (self.labels >= 0)[..., None]

    def average(self, shares: Tensor) -> Tensor:
        """Means ``[B, N, D]`` of the features by shares ``[B, N, T]``, of any sum; zeros where that is 0."""
        shares = shares.float()
        return torch.bmm(shares, self.features) / shares.sum(2, keepdim=True).clamp(min=1e-6)


def embed_sensitive(scene: Scene, weights: Sequence[Tensor], share: float) -> Vectors:
    """Per instance the mean of its most sensitive steps by each weight, and of the steps just around it.

    Args:
        scene: Features and instances.
        weights: Of every step for every instance, each ``[B, N, T]``.
        share: Of an instance's length that its sensitive steps are, at least one; as many at most are taken on
            either side for the background.
    """
    is_real, inside = scene.labels >= 0, scene.find_inside()
    lengths = scene.segments[..., 1] - scene.segments[..., 0]
    counts = (share * lengths).floor().long().clamp(min=1)
    groups: list[tuple[Tensor, Tensor]] = []
    for weight in weights:
        order = weight.detach().masked_fill(~inside, -torch.inf).argsort(dim=2, descending=True, stable=True)
        chosen = (order.argsort(dim=2) < counts[..., None]) & inside
        groups.append((scene.average(chosen)[is_real], scene.labels[is_real]))
    around = scene.find_around(inside, counts)
    has_background = around.any(2)
    means = scene.average(around)[has_background]
    return Vectors.of([*groups, (means, torch.full_like(means[:, 0], BACKGROUND, dtype=torch.long))])


def embed_windows(scene: Scene) -> Vectors:
    """Per instance the means of its centre, of its two boundaries and of what lies before and after it.

    The windows of ASL's public code: a fifth of the instance wide, at least one step, read at the middles of 16 bins.
    """
    starts, ends = scene.segments.unbind(2)
    width, center = (_WINDOW_SHARE * (ends - starts)).clamp(min=1), (starts + ends) / 2
    windows = (
        (center - width, center + width),
        (starts, starts + width),
        (ends - width, ends),
        (starts - 1 - width, starts - 1),
        (ends + 1, ends + 1 + width),
    )
    means = torch.stack([scene.average(_spread_window(scene, low, high)) for low, high in windows], dim=2)
    is_real = scene.labels >= 0
    return join_windows(means[is_real], scene.labels[is_real])


def join_windows(means: Tensor, labels: Tensor) -> Vectors:
    """Means ``[I, 5, D]`` of centre, start, end, before and after, to vectors of centre, boundary and background."""
    centers, boundaries, around = means[:, 0], means[:, 1:3].mean(1), means[:, 3:].mean(1)
    return Vectors.of([(centers, labels), (boundaries, labels), (around, torch.full_like(labels, BACKGROUND))])


def _spread_window(scene: Scene, low: Tensor, high: Tensor) -> Tensor:
    """Share ``[B, N, T]`` of each step in the mean of a window ``[B, N]``, by linear interpolation."""
    middles = (torch.arange(_BINS, device=low.device) + 0.5) / _BINS
    last = (scene.mask.sum(1) - 1).clamp(min=0)[:, None, None]
    places = (low[..., None] + middles * (high - low)[..., None]).clamp(min=0).minimum(last.float())
    below = places.floor().long()
    above, part = torch.minimum(below + 1, last), places - below
    shares = places.new_zeros(*low.shape, len(scene.times))
    return shares.scatter_add(2, below, 1 - part).scatter_add(2, above, part)
