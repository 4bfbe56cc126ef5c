"""Whole-video labels and sampled features of several videos in one batch. There is no field for times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cltdr_cli.data.samples import LabelSample


@dataclass(frozen=True)
class LabelBatch:
    """Samples of one length.

    Attributes:
        features: float32 ``[B, T, C]``.
        labels: float32 ``[B, K]``, 1 for each label of a video.
        seeds: One for the chance of each sample.
        pairs: Rows 2i and 2i + 1 have a label in common, for each i below it.
        videos: Number of the video in each row; empty where nobody asks.
    """

    features: Tensor
    labels: Tensor
    seeds: tuple[int, ...]
    pairs: int = 0
    videos: tuple[int, ...] = ()

    @classmethod
    def of(cls, samples: Sequence[LabelSample], pairs: int = 0, videos: tuple[int, ...] = ()) -> LabelBatch:
        """Join samples of one length."""
        features = torch.stack([torch.from_numpy(sample.features) for sample in samples])
        labels = torch.stack([torch.from_numpy(sample.labels) for sample in samples])
        return cls(features, labels, tuple(sample.seed for sample in samples), pairs, videos)

    @property
    def mask(self) -> Tensor:
        """True for every step: there is no padding. Bool ``[B, T]``."""
        return torch.ones(self.features.shape[:2], dtype=torch.bool, device=self.features.device)

    def pin(self) -> LabelBatch:
        """The same batch in pinned memory, from which a GPU copies while the CPU works on."""
        return self._mapped(Tensor.pin_memory)

    def to(self, device: torch.device) -> LabelBatch:
        """The same batch on a device; the copy from pinned memory runs beside the work there."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> LabelBatch:
        return replace(self, features=change(self.features), labels=change(self.labels))
