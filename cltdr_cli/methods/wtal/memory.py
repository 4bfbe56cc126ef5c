"""The global memory: for every class a few vectors of training videos, in our reconstruction of DFE.

DFE (ICASSP 2023) has no published code and only its abstract is known; it says that a memory "learns representations
of the categories across videos". Slots and update rules here are our own choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MemoryUpdate = Literal["ema", "queue"]

_KEPT_SHARE = 0.99
_NOBODY = -1
_LEAST_WEIGHT = 1e-12


@dataclass(frozen=True, eq=False)
class Entry:
    """What one training video says of one of its classes.

    Attributes:
        video: Number of the video.
        label: Its class.
        vector: ``[D]``, detached.
        score: How sure the network is that the video shows the class.
    """

    video: int
    label: int
    vector: Tensor
    score: float


class Memory(nn.Module):
    """Slots of vectors by class. Nothing here is trained: the slots are buffers, saved with the run.

    Args:
        classes: C.
        slots: S, for each class.
        channels: D.
        update: ``ema`` moves the nearest slot by a hundredth; ``queue`` keeps the S entries of highest score.
    """

    vectors: Tensor
    scores: Tensor
    videos: Tensor
    filled: Tensor

    def __init__(self, classes: int, slots: int, channels: int, update: MemoryUpdate = "ema") -> None:
        super().__init__()
        self.rule: MemoryUpdate = update
        self.register_buffer("vectors", torch.zeros(classes, slots, channels))
        self.register_buffer("scores", torch.zeros(classes, slots))
        self.register_buffer("videos", torch.full((classes, slots), _NOBODY))
        self.register_buffer("filled", torch.zeros(classes, slots, dtype=torch.bool))

    @torch.no_grad()
    def keep_best(self, entry: Entry) -> None:
        """Put an entry in the place of its video's older one; else of an empty slot; else of the lowest score.

        An entry that scores no higher than the lowest of a full class, and is of no video in it, is not kept.
        """
        label = entry.label
        own = torch.nonzero(self.filled[label] & (self.videos[label] == entry.video)).flatten()
        ranks = torch.where(self.filled[label], self.scores[label], -torch.inf)
        slot = int(own[0]) if len(own) else int(ranks.argmin())
        if not len(own) and entry.score <= float(ranks[slot]):
            return
        self._fill(slot, entry)

    @torch.no_grad()
    def update(self, entry: Entry) -> None:
        """Take in what a video says after a step, by the rule of this memory.

        With ``ema`` the slot nearest by cosine becomes ``0.99·slot + 0.01·vector``; a class without any filled slot
        takes the entry as its first.
        """
        filled = torch.nonzero(self.filled[entry.label]).flatten()
        if self.rule == "queue" or not len(filled):
            self.keep_best(entry)
            return
        slots = self.vectors[entry.label, filled]
        nearest = filled[F.cosine_similarity(slots, entry.vector[None], dim=1).argmax()]
        self.vectors[entry.label, nearest] = _KEPT_SHARE * self.vectors[entry.label, nearest] + (
            1 - _KEPT_SHARE
        ) * entry.vector.to(self.vectors.dtype)

    def read(self) -> tuple[Tensor, Tensor]:
        """All slots ``[C, S, D]`` at length 1, and which of them are filled, bool ``[C, S]``."""
        return F.normalize(self.vectors, dim=2), self.filled

    def _fill(self, slot: int, entry: Entry) -> None:
        self.vectors[entry.label, slot] = entry.vector.to(self.vectors.dtype)
        self.scores[entry.label, slot] = entry.score
        self.videos[entry.label, slot] = entry.video
        self.filled[entry.label, slot] = True


def average_best(features: Tensor, weights: Tensor, count: int) -> Tensor:
    """Mean ``[D]`` of the ``count`` steps of largest weight, each by its weight.

    Args:
        features: ``[T, D]``.
        weights: ``[T]``, not negative.
        count: How many of the T steps.
    """
    best = weights.topk(count)
    shares = best.values.clamp(min=_LEAST_WEIGHT)
    return (shares / shares.sum()) @ features[best.indices]
