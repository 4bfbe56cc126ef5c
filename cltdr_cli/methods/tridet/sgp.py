"""The scalable-granularity perception block: each step, two windows around it, the whole (TriDet, CVPR 2023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.blocks import MixingBlock, make_depthwise
from cltdr_cli.models.convolution import sum_depthwise
from cltdr_cli.models.layers import Repeat, mean_over_steps


class SgpBlock(MixingBlock):
    """One block of the encoder: ``z + instant(z)·whole + (narrow(z) + wide(z))·gate(z)``.

    ``whole`` is of the mean over the padded length. Nothing is masked here: what padded steps hold counts in it and
    in the group norm, as published.

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
        super().__init__(channels, mlp_dim, downsample, droppath)
        narrow, wide = kernels
        self.gate = make_depthwise(channels, narrow, init_conv_vars)
        self.narrow = make_depthwise(channels, narrow, init_conv_vars)
        self.wide = make_depthwise(channels, wide, init_conv_vars)
        self.instant = make_depthwise(channels, 1, init_conv_vars)
        self.whole = make_depthwise(channels, 1, init_conv_vars)

    @property
    def reach(self) -> int:
        """How far a step sees to each side, the mean excepted, in steps of the output."""
        return self.wide.kernel // 2

    def mix(self, z: Tensor, mask: Tensor, repeat: Repeat | None = None) -> Tensor:
        """Each step scaled by the mean over the padded length, and its two windows times their gate, added to z."""
        whole = F.relu(self.whole(mean_over_steps(z, repeat)))
        windows = sum_depthwise(z, self.wide, self.narrow)
        return torch.addcmul(torch.addcmul(z, self.instant(z), whole), windows, self.gate(z))
