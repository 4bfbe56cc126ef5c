"""What every point of the pyramid is to say: points and labelled segments to classes and distances (spec §6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cltdr_cli.models.cltdr_config import CltdrConfig
from cltdr_cli.models.outputs import Packing

NO_INSTANCE = -1
"""Label of the rows that fill up a batch to its video with the most instances."""

_SAME_LENGTH_STEPS = 1e-3


@dataclass(frozen=True)
class Points:
    """All points of a padded pyramid, level after level from fine to coarse.

    Attributes:
        times: float32 ``[P]``, in level-0 steps: ``0, s, 2s…`` without a half-stride offset.
        strides: float32 ``[P]``, in level-0 steps.
        ranges: float32 ``[P, 2]``, the distances in level-0 steps that a point answers for.
        starts: int64 ``[L]``, first point of each level.
        lengths: Points of each level.
    """

    times: Tensor
    strides: Tensor
    ranges: Tensor
    starts: Tensor
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, config: CltdrConfig, device: torch.device | str = "cpu") -> Points:
        """The points of a sequence that is padded to ``max_seq_len``."""
        lengths = tuple(-(-config.max_seq_len // 2**level) for level in range(config.levels))
        counts = torch.tensor(lengths)
        levels = torch.arange(config.levels).repeat_interleave(counts)
        starts = counts.cumsum(0) - counts
        steps = torch.arange(sum(lengths)) - starts[levels]
        strides = 2.0**levels
        ranges = torch.tensor(config.regression_range, dtype=torch.float32)[levels]
        return cls((steps * strides).to(device), strides.to(device), ranges.to(device), starts.to(device), lengths)

    def mask(self, real: Tensor) -> Tensor:
        """Mask bool ``[B, T]`` of the padded features to that of the points, bool ``[B, P]``."""
        return torch.cat([real[:, :: 2**level][:, :length] for level, length in enumerate(self.lengths)], dim=1)

    def rows(self, packing: Packing) -> Tensor:
        """int64 ``[P']``: which of these points the points of a network's packing are."""
        return self.starts[packing.levels] + packing.steps


@dataclass(frozen=True)
class Targets:
    """Targets of a batch, before label smoothing.

    Attributes:
        classes: float32 ``[B, P, K]``, 1 for every label of a point, else 0.
        distances: float32 ``[B, P, 2]``, to the start and end of the point's instance in strides of its level;
            at points that are not positive those of instance 0, which nothing uses.
    """

    classes: Tensor
    distances: Tensor

    def positives(self, mask: Tensor) -> Tensor:
        """Points with a label, bool ``[B, P]``, among those of the mask bool ``[B, P]``."""
        return (self.classes.sum(2) > 0) & mask

    def at(self, rows: Tensor) -> Targets:
        """Those of some points, int64 ``[P']``."""
        return Targets(self.classes[:, rows], self.distances[:, rows])


def assign(
    points: Points,
    segments: Tensor,
    labels: Tensor,
    num_classes: int,
    center_sample: Literal["radius", "none"] = "radius",
    radius: float = 1.5,
) -> Targets:
    """Targets of every point for a batch of videos.

    A point is positive for an instance if it lies inside it (with ``radius``: and within ``radius`` strides of its
    centre), and if the farther end lies in the range of its level. Of several instances the shortest decides the
    distances, the first of equally short ones; all within 1e-3 steps of its length give their labels.

    Args:
        points: P points.
        segments: float32 ``[B, N, 2]``, starts and ends in level-0 steps.
        labels: int64 ``[B, N]``, classes; ``NO_INSTANCE`` in rows that hold none.
        num_classes: K.
        center_sample: Whether only points near the centre count.
        radius: In strides of a point's level.
    """
    if segments.shape[1] == 0:
        shape = (segments.shape[0], len(points.times))
        return Targets(segments.new_zeros(*shape, num_classes), segments.new_zeros(*shape, 2))
    starts, ends = segments[:, None, :, 0], segments[:, None, :, 1]
    times, strides = points.times[None, :, None], points.strides[None, :, None]
    left, right = times - starts, ends - times
    inner_left, inner_right = left, right
    if center_sample == "radius":
        center, reach = 0.5 * (starts + ends), strides * radius
        inner_left = times - torch.maximum(center - reach, starts)
        inner_right = torch.minimum(center + reach, ends) - times
    farther = torch.maximum(left, right)
    low, high = points.ranges[None, :, None].unbind(3)
    fits = (torch.minimum(inner_left, inner_right) > 0) & (farther >= low) & (farther <= high)
    return _chosen(fits & (labels >= 0)[:, None], left, right, segments, labels, strides, num_classes)


def _chosen(
    fits: Tensor, left: Tensor, right: Tensor, segments: Tensor, labels: Tensor, strides: Tensor, num_classes: int
) -> Targets:
    """The shortest fitting instance and the labels of all that are as short; ``fits`` is ``[B, P, N]``."""
    lengths = (segments[..., 1] - segments[..., 0])[:, None].masked_fill(~fits, torch.inf)
    chosen = lengths.argmin(2, keepdim=True)
    shortest = lengths.gather(2, chosen)
    equals = fits & (lengths <= shortest + _SAME_LENGTH_STEPS)
    hot = torch.nn.functional.one_hot(labels.clamp(min=0), num_classes).to(segments.dtype)
    classes = torch.bmm(equals.to(segments.dtype), hot).clamp(max=1)
    distances = torch.cat([left.gather(2, chosen), right.gather(2, chosen)], dim=2) / strides
    return Targets(classes, distances)
