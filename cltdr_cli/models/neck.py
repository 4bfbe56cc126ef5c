"""Necks: from the encoder's levels to the pyramid that the decoder reads."""

from __future__ import annotations

from torch import Tensor, nn

from cltdr_cli.models.layers import MaskedConv
from cltdr_cli.models.outputs import Pyramid


class IdentityNeck(nn.Module):
    """One layer norm per level."""

    def __init__(self, levels: int, channels: int, with_norm: bool = True) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(channels) if with_norm else nn.Identity() for _ in range(levels))

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Levels ``[B, T_l, D]`` -> levels ``[B, T_l, D]``."""
        levels = [norm(level) for norm, level in zip(self.norms, pyramid.levels, strict=True)]
        return Pyramid(levels, pyramid.masks)


class SharedNormNeck(nn.Module):
    """One norm that all levels share.

    Args:
        norm: ``[B, T, D]`` -> ``[B, T, D]``.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Levels ``[B, T_l, D]`` -> levels ``[B, T_l, D]``."""
        return Pyramid([self.norm(level) for level in pyramid.levels], pyramid.masks)


class FeaturePyramidNeck(nn.Module):
    """Lateral 1×1 convolutions, a top-down sum, depth-wise convolutions of three steps, layer norms."""

    def __init__(self, levels: int, channels_in: int, channels_out: int, with_norm: bool = True) -> None:
        super().__init__()
        bias = not with_norm
        self.laterals = nn.ModuleList(MaskedConv(channels_in, channels_out, 1, bias=bias) for _ in range(levels))
        self.convs = nn.ModuleList(
            MaskedConv(channels_out, channels_out, 3, groups=channels_out, bias=bias) for _ in range(levels)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels_out) if with_norm else nn.Identity() for _ in range(levels))

    def forward(self, pyramid: Pyramid) -> Pyramid:
        """Levels ``[B, T_l, C_in]`` -> levels ``[B, T_l, C_out]``."""
        sums: list[Tensor] = []
        for lateral, level, mask in zip(
            reversed(self.laterals), reversed(pyramid.levels), reversed(pyramid.masks), strict=True
        ):
            here = lateral(level, mask)
            sums.append(here + sums[-1].repeat_interleave(2, dim=1) if sums else here)
        levels = [
            norm(conv(level, mask))
            for norm, conv, level, mask in zip(self.norms, self.convs, reversed(sums), pyramid.masks, strict=True)
        ]
        return Pyramid(levels, pyramid.masks)
