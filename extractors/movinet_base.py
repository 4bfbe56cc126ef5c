"""MoViNet's base form: 3-D convolutions over a whole clip (A0 to A5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from extractors.movinet_layers import ConvolutionUnit, make_shortcut
from extractors.movinet_sizes import LayerSize, MovinetSize, round_to_eight


class ClipGate(nn.Module):
    """Squeeze-excite over a whole clip: one factor per channel from the mean over time and space.

    Args:
        channels: Of the input.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = round_to_eight(channels // 4)
        self.fc1 = ConvolutionUnit(channels, squeezed, (1, 1, 1), bias=True)
        self.fc2 = ConvolutionUnit(squeezed, channels, (1, 1, 1), bias=True)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, C, T, H, W]``, each channel scaled by its gate."""
        means = clips.mean((2, 3, 4), keepdim=True)
        return clips * torch.sigmoid(self.fc2(nn.functional.silu(self.fc1(means))))


class ClipLayer(nn.Module):
    """One bottleneck layer: widen, filter each channel, gate, narrow, and add to the shortcut.

    Args:
        size: The layer.
    """

    def __init__(self, size: LayerSize) -> None:
        super().__init__()
        self.expand = ConvolutionUnit(size.inputs, size.expanded, (1, 1, 1))
        self.deep = ConvolutionUnit(size.expanded, size.expanded, size.kernel, stride=size.stride, depthwise=True)
        self.se = ClipGate(size.expanded)
        self.project = ConvolutionUnit(size.expanded, size.outputs, (1, 1, 1))
        self.res = make_shortcut(size, 3)
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, clips: Tensor) -> Tensor:
        """``[B, C, T, H, W]`` to ``[B, C', T, H', W']``."""
        shortcut = clips if self.res is None else self.res(clips)
        wide = nn.functional.silu(self.expand(clips), inplace=True)
        wide = nn.functional.silu(self.deep(wide), inplace=True)
        return torch.addcmul(shortcut, self.project(self.se(wide)), self.alpha)


class ClipMovinet(nn.Module):
    """The base form up to its pooled feature.

    Args:
        size: Which of A0 to A5.
    """

    def __init__(self, size: MovinetSize) -> None:
        super().__init__()
        self.conv1 = ConvolutionUnit(3, size.stem, (1, 3, 3), stride=2)
        self.blocks = nn.ModuleDict({layer.key: ClipLayer(layer) for layer in size.layers})
        self.conv7 = ConvolutionUnit(size.layers[-1].outputs, size.width, (1, 1, 1))

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, T, 3, S, S]`` in [0, 1] to features ``[B, F]``, the mean over time and space."""
        seen = clips.transpose(1, 2).contiguous(memory_format=torch.channels_last_3d)
        seen = nn.functional.silu(self.conv1(seen), inplace=True)
        for layer in self.blocks.values():
            seen = layer(seen)
        return nn.functional.silu(self.conv7(seen), inplace=True).mean((2, 3, 4))
