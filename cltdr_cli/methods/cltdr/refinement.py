"""The refinement head of CLTDR: it shifts both boundaries and multiplies the class logit."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from cltdr_cli.models.heads import Trunk
from cltdr_cli.models.layers import MaskedConv
from cltdr_cli.models.outputs import Packing

_SHIFT_KERNEL = 7

SHIFT_REACH = _SHIFT_KERNEL // 2
"""How far past its own step a shift sees."""


class Refinement(NamedTuple):
    """What the head says at every row ``[B, rows, K]``; None where it does not refine that."""

    start_shifts: Tensor | None
    end_shifts: Tensor | None
    class_factor: Tensor | None


class RefineHead(nn.Module):
    """Shared trunk; shifts of start and end, and a factor on the class logit.

    Args:
        trunk: On the cross-layer fused features.
        num_classes: K.
        kernel: Taps of the class refinement.
        refine: ``class``, ``regression`` or ``both``.
    """

    def __init__(self, trunk: Trunk, num_classes: int, kernel: int, refine: str) -> None:
        super().__init__()
        self.trunk = trunk
        boundaries, classes = refine in ("regression", "both"), refine in ("class", "both")
        self.start = MaskedConv(trunk.width, num_classes, _SHIFT_KERNEL) if boundaries else None
        self.end = MaskedConv(trunk.width, num_classes, _SHIFT_KERNEL) if boundaries else None
        self.score = MaskedConv(trunk.width, num_classes, kernel) if classes else None

    def forward(self, x: Tensor, packing: Packing) -> Refinement:
        """Packed ``[B, rows, C]`` -> start shifts, end shifts and class factor, each ``[B, rows, K]`` or None."""
        x = self.trunk(x, packing)
        starts, ends, factor = (
            None if conv is None else conv(x, packing.mask) for conv in (self.start, self.end, self.score)
        )
        return Refinement(starts, ends, factor)
