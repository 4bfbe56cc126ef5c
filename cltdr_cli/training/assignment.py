"""Assignment: how a method decides what every point should predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.models.points import Points
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.targets import Targets, assign


class Assign(Protocol):
    """How a method decides what every point should predict."""

    def __call__(self, points: Points, batch: Batch, mask: Tensor, outputs: HeadOutputs | None) -> Targets:
        """Targets of some points.

        Args:
            points: P points.
            batch: Segments and labels.
            mask: bool ``[B, P]``, true on real points.
            outputs: What the network says at just these points; None for methods that do not look at it.
        """
        ...


@dataclass(frozen=True)
class CenterSampling:
    """Points near the centre of an instance, in the range of their level, are positive; see ``targets.assign``."""

    num_classes: int
    config: TrainConfig

    def __call__(self, points: Points, batch: Batch, mask: Tensor, outputs: HeadOutputs | None) -> Targets:
        """As ``Assign``; the outputs do not matter."""
        config = self.config
        return assign(
            points,
            batch.segments,
            batch.labels,
            self.num_classes,
            config.center_sample,
            config.center_sample_radius,
        )
