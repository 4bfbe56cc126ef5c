"""The numbers that CLTDR-GMG and TriDet, which it grew from, have in common."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from cltdr_cli.methods.point_config import PointConfig
from cltdr_cli.ranges import STRICT, FractionBelowOne, NonNegativeFloat, NonNegativeInt, PositiveInt


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BlockConfig(PointConfig):
    """A point detector of depth-wise convolution blocks, whose boundaries may be distributions over bins.

    Attributes:
        block_kernel_sizes: Per level, taps of the block's depth-wise convolutions; level 0 only takes part in the
            padding rule, as stem blocks use one tap (``n_sgp_win_size``; one integer stands for all levels).
        stem_blocks: Blocks at full length (``backbone_arch[1]``).
        mlp_dim: Hidden channels of each block's MLP (``sgp_mlp_dim``).
        downsample: Pooling between levels (``downsample_type``).
        init_conv_vars: Standard deviation of the initial depth-wise weights of a block; 0 starts them at zero.
        use_abs_pe: Add a sinusoid position table after the projection.
        boundary_kernel_size: Taps of the start and end heads (``boudary_kernel_size``, spelt so).
        use_trident_head: Boundaries as expectations over bins; otherwise two plain distances per point.
        num_bins: Bins on each side of a point, in level strides.
        droppath: Drop-path probability in branch blocks; 0 also removes their learned scale (``train_cfg``).
    """

    block_kernel_sizes: tuple[int, ...]
    stem_blocks: NonNegativeInt = 2
    mlp_dim: PositiveInt = 768
    downsample: Literal["max", "avg"] = "max"
    init_conv_vars: NonNegativeFloat = 0.0
    use_abs_pe: bool = False
    boundary_kernel_size: int = 3
    use_trident_head: bool = True
    num_bins: PositiveInt = 16
    droppath: FractionBelowOne = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_odd("boundary_kernel_size")
        self.check_levels("block_kernel_sizes")
        if any(size < 1 or size % 2 == 0 for size in self.block_kernel_sizes):
            raise ValueError(f"block_kernel_sizes must be odd, got {self.block_kernel_sizes}")
        self.check_padding("block_kernel_sizes", self.padding_span)

    @property
    def padding_span(self) -> int:
        """Sequences longer than ``max_seq_len`` are padded to a multiple of it: the largest stride · kernel."""
        return max(2**level * size for level, size in enumerate(self.block_kernel_sizes))

    @property
    def bins(self) -> int:
        """Bins in use; 0 where boundaries are two plain distances."""
        return self.num_bins if self.use_trident_head else 0

    def check_group_norm(self) -> None:
        """Raise ValueError for a width that the 16 groups of a block's group norm do not divide."""
        if self.embd_dim % 16:
            raise ValueError(f"embd_dim {self.embd_dim} must be a multiple of 16, the groups of its group norm")
