"""Cross-layer task decoupling: each task borrows from the neighbour level that knows it best.

Classification takes semantics from the level above (DCM), regression takes boundaries from the level below
(DRM), refinement takes both (CLFF). One set of weights serves all levels, and no mask is applied inside: the
gates pool over the padded length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cltdr_cli.models.convolution import TimeConv, TimeConvTranspose
from cltdr_cli.models.layers import rectify


class GatedFusion(nn.Module):
    """``p + a·h`` with ``a = sigmoid(conv(mean_T(ReLU(h + q(p)))))``, one gate per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = TimeConv(channels, channels, 1)
        self.gate = TimeConv(channels, channels, 1)

    def forward(self, p: Tensor, h: Tensor) -> Tensor:
        """Own level and neighbour at its length, both ``[B, T, C]`` -> what is added to ``p``."""
        pooled = rectify(h + self.query(p)).mean(1, keepdim=True)
        return torch.sigmoid(self.gate(pooled)) * h


class ConcatFusion(nn.Module):
    """Both levels side by side through a 1×1 convolution (ablation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.join = TimeConv(2 * channels, channels, 1)

    def forward(self, p: Tensor, h: Tensor) -> Tensor:
        """Own level and neighbour ``[B, T, C]`` -> what is added to ``p``."""
        return self.join(torch.cat([p, h], dim=2)) - p


class AddFusion(nn.Module):
    """The plain sum (ablation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, p: Tensor, h: Tensor) -> Tensor:
        """Neighbour as it is."""
        return h


FUSIONS = {"attention": GatedFusion, "concat": ConcatFusion, "add": AddFusion}


class TaskDecoupling(nn.Module):
    """DCM (neighbours ``above``) or DRM (``below``): levels in, levels of one task out.

    Args:
        channels: Width of the pyramid.
        neighbors: ``none``, ``above``, ``below`` or ``both``.
        fusion: Key of ``FUSIONS``.
    """

    def __init__(self, channels: int, neighbors: str, fusion: str) -> None:
        super().__init__()
        above, below = neighbors in ("above", "both"), neighbors in ("below", "both")
        self.above = TimeConvTranspose(channels, channels) if above else None
        self.above_fusion = FUSIONS[fusion](channels) if above else None
        self.below = TimeConv(channels, channels, 3, stride=2) if below else None
        self.below_fusion = FUSIONS[fusion](channels) if below else None

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Levels ``[B, T_l, C]``, fine to coarse -> the same shapes. Missing neighbours leave a level as it is."""
        out: list[Tensor] = []
        for index, p in enumerate(levels):
            result = p
            if self.above is not None and self.above_fusion is not None and index + 1 < len(levels):
                result = result + self.above_fusion(p, self.above(levels[index + 1]))
            if self.below is not None and self.below_fusion is not None and index > 0:
                result = result + self.below_fusion(p, self.below(levels[index - 1]))
            out.append(result)
        return out


class CrossLevelFusion(nn.Module):
    """CLFF: both neighbours added to each level, for the refinement head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.below = TimeConv(channels, channels, 3, stride=2)
        self.above = TimeConvTranspose(channels, channels)

    def forward(self, levels: Sequence[Tensor], lengths: Sequence[int]) -> list[Tensor]:
        """Levels ``[B, T_l, C]`` -> their first ``lengths[l]`` steps, fused; only what those need is computed."""
        out: list[Tensor] = []
        for index, length in enumerate(lengths):
            result = levels[index][:, :length]
            if index > 0:
                result = result + self.below(levels[index - 1][:, : 2 * length])[:, :length]
            if index + 1 < len(levels):
                result = result + self.above(levels[index + 1][:, : length // 2 + 1])[:, :length]
            out.append(result)
        return out
