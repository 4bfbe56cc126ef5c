"""What flows between the parts of a network: the pyramid, its packed form, and the outputs of the heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


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

    def with_zero_gaps(self, packed: Tensor) -> Tensor:
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
        class_logits: ``[B, rows, K]``, unrefined.
        offsets: ``[B, rows, 2(bins + 1)]``, left bins then right bins; ``[B, rows, 2]`` distances without bins.
        start_logits: ``[B, rows, K]``; None without bins.
        end_logits: ``[B, rows, K]``; None without bins.
        class_refinement: ``[B, rows, K]``, multiplies the class logit; None when not refined.
        start_shifts: ``[B, rows, K]`` in level-0 steps; None when not refined.
        end_shifts: ``[B, rows, K]`` in level-0 steps; None when not refined.
    """

    packing: Packing
    class_logits: Tensor
    offsets: Tensor
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    class_refinement: Tensor | None = None
    start_shifts: Tensor | None = None
    end_shifts: Tensor | None = None

    @property
    def refined_logits(self) -> Tensor:
        """``[B, rows, K]``: product of the class logit and its refinement."""
        return self.class_logits if self.class_refinement is None else self.class_logits * self.class_refinement

    @property
    def strides(self) -> Tensor:
        """Stride of each point, ``[P]``, in level-0 steps."""
        return 2.0**self.packing.levels

    @property
    def bins(self) -> int:
        """Bins on each side of a point; 0 when offsets are plain distances."""
        return self.offsets.shape[2] // 2 - 1
