"""The gated multi-granularity block: instant, local and global features of each step (CLTDR-GMG, AAAI 2025)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.blocks import MixingBlock, make_depthwise
from cltdr_cli.models.layers import Repeat, copy_by_columns, rectify

_SPARSITY = 0.001
_ATTENTION_HEADS = 8


class FourierMixer(nn.Module):
    """Global context: a learned filter of the spectrum over time, always float32.

    The filter is two diagonal complex affine maps shared by all frequencies with a ReLU between, soft-shrunk, and
    multiplied with the spectrum. It runs over the padded length, so padding is part of the model.
    """

    without_decay = ("b1", "b2")

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.w1 = nn.Parameter(0.02 * torch.randn(2, channels))
        self.b1 = nn.Parameter(0.02 * torch.randn(2, channels))
        self.w2 = nn.Parameter(0.02 * torch.randn(2, channels))
        self.b2 = nn.Parameter(0.02 * torch.randn(2, channels))

    def forward(self, z: Tensor, mask: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T, C]``; the mask is not used."""
        with torch.autocast(z.device.type, enabled=False):
            # The transform wants and leaves the steps of a channel next to each other, all else the channels of a step.
            spectrum = torch.fft.rfft(copy_by_columns(z.float()), dim=1, norm="ortho")
            mixed = spectrum * self._filter(spectrum)
            filtered = torch.fft.irfft(mixed, n=z.shape[1], dim=1, norm="ortho")
            return copy_by_columns(filtered.transpose(1, 2)).transpose(1, 2).contiguous().to(z.dtype)

    def _filter(self, spectrum: Tensor) -> Tensor:
        w1, b1, w2, b2 = (torch.complex(p[0].float(), p[1].float()) for p in (self.w1, self.b1, self.w2, self.b2))
        hidden = rectify(torch.view_as_real(torch.addcmul(b1, spectrum, w1)))
        filtered = torch.addcmul(b2, torch.view_as_complex(hidden), w2)
        return torch.view_as_complex(F.softshrink(torch.view_as_real(filtered), _SPARSITY))


class AttentionMixer(nn.Module):
    """Global context by self-attention over real steps: the paper's ablation of the Fourier filter."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.heads = _ATTENTION_HEADS

    def forward(self, z: Tensor, mask: Tensor) -> Tensor:
        """``[B, T, C]``, mask ``[B, T, 1]`` -> ``[B, T, C]``."""
        query, key, value = self.qkv(z).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = mask.transpose(1, 2).bool()[:, None]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return self.out(mixed.transpose(1, 2).flatten(2))


MIXERS = {"fft": FourierMixer, "attention": AttentionMixer}


class GmgBlock(MixingBlock):
    """One block of the encoder: ``z + Σ branches``, each branch gated by the next coarser one.

    Args:
        channels: D.
        kernel: Taps of the local depth-wise convolution.
        mlp_dim: Hidden channels of the MLP.
        downsample: Module that halves the length, or None in the stem.
        droppath: Probability; 0 also removes the learned scales.
        init_conv_vars: Standard deviation of the depth-wise weights at first.
        mixing: ``(gate, branches, global extractor)``, the ablation switches of ``CltdrConfig``.
    """

    def __init__(
        self,
        channels: int,
        kernel: int,
        mlp_dim: int,
        downsample: nn.Module | None,
        droppath: float,
        init_conv_vars: float,
        mixing: tuple[str, Sequence[str], str],
    ) -> None:
        super().__init__(channels, mlp_dim, downsample, droppath)
        self.gate, self.branches, extractor = mixing
        self.mixer = MIXERS[extractor](channels) if "global" in self.branches else None
        self.local = make_depthwise(channels, kernel, init_conv_vars) if "local" in self.branches else None
        self.instant = make_depthwise(channels, 1, init_conv_vars) if "instant" in self.branches else None

    def mix(self, z: Tensor, mask: Tensor, repeat: Repeat | None = None) -> Tensor:
        """``z + instant + local + global``, each branch gated by the next coarser one in use."""
        total, coarser = z, None
        if self.mixer is not None:
            coarser = self.mixer(z, mask)
            total = total + coarser
        for branch in (self.local, self.instant):
            if branch is None:
                continue
            coarser = self._gate(branch(z), coarser)
            total = total + coarser
        return total

    def _gate(self, value: Tensor, coarser: Tensor | None) -> Tensor:
        if coarser is None or self.gate == "none":
            return value
        return value * (F.relu(coarser) if self.gate == "relu" else coarser)
