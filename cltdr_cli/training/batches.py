"""Training samples of several videos in one batch: padded features, mask, labelled segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from cltdr_cli.data.samples import Sample
from cltdr_cli.training.targets import NO_INSTANCE


class TrainingBatch(Protocol):
    """What every kind of batch has; what a network should answer is told by each kind in its own way."""

    @property
    def features(self) -> Tensor:
        """float32 ``[B, T, C]``."""
        ...

    @property
    def mask(self) -> Tensor:
        """Bool ``[B, T]``, true on real steps."""
        ...

    @property
    def seeds(self) -> tuple[int, ...]:
        """One for the chance of each sample."""
        ...

    def to(self, device: torch.device) -> TrainingBatch:
        """The same batch on a device."""
        ...


@dataclass(frozen=True)
class Batch:
    """Samples padded to one length.

    Attributes:
        features: float32 ``[B, T, C]``, zero past the end of each sample.
        mask: bool ``[B, T]``, true on real steps.
        segments: float32 ``[B, N, 2]``, in level-0 steps; zeros where a sample has fewer than N.
        labels: int64 ``[B, N]``; ``NO_INSTANCE`` where a sample has fewer.
        seeds: One for the chance of each sample.
    """

    features: Tensor
    mask: Tensor
    segments: Tensor
    labels: Tensor
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, samples: Sequence[Sample], steps: int) -> Batch:
        """Join samples, zero-padded to ``steps``.

        Raises:
            ValueError: A sample is longer than ``steps``.
        """
        count = max(len(sample.labels) for sample in samples)
        features = torch.zeros(len(samples), steps, samples[0].features.shape[1])
        mask = torch.zeros(len(samples), steps, dtype=torch.bool)
        segments = torch.zeros(len(samples), count, 2)
        labels = torch.full((len(samples), count), NO_INSTANCE)
        for row, sample in enumerate(samples):
            length, instances = len(sample.features), len(sample.labels)
            features[row, :length] = torch.from_numpy(sample.features)
            mask[row, :length] = True
            segments[row, :instances] = torch.from_numpy(sample.segments_steps)
            labels[row, :instances] = torch.from_numpy(sample.labels)
        return cls(features, mask, segments, labels, tuple(sample.seed for sample in samples))

    def rows(self, first: int, end: int) -> Batch:
        """The samples from ``first`` up to, not including, ``end``."""
        return Batch(
            self.features[first:end],
            self.mask[first:end],
            self.segments[first:end],
            self.labels[first:end],
            self.seeds[first:end],
        )

    def pin(self) -> Batch:
        """The same batch in pinned memory, from which a GPU copies while the CPU works on."""
        return self._mapped(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device; the copy from pinned memory runs beside the work there."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        features, mask = change(self.features), change(self.mask)
        return Batch(features, mask, change(self.segments), change(self.labels), self.seeds)
