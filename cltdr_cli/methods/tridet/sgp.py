"""The scalable-granularity perception block: each step, its window in two sizes, and the whole (TriDet, CVPR 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.blocks import build_depthwise
from cltdr_cli.models.convolution import TimeConv, sum_depthwise
from cltdr_cli.models.layers import GroupNorm, drop_path


class SgpBlock(nn.Module):
    """One block of the encoder. ``y = x·mask + drop(z + instant·whole + windows·gate)``, then a residual MLP.

    Padded steps are not masked after the first residual: they flow into ``whole`` and the group norm, as published.

    Args:
        channels: D.
        kernels: Taps of the narrow window and its gate, and of the wide window.
        mlp_dim: Hidden channels of the MLP.
        downsample: Module that halves the length, or None in the stem.
        droppath: Probability; 0 also removes the learned scales.
        init_conv_vars: Standard deviation of the depth-wise weights at first.
    """

    def __init__(
        self,
        channels: int,
        kernels: tuple[int, int],
        mlp_dim: int,
        downsample: nn.Module | None,
        droppath: float,
        init_conv_vars: float,
    ) -> None:
        super().__init__()
        narrow, wide = kernels
        self.downsample = downsample
        self.norm = nn.LayerNorm(channels)
        self.gate = build_depthwise(channels, narrow, init_conv_vars)
        self.narrow = build_depthwise(channels, narrow, init_conv_vars)
        self.wide = build_depthwise(channels, wide, init_conv_vars)
        self.instant = build_depthwise(channels, 1, init_conv_vars)
        self.whole = build_depthwise(channels, 1, init_conv_vars)
        self.mlp_norm = GroupNorm(channels)
        self.mlp_in = TimeConv(channels, mlp_dim, 1)
        self.mlp_out = TimeConv(mlp_dim, channels, 1)
        for conv in (self.mlp_in, self.mlp_out):
            nn.init.zeros_(conv.bias) if conv.bias is not None else None
        self.drop_mixed = drop_path(channels, droppath)
        self.drop_mlp = drop_path(channels, droppath)

    def forward(self, u: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, T, C]`` and mask ``[B, T, 1]`` -> the same, at half the length when down-sampling."""
        x = u if self.downsample is None else self.downsample(u)
        if self.downsample is not None:
            mask = mask[:, ::2]
        y = torch.addcmul(self.drop_mixed(self._mix(self.norm(x))), x, mask)
        hidden = F.gelu(self.mlp_in(self.mlp_norm(y)))
        return y + self.drop_mlp(self.mlp_out(hidden)), mask

    def _mix(self, z: Tensor) -> Tensor:
        """Each step scaled by the mean over the padded length, and its two windows times their gate, added to z."""
        whole = F.relu(self.whole(z.mean(1, keepdim=True)))
        windows = sum_depthwise(z, self.wide, self.narrow)
        return torch.addcmul(torch.addcmul(z, self.instant(z), whole), windows, self.gate(z))
