"""The points of a pyramid: where in time they are, and which lengths of action they answer for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cltdr_cli.models.outputs import Packing


@dataclass(frozen=True)
class Points:
    """Some points of a padded pyramid, by default all, level after level from fine to coarse.

    Attributes:
        times: float32 ``[P]``, in level-0 steps: ``0, s, 2s…`` without a half-stride offset.
        strides: float32 ``[P]``, in level-0 steps.
        ranges: float32 ``[P, 2]``, the distances in level-0 steps that a point answers for.
    """

    times: Tensor
    strides: Tensor
    ranges: Tensor

    def at(self, rows: Tensor) -> Points:
        """Those of some rows, int64 ``[P']``."""
        return Points(self.times[rows], self.strides[rows], self.ranges[rows])


class PointGrid:
    """All points of a sequence that is padded to one length, and where each level begins among them.

    Attributes:
        points: All points, ``P`` in number.
        starts: int64 ``[L]``, first point of each level.
        lengths: Points of each level.

    Args:
        steps: Padded length of the sequence in steps.
        ranges: Per level, ``(low, high)`` distances in level-0 steps.
        device: Where the tensors are.
    """

    def __init__(self, steps: int, ranges: Sequence[tuple[float, float]], device: torch.device | str = "cpu") -> None:
        self.lengths = tuple(-(-steps // 2**level) for level in range(len(ranges)))
        counts = torch.tensor(self.lengths)
        levels = torch.arange(len(ranges)).repeat_interleave(counts)
        starts = counts.cumsum(0) - counts
        strides = 2.0**levels
        times = (torch.arange(sum(self.lengths)) - starts[levels]) * strides
        by_level = torch.tensor(ranges, dtype=torch.float32)
        self.points = Points(times.to(device), strides.to(device), by_level[levels].to(device))
        self.starts = starts.to(device)

    def mask(self, real: Tensor) -> Tensor:
        """Mask bool ``[B, T]`` of the padded features to that of the points, bool ``[B, P]``."""
        return torch.cat([real[:, :: 2**level][:, :length] for level, length in enumerate(self.lengths)], dim=1)

    def rows(self, packing: Packing) -> Tensor:
        """int64 ``[P']``: which of these points the points of a network's packing are."""
        return self.starts[packing.levels] + packing.steps
