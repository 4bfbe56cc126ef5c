"""What flows between the parts of a network: the pyramid, its packed form, and the outputs of the heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from cltdr_cli.models.boundaries import Boundaries


@dataclass
class Pyramid:
    """Levels from fine to coarse, level l of stride 2^l.

    Attributes:
        levels: List of ``[B, T_l, C]``.
        masks: List of ``[B, T_l, 1]`` in the levels' dtype, 1 on real steps.
    """

    levels: list[Tensor]
    masks: list[Tensor]


class Packing:
    """All levels of a pyramid in one long sequence, with gaps of zeros between them.

    The heads share their weights over levels, so one long convolution serves all; the gaps are the zero padding
    that each level would have had, and wide enough for the boundary bins to read zeros outside a level.

    Args:
        lengths: Steps kept of each level.
        gap: Rows of zeros before, between and after the levels.
        masks: Masks of the pyramid, ``[B, T_l, 1]``.
    """

    def __init__(self, lengths: Sequence[int], gap: int, masks: Sequence[Tensor]) -> None:
        self.lengths, self.gap = tuple(lengths), gap
        self.starts = tuple(gap + end for end in accumulate((n + gap for n in lengths), initial=0))[:-1]
        self.rows = sum(lengths) + gap * (len(lengths) + 1)
        device = masks[0].device
        self.mask = self.pack(masks)
        self.inside = torch.zeros(self.rows, 1, dtype=masks[0].dtype, device=device)
        for start, length in zip(self.starts, self.lengths, strict=True):
            self.inside[start : start + length] = 1
        self.levels = torch.cat([torch.full((n,), level) for level, n in enumerate(lengths)]).to(device)
        self.steps = torch.cat([torch.arange(n) for n in lengths]).to(device)
        self.points = self.steps + torch.tensor(self.starts, device=device)[self.levels]

    def pack(self, levels: Sequence[Tensor]) -> Tensor:
        """List of ``[B, >= n_l, C]`` -> ``[B, rows, C]``."""
        gap = levels[0].new_zeros(levels[0].shape[0], self.gap, levels[0].shape[2])
        pieces = [gap]
        for level, length in zip(levels, self.lengths, strict=True):
            pieces += [level[:, :length], gap]
        return torch.cat(pieces, dim=1)

    def unpack(self, packed: Tensor) -> list[Tensor]:
        """``[B, rows, C]`` -> list of ``[B, n_l, C]``."""
        return [packed[:, s : s + n] for s, n in zip(self.starts, self.lengths, strict=True)]

    def clear_gaps(self, packed: Tensor) -> Tensor:
        """The same values with zeros in the gaps again; in place when no gradient needs them."""
        if torch.is_grad_enabled():
            return packed * self.inside
        for start, length in zip((-self.gap, *self.starts), (0, *self.lengths), strict=True):
            end = start + length + (0 if start >= 0 else self.gap)
            packed[:, end : end + self.gap] = 0
        return packed


@dataclass
class HeadOutputs:
    """What the heads say at every row of the packed pyramid.

    Attributes:
        packing: Where the levels lie in the rows.
        class_logits: ``[B, rows, K]``.
        boundaries: Distances from each point to the ends of its action.
        class_refinement: ``[B, rows, K]``, multiplies the class logit; None where nothing refines it.
        refined_boundaries: Corrected boundaries; None where nothing corrects them.
        embeddings: ``[B, rows, C]``, the neck's levels, that an objective may look at; only in training.
    """

    packing: Packing
    class_logits: Tensor
    boundaries: Boundaries
    class_refinement: Tensor | None = None
    refined_boundaries: Boundaries | None = None
    embeddings: Tensor | None = None

    @property
    def refined(self) -> HeadOutputs:
        """The outputs that detections come from: after refinement, where the network refines."""
        if self.class_refinement is None and self.refined_boundaries is None:
            return self
        logits = self.class_logits
        if self.class_refinement is not None:
            logits = logits.float() * self.class_refinement.float()
        return HeadOutputs(self.packing, logits, self.refined_boundaries or self.boundaries)

    @property
    def strides(self) -> Tensor:
        """Stride of each point, ``[P]``, in level-0 steps."""
        return 2.0**self.packing.levels

    def distances_at(self, batch: Tensor, points: Tensor, classes: Tensor) -> Tensor:
        """Distances ``[M, 2]`` of (sample, point, class) triples to the ends of their action, in level strides.

        Args:
            batch: int64 ``[M]``, sample of the batch.
            points: int64 ``[M]``, index into the packing's points.
            classes: int64 ``[M]``.
        """
        return self.boundaries.at(batch, self.packing.points[points], classes, self.strides[points])
