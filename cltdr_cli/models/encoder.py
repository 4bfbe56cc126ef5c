"""The encoder: projection, optional positions, stem, and a branch that halves the length level by level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.layers import MaskedConv, rectify
from cltdr_cli.models.outputs import Pyramid


class Projection(nn.Module):
    """Masked convolutions with norm and ReLU, from the feature width to the embedding width.

    Args:
        channels_in: Width of a feature vector.
        channels: D, width of the encoder.
        layers: Convolutions.
        kernel: Their taps.
        with_norm: Layer norm after each; without it they have biases.
        parts: Pairs ``(channels in, channels out)`` of kinds of features that lie side by side in a vector: each is
            projected by a 1×1 convolution of its own first. Empty for a single kind.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        layers: int,
        kernel: int,
        with_norm: bool,
        parts: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        self.part_widths = [part_in for part_in, _ in parts]
        self.parts = nn.ModuleList(MaskedConv(part_in, part_out, 1) for part_in, part_out in parts)
        widths = [channels if parts else channels_in] + [channels] * layers
        self.kernel = kernel
        self.convs = nn.ModuleList(MaskedConv(a, b, kernel, bias=not with_norm) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) if with_norm else nn.Identity() for _ in self.convs)

    def forward(self, x: Tensor, mask: Tensor, real_steps: int) -> Tensor:
        """``[B, N, C_in]`` and mask ``[B, T, 1]``, N at most T and at least ``real_steps`` -> ``[B, T, D]``.

        Beyond the last real step (of any sequence of the batch) every layer gives one constant vector, the norm's
        bias after ReLU. Only ``real_steps`` plus the reach of the kernels is computed, the rest filled in.
        """
        steps = mask.shape[1]
        seen = min(steps, real_steps + len(self.convs) * (self.kernel // 2) + 1)
        x, mask = x[:, :seen], mask[:, :seen]
        given = x.shape[1]
        if self.part_widths:
            kinds = zip(self.parts, x.split(self.part_widths, dim=2), strict=True)
            x = torch.cat([part(kind, mask[:, :given]) for part, kind in kinds], dim=2)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv(x, mask[:, : x.shape[1]])
            # Steps that were not given are padding, where a masked convolution gives zeros.
            x = rectify(norm(F.pad(x, (0, 0, 0, seen - given)) if x.shape[1] < seen else x))
        if seen == steps:
            return x
        return torch.cat([x, x[:, real_steps : real_steps + 1].expand(-1, steps - seen, -1)], dim=1)


class Encoder(nn.Module):
    """Features to a pyramid with one level more than the branch has blocks; level l has stride 2^l.

    A block takes ``[B, T, D]`` and its mask ``[B, T, 1]`` and gives both, at half the length in the branch.

    Args:
        projection: Features and mask and the longest real length, to ``[B, T, D]``.
        stem: Blocks at full length; their output is level 0.
        branch: Blocks that halve the length; each gives a level.
        positions: Position table ``[T, D]`` that is added to the projection; None adds nothing.
    """

    positions: Tensor

    def __init__(
        self,
        projection: nn.Module,
        stem: Iterable[nn.Module],
        branch: Iterable[nn.Module],
        positions: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.projection = projection
        self.stem, self.branch = nn.ModuleList(stem), nn.ModuleList(branch)
        self.register_buffer("positions", torch.empty(0) if positions is None else positions, persistent=False)

    def forward(self, x: Tensor, mask: Tensor, real_steps: int) -> Pyramid:
        """``[B, T, C_in]``, mask ``[B, T, 1]``, longest real length in steps -> levels ``[B, T_l, D]``."""
        x = self.projection(x, mask, real_steps)
        if self.positions.numel():
            x = x + self._position_rows(x.shape[1]) * mask
        return self.run_blocks(x, mask, real_steps)

    def run_blocks(self, x: Tensor, mask: Tensor, real_steps: int) -> Pyramid:
        """Projected ``[B, T, D]``, mask ``[B, T, 1]``, longest real length in steps -> the pyramid."""
        for block in self.stem:
            x, mask = block(x, mask)
        levels, masks = [x], [mask]
        for block in self.branch:
            x, mask = block(x, mask)
            levels.append(x)
            masks.append(mask)
        return Pyramid(levels, masks)

    def _position_rows(self, steps: int) -> Tensor:
        if steps <= self.positions.shape[0]:
            return self.positions[:steps]
        table = self.positions.T[None]
        return F.interpolate(table, steps, mode="linear", align_corners=False)[0].T


def make_sinusoid_table(steps: int, channels: int) -> Tensor:
    """Position table ``[T, C]``, sines on even and cosines on odd channels, divided by sqrt(C) (as published)."""
    index = torch.arange(channels, dtype=torch.float64)
    angles = torch.arange(steps, dtype=torch.float64)[:, None] / 10000 ** (2 * (index // 2) / channels)
    table = torch.where(index % 2 == 0, angles.sin(), angles.cos())
    return (table / channels**0.5).float()
