"""The numbers of a CLTDR-GMG network: everything needed to build it and nothing else."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from cltdr_cli.methods.block_config import BlockConfig
from cltdr_cli.ranges import STRICT

GmgBranch = Literal["instant", "local", "global"]
Neighbors = Literal["none", "above", "below", "both"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CltdrConfig(BlockConfig):
    """Architecture of one CLTDR-GMG model (AAAI 2025; defaults and key names of published configs in brackets).

    ``block_kernel_sizes`` are the taps of the *local* convolution.

    Attributes:
        backbone: ``gmg`` (published ``backbone_type: SGP``) or plain residual ``conv``.
        gmg_gate: Gate between granularities: ``identity`` as released, ``relu`` as in the paper, ``none`` for the
            ablation without gating (branches are only summed).
        gmg_branches: Granularities in use (ablation; published: all three).
        global_extractor: What computes the global branch (ablation; published ``fft``).
        cls_neighbors: Levels feeding classification besides the own one: ``above`` is coarser (published).
        reg_neighbors: Likewise for regression: ``below`` is finer (published).
        refine: Which outputs the refinement head corrects (ablation; published ``both``).
        fusion: How a neighbour level is fused in (ablation; published ``attention``, the gated sum).
    """

    backbone: Literal["gmg", "conv"] = "gmg"
    gmg_gate: Literal["identity", "relu", "none"] = "identity"
    gmg_branches: tuple[GmgBranch, ...] = ("instant", "local", "global")
    global_extractor: Literal["fft", "attention"] = "fft"
    cls_neighbors: Neighbors = "above"
    reg_neighbors: Neighbors = "below"
    refine: Literal["none", "class", "regression", "both"] = "both"
    fusion: Literal["concat", "add", "attention"] = "attention"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.gmg_branches or len(set(self.gmg_branches)) != len(self.gmg_branches):
            raise ValueError(f"gmg_branches must name one to three different branches, got {self.gmg_branches}")
        if self.backbone == "gmg":
            self.check_group_norm()
