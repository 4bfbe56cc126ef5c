"""Where an action starts and ends, seen from a point: distances in level strides, read only where asked.

Two kinds of networks, one way to ask. Without bins a network regresses two distances per point
(``DirectBoundaries``). With bins it spreads each distance over a few steps, for every class
(``BinnedBoundaries``, the Trident head of TriDet, CVPR 2023). ``ShiftedBoundaries`` corrects another kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Boundaries(Protocol):
    """Distances from points to the start and the end of their action."""

    @property
    def per_class(self) -> bool:
        """Whether a point has other boundaries for each class."""
        ...

    def at(self, batch: Tensor, rows: Tensor, classes: Tensor, strides: Tensor) -> Tensor:
        """Distances of ``M`` (sample, point, class) triples.

        Args:
            batch: int64 ``[M]``, sample of the batch.
            rows: int64 ``[M]``, row of the packed pyramid.
            classes: int64 ``[M]``; not read where all classes share their boundaries.
            strides: ``[M]``, strides of the points' levels in level-0 steps.

        Returns:
            ``[M, 2]``: to the left and to the right, in strides of the point's level.
        """
        ...


@dataclass
class DirectBoundaries:
    """Two distances per point, shared by all classes.

    Attributes:
        offsets: ``[B, rows, 2]``, in strides, not negative.
    """

    offsets: Tensor
    per_class: bool = False

    def at(self, batch: Tensor, rows: Tensor, classes: Tensor, strides: Tensor) -> Tensor:
        """As ``Boundaries.at``."""
        return self.offsets[batch, rows]


@dataclass
class BinnedBoundaries:
    """A distribution over bins on each side of a point; its expectation is the distance (Trident head).

    Attributes:
        offsets: ``[B, rows, 2(bins + 1)]``, left bins then right bins.
        start_logits: ``[B, rows, K]``, how much a step looks like a start.
        end_logits: ``[B, rows, K]``.
    """

    offsets: Tensor
    start_logits: Tensor
    end_logits: Tensor
    per_class: bool = True

    @property
    def bins(self) -> int:
        """Bins on each side of a point."""
        return self.offsets.shape[2] // 2 - 1

    def at(self, batch: Tensor, rows: Tensor, classes: Tensor, strides: Tensor) -> Tensor:
        """As ``Boundaries.at``: expectation under softmax(boundary logit + offset)."""
        bins = self.bins
        reach = torch.arange(bins + 1, device=rows.device)
        offsets = self.offsets[batch, rows].float()
        sample, label = batch[:, None], classes[:, None]
        starts = self.start_logits[sample, rows[:, None] - bins + reach, label].float()
        ends = self.end_logits[sample, rows[:, None] + reach, label].float()
        left = (starts + offsets[:, : bins + 1]).softmax(1) @ (bins - reach).float()
        right = (ends + offsets[:, bins + 1 :]).softmax(1) @ reach.float()
        return torch.stack([left, right], dim=1)


@dataclass
class ShiftedBoundaries:
    """Boundaries moved by a refinement of start and end.

    Attributes:
        base: What is moved. Boundaries that all classes share stay as they are, as in the released CLTDR-GMG.
        start_shifts: ``[B, rows, K]``, in level-0 steps.
        end_shifts: ``[B, rows, K]``, in level-0 steps.
    """

    base: Boundaries
    start_shifts: Tensor
    end_shifts: Tensor

    @property
    def per_class(self) -> bool:
        """As the base."""
        return self.base.per_class

    def at(self, batch: Tensor, rows: Tensor, classes: Tensor, strides: Tensor) -> Tensor:
        """As ``Boundaries.at``; no distance is less than 0."""
        if not self.base.per_class:
            return self.base.at(batch, rows, classes, strides)
        shifts = torch.stack([-self.start_shifts[batch, rows, classes], self.end_shifts[batch, rows, classes]], dim=1)
        return (self.base.at(batch, rows, classes, strides) + shifts / strides[:, None]).clamp(min=0)
