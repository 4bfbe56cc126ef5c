"""The numbers of a CLTDR-GMG network: everything needed to build it and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GmgBranch = Literal["instant", "local", "global"]
Neighbors = Literal["none", "above", "below", "both"]


@dataclass(frozen=True)
class CltdrConfig:
    """Architecture of one CLTDR-GMG model (AAAI 2025; defaults and key names of published configs in brackets).

    Level ``l`` of the pyramid has stride ``2^l`` feature steps; there are ``branch_blocks + 1`` levels.

    Attributes:
        input_dim: Channels of one feature vector.
        num_classes: Classes the network scores; 1 for class-agnostic models.
        max_seq_len: Steps every sequence is padded to; part of the model, since FFT and pooling see the padding.
        regression_range: Per level, the ``(low, high)`` distances in level-0 steps it is responsible for.
        block_kernel_sizes: Per level, taps of the *local* depth-wise convolution; level 0 only takes part in the
            padding rule, as stem blocks use one tap (``n_sgp_win_size``; one integer stands for all levels).
        backbone: ``gmg`` (published ``backbone_type: SGP``) or plain residual ``conv``.
        embd_layers: Projection layers before the stem (``backbone_arch[0]``).
        stem_blocks: Blocks at full length (``backbone_arch[1]``).
        branch_blocks: Blocks that halve the length, one per further level (``backbone_arch[2]``).
        embd_kernel_size: Taps of the projection.
        embd_dim: Channels of the backbone.
        embd_with_ln: Layer norm after each projection layer.
        mlp_dim: Hidden channels of each block's MLP (``sgp_mlp_dim``).
        downsample: Pooling between levels (``downsample_type``).
        init_conv_vars: Standard deviation of the initial depth-wise weights of a block; 0 starts them at zero.
        use_abs_pe: Add a sinusoid position table after the projection.
        neck: One layer norm per level, or a feature pyramid (``fpn_type``).
        fpn_dim: Channels from the neck on; equals ``embd_dim`` with the identity neck.
        fpn_with_ln: Layer norm in the neck.
        head_dim: Channels inside the heads.
        head_num_layers: Layers of a head, the output convolution counted.
        head_kernel_size: Taps of the class, offset and refinement heads.
        boundary_kernel_size: Taps of the start and end heads (``boudary_kernel_size``, spelt so).
        head_with_ln: Layer norm in the heads.
        use_trident_head: Boundaries as expectations over bins; otherwise two plain distances per point.
        num_bins: Bins on each side of a point, in level strides.
        cls_prior_prob: Initial class probability, set through the output bias (``train_cfg``).
        droppath: Drop-path probability in branch blocks; 0 also removes their learned scale (``train_cfg``).
        scale_factor: Ratio of neighbouring strides; only 2 exists.
        gmg_gate: Gate between granularities: ``identity`` as released, ``relu`` as in the paper, ``none`` for the
            ablation without gating (branches are only summed).
        gmg_branches: Granularities in use (ablation; published: all three).
        global_extractor: What computes the global branch (ablation; published ``fft``).
        cls_neighbors: Levels feeding classification besides the own one: ``above`` is coarser (published).
        reg_neighbors: Likewise for regression: ``below`` is finer (published).
        refine: Which outputs the refinement head corrects (ablation; published ``both``).
        fusion: How a neighbour level is fused in (ablation; published ``attention``, the gated sum).
    """

    input_dim: int
    num_classes: int
    max_seq_len: int
    regression_range: tuple[tuple[float, float], ...]
    block_kernel_sizes: tuple[int, ...]
    backbone: Literal["gmg", "conv"] = "gmg"
    embd_layers: int = 2
    stem_blocks: int = 2
    branch_blocks: int = 5
    embd_kernel_size: int = 3
    embd_dim: int = 512
    embd_with_ln: bool = True
    mlp_dim: int = 768
    downsample: Literal["max", "avg"] = "max"
    init_conv_vars: float = 0.0
    use_abs_pe: bool = False
    neck: Literal["identity", "fpn"] = "identity"
    fpn_dim: int = 512
    fpn_with_ln: bool = True
    head_dim: int = 512
    head_num_layers: int = 3
    head_kernel_size: int = 3
    boundary_kernel_size: int = 3
    head_with_ln: bool = True
    use_trident_head: bool = True
    num_bins: int = 16
    cls_prior_prob: float = 0.01
    droppath: float = 0.1
    scale_factor: Literal[2] = 2
    gmg_gate: Literal["identity", "relu", "none"] = "identity"
    gmg_branches: tuple[GmgBranch, ...] = ("instant", "local", "global")
    global_extractor: Literal["fft", "attention"] = "fft"
    cls_neighbors: Neighbors = "above"
    reg_neighbors: Neighbors = "below"
    refine: Literal["none", "class", "regression", "both"] = "both"
    fusion: Literal["concat", "add", "attention"] = "attention"

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_levels()
        if not self.gmg_branches or len(set(self.gmg_branches)) != len(self.gmg_branches):
            raise ValueError(f"gmg_branches must name one to three different branches, got {self.gmg_branches}")
        if self.neck == "identity" and self.fpn_dim != self.embd_dim:
            raise ValueError(f"fpn_dim {self.fpn_dim} must equal embd_dim {self.embd_dim} with the identity neck")
        if self.backbone == "gmg" and self.embd_dim % 16:
            raise ValueError(f"embd_dim {self.embd_dim} must be a multiple of 16, the groups of its group norm")
        if not 0 < self.cls_prior_prob < 1:
            raise ValueError(f"cls_prior_prob must lie between 0 and 1, got {self.cls_prior_prob}")
        if not 0 <= self.droppath < 1:
            raise ValueError(f"droppath must lie in [0, 1), got {self.droppath}")
        if self.init_conv_vars < 0:
            raise ValueError(f"init_conv_vars must not be negative, got {self.init_conv_vars}")

    def _check_sizes(self) -> None:
        channels = ("input_dim", "num_classes", "embd_dim", "mlp_dim", "fpn_dim", "head_dim")
        for name in (*channels, "max_seq_len", "embd_layers", "head_num_layers", "num_bins"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("stem_blocks", "branch_blocks"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("embd_kernel_size", "head_kernel_size", "boundary_kernel_size"):
            if getattr(self, name) < 1 or getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} must be odd, got {getattr(self, name)}")

    def _check_levels(self) -> None:
        for name in ("block_kernel_sizes", "regression_range"):
            if len(getattr(self, name)) != self.levels:
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} entries, but branch_blocks {self.branch_blocks} "
                    f"makes {self.levels} levels"
                )
        if any(size < 1 or size % 2 == 0 for size in self.block_kernel_sizes):
            raise ValueError(f"block_kernel_sizes must be odd, got {self.block_kernel_sizes}")
        if any(not 0 <= low < high for low, high in self.regression_range):
            raise ValueError(f"regression_range pairs must rise from 0 or more, got {self.regression_range}")
        top = 2 ** (self.levels - 1)
        for length, what in (
            (self.max_seq_len, f"max_seq_len {self.max_seq_len}"),
            (
                self.padding_span,
                f"block_kernel_sizes: longer sequences are padded to multiples of {self.padding_span}, which",
            ),
        ):
            if length % top:
                raise ValueError(f"{what} must be a multiple of the coarsest stride {top}")

    @property
    def levels(self) -> int:
        """Levels of the pyramid."""
        return self.branch_blocks + 1

    @property
    def padding_span(self) -> int:
        """Sequences longer than ``max_seq_len`` are padded to a multiple of it: the largest stride · kernel."""
        return max(2**level * size for level, size in enumerate(self.block_kernel_sizes))
