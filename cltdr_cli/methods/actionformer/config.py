"""The numbers of an ActionFormer network."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from cltdr_cli.methods.joined_config import JoinedConfig
from cltdr_cli.ranges import STRICT, FractionBelowOne, NonNegativeInt, PositiveInt


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ActionFormerConfig(JoinedConfig):
    """Architecture of one ActionFormer model (ECCV 2022; key names of published configs in brackets).

    Attributes:
        window_sizes: Per level, steps that attention sees around a step; an even size acts as the next odd one, and 1
            or less sees the whole sequence. Level 0 is the stem's (``n_mha_win_size``; one integer stands for all).
        backbone: ``transformer`` (published ``convTransformer``) or plain residual ``conv``.
        stem_blocks: Blocks at full length (``backbone_arch[1]``).
        heads: Attention heads (``n_head``).
        use_rel_pe: Learn a score for each distance within the window; windows must then be odd.
        use_abs_pe: Add a sinusoid position table after the projection; not with the conv backbone.
        droppath: Drop-path probability of all blocks; 0 also removes their learned scale (``train_cfg``).
        dropout: After the attention's output and both layers of the MLP (``train_cfg``).
    """

    window_sizes: tuple[int, ...]
    backbone: Literal["transformer", "conv"] = "transformer"
    stem_blocks: NonNegativeInt = 2
    heads: PositiveInt = 4
    use_rel_pe: bool = False
    use_abs_pe: bool = False
    droppath: FractionBelowOne = 0.1
    dropout: FractionBelowOne = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_levels("window_sizes")
        if self.embd_dim % self.heads:
            raise ValueError(f"heads {self.heads} must divide embd_dim {self.embd_dim}")
        if self.use_rel_pe and any(size > 1 and size % 2 == 0 for size in self.window_sizes):
            raise ValueError(f"window_sizes must be odd with use_rel_pe, got {self.window_sizes}")
        self.check_padding("window_sizes", self.padding_span)

    @property
    def padding_span(self) -> int:
        """Sequences longer than ``max_seq_len`` are padded to a multiple of it: the largest stride · window."""
        return max(2**level * max(2 * (size // 2), 1) for level, size in enumerate(self.window_sizes))
