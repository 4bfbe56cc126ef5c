"""Training targets: the classes and distances that every point of the pyramid should predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cltdr_cli.models.points import Points

NO_INSTANCE = -1
"""Label of the rows that fill up a batch to its video with the most instances."""

_SAME_LENGTH_STEPS = 1e-3


@dataclass(frozen=True)
class Targets:
    """Targets of a batch, before label smoothing.

    Attributes:
        classes: float32 ``[B, P, K]``, 1 for every label of a point, else 0.
        distances: float32 ``[B, P, 2]``, to the start and end of the point's instance in strides of its level;
            at points that are not positive those of the first instance, which nothing uses.
        instances: int64 ``[B, P]``, row in the batch of the instance that the distances are of.
        weights: float32 ``[B, P]``, how much a positive point counts; None where all count alike.
    """

    classes: Tensor
    distances: Tensor
    instances: Tensor
    weights: Tensor | None = None

    def positives(self, mask: Tensor) -> Tensor:
        """Points with a label, bool ``[B, P]``, among those of the mask bool ``[B, P]``."""
        return (self.classes.sum(2) > 0) & mask

    def count(self, mask: Tensor) -> Tensor:
        """How many positive points there are, each by its weight; a scalar."""
        positives = self.positives(mask)
        return positives.sum() if self.weights is None else (positives * self.weights).sum()


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
        return make_empty_targets(segments.shape[0], points, num_classes)
    fits = find_fits(points, segments, labels, center_sample, radius)
    lengths = (segments[..., 1] - segments[..., 0])[:, None].masked_fill(~fits, torch.inf)
    chosen = lengths.argmin(2, keepdim=True)
    classes = label_points(fits, lengths, labels, num_classes)
    left, right = measure_distances(points, segments)
    distances = torch.cat([left.gather(2, chosen), right.gather(2, chosen)], dim=2)
    return Targets(classes, distances / points.strides[None, :, None], chosen.squeeze(2))


def make_empty_targets(samples: int, points: Points, num_classes: int) -> Targets:
    """Targets of videos in which nothing happens."""
    times = points.times
    shape = (samples, len(times))
    instances = torch.zeros(shape, dtype=torch.long, device=times.device)
    return Targets(times.new_zeros(*shape, num_classes), times.new_zeros(*shape, 2), instances)


def measure_distances(points: Points, segments: Tensor) -> tuple[Tensor, Tensor]:
    """Distances ``[B, P, N]`` in level-0 steps from every point to the start and to the end of every instance."""
    times = points.times[None, :, None]
    return times - segments[:, None, :, 0], segments[:, None, :, 1] - times


def find_fits(
    points: Points, segments: Tensor, labels: Tensor, center_sample: Literal["radius", "none"], radius: float
) -> Tensor:
    """Bool ``[B, P, N]``: which points are positive for which instances, before the shortest one is chosen."""
    left, right = measure_distances(points, segments)
    inner_left, inner_right = left, right
    if center_sample == "radius":
        starts, ends = segments[:, None, :, 0], segments[:, None, :, 1]
        times, reach = points.times[None, :, None], points.strides[None, :, None] * radius
        center = 0.5 * (starts + ends)
        inner_left = times - torch.maximum(center - reach, starts)
        inner_right = torch.minimum(center + reach, ends) - times
    farther = torch.maximum(left, right)
    low, high = points.ranges[None, :, None].unbind(3)
    fits = (torch.minimum(inner_left, inner_right) > 0) & (farther >= low) & (farther <= high)
    return fits & (labels >= 0)[:, None]


def label_points(fits: Tensor, lengths: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Classes float32 ``[B, P, K]`` of the shortest fitting instance and of all that are as short.

    Args:
        fits: Bool ``[B, P, N]``.
        lengths: float32 ``[B, P, N]`` in steps, infinite where an instance does not fit.
        labels: int64 ``[B, N]``.
        num_classes: K.
    """
    equals = fits & (lengths <= lengths.min(2, keepdim=True).values + _SAME_LENGTH_STEPS)
    hot = torch.nn.functional.one_hot(labels.clamp(min=0), num_classes).to(lengths.dtype)
    return torch.bmm(equals.to(lengths.dtype), hot).clamp(max=1)
