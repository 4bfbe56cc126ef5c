"""The numbers of a TriDet network: everything needed to build it and nothing else."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from cltdr_cli.methods.block_config import BlockConfig
from cltdr_cli.ranges import STRICT, PositiveFloat


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TridetConfig(BlockConfig):
    """Architecture of one TriDet model (CVPR 2023; defaults and key names of published configs in brackets).

    ``block_kernel_sizes`` are the taps of the *narrow* window and of its gate.

    Attributes:
        backbone: ``sgp``, scalable-granularity perception, or plain residual ``conv`` (``backbone_type``).
        window_factor: How much larger the wide window of a block is than the narrow one, see ``wide_kernel``
            (``k``).
    """

    backbone: Literal["sgp", "conv"] = "sgp"
    window_factor: PositiveFloat = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backbone == "sgp":
            self.check_group_norm()
            if any(self.wide_kernel(size) < size for size in (1, *self.block_kernel_sizes[1:])):
                raise ValueError(f"window_factor {self.window_factor} makes wide windows narrower than narrow ones")

    def wide_kernel(self, narrow: int) -> int:
        """Taps of the wide window beside ``narrow`` taps: ``(narrow + 1) · window_factor``, made odd upwards.

        As published, the product is first rounded with halves to the even neighbour.
        """
        taps = round((narrow + 1) * self.window_factor)
        return taps + 1 if taps % 2 == 0 else taps
