"""The encoder: projection, optional positions, stem, and a branch that halves the length level by level."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.cltdr_config import CltdrConfig
from cltdr_cli.models.gmg import AverageDownsample, GmgBlock, MaxDownsample
from cltdr_cli.models.layers import MaskedConv, rectified
from cltdr_cli.models.outputs import Pyramid


class Projection(nn.Module):
    """Masked convolutions with norm and ReLU, from the feature width to the embedding width."""

    def __init__(self, config: CltdrConfig) -> None:
        super().__init__()
        widths = [config.input_dim] + [config.embd_dim] * config.embd_layers
        self.kernel = config.embd_kernel_size
        self.convs = nn.ModuleList(
            MaskedConv(a, b, self.kernel, bias=not config.embd_with_ln) for a, b in pairwise(widths)
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(config.embd_dim) if config.embd_with_ln else nn.Identity() for _ in self.convs
        )

    def forward(self, x: Tensor, mask: Tensor, real_steps: int) -> Tensor:
        """``[B, T, C_in]`` -> ``[B, T, D]``.

        Beyond the last real step (of any sequence of the batch) every layer gives one constant vector, the norm's
        bias after ReLU. Only ``real_steps`` plus the reach of the kernels is computed, the rest filled in.
        """
        steps = x.shape[1]
        seen = min(steps, real_steps + len(self.convs) * (self.kernel // 2) + 1)
        x, mask = x[:, :seen], mask[:, :seen]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = rectified(norm(conv(x, mask)))
        if seen == steps:
            return x
        return torch.cat([x, x[:, real_steps : real_steps + 1].expand(-1, steps - seen, -1)], dim=1)


class ConvBlock(nn.Module):
    """Residual block of plain masked convolutions (published ``backbone_type: conv``)."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = MaskedConv(channels, 2 * channels, 3, stride=stride)
        self.conv2 = MaskedConv(2 * channels, channels, 3)
        self.skip = MaskedConv(channels, channels, 1, stride=stride) if stride > 1 else None

    def forward(self, u: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, T, C]`` and mask ``[B, T, 1]`` -> the same, shorter by the stride."""
        kept = u if self.skip is None else self.skip(u, mask)
        halved = mask[:, :: self.conv1.conv.stride]
        return F.relu(kept + self.conv2(F.relu(self.conv1(u, mask)), halved)), halved


class Encoder(nn.Module):
    """Features to a pyramid of ``branch_blocks + 1`` levels; level l has stride 2^l."""

    positions: Tensor

    def __init__(self, config: CltdrConfig) -> None:
        super().__init__()
        self.projection = Projection(config)
        self.stem = nn.ModuleList(_block(config, None) for _ in range(config.stem_blocks))
        self.branch = nn.ModuleList(_block(config, level + 1) for level in range(config.branch_blocks))
        table = sinusoid_table(config.max_seq_len, config.embd_dim) if config.use_abs_pe else torch.empty(0)
        self.register_buffer("positions", table, persistent=False)

    def forward(self, x: Tensor, mask: Tensor, real_steps: int) -> Pyramid:
        """``[B, T, C_in]``, mask ``[B, T, 1]``, longest real length in steps -> levels ``[B, T_l, D]``."""
        x = self.projection(x, mask, real_steps)
        if self.positions.numel():
            x = x + self._positions(x.shape[1]) * mask
        for block in self.stem:
            x, mask = block(x, mask)
        levels, masks = [x], [mask]
        for block in self.branch:
            x, mask = block(x, mask)
            levels.append(x)
            masks.append(mask)
        return Pyramid(levels, masks)

    def _positions(self, steps: int) -> Tensor:
        if steps <= self.positions.shape[0]:
            return self.positions[:steps]
        table = self.positions.T[None]
        return F.interpolate(table, steps, mode="linear", align_corners=False)[0].T


def sinusoid_table(steps: int, channels: int) -> Tensor:
    """Position table ``[T, C]``, sines on even and cosines on odd channels, divided by sqrt(C) (as published)."""
    index = torch.arange(channels, dtype=torch.float64)
    angles = torch.arange(steps, dtype=torch.float64)[:, None] / 10000 ** (2 * (index // 2) / channels)
    table = torch.where(index % 2 == 0, angles.sin(), angles.cos())
    return (table / channels**0.5).float()


def _block(config: CltdrConfig, level: int | None) -> nn.Module:
    """A stem block (level None), or the branch block that makes ``level``."""
    if config.backbone == "conv":
        return ConvBlock(config.embd_dim, 1 if level is None else 2)
    downsample = None
    if level is not None:
        downsample = MaxDownsample() if config.downsample == "max" else AverageDownsample(config.embd_dim)
    return GmgBlock(
        config.embd_dim,
        1 if level is None else config.block_kernel_sizes[level],
        config.mlp_dim,
        downsample,
        0.0 if level is None else config.droppath,
        config.init_conv_vars,
        (config.gmg_gate, config.gmg_branches, config.global_extractor),
    )
