"""I3D computed the plain way, as its published ports do: the measure that faster ways are compared with.

Convolution without bias, batch norm and ReLU one after the other, zeros written around every input, channels
before pixels in memory. The same network as ``i3d``'s, for benchmarks and tests only.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from extractors.i3d import MIXED, choose_same_padding
from extractors.state_dict import unwrap


class PlainUnit(nn.Module):
    """Zeros as TensorFlow's "SAME", convolution, batch norm, ReLU; named as in the piergiaj port."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3)

    def forward(self, pixels: Tensor) -> Tensor:
        """``[B, C, T, H, W]`` to ``[B, outputs, ⌈T/stride⌉, ⌈H/stride⌉, ⌈W/stride⌉]``."""
        convolution = self.conv3d
        padding = choose_same_padding(pixels.shape[2:], convolution.kernel_size, convolution.stride)
        return functional.relu(self.bn(convolution(functional.pad(pixels, padding))))


class PlainBlock(nn.Module):
    """An Inception block; its branches named as in the piergiaj port."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        inputs, single, reduce_wide, wide, reduce_narrow, narrow, pooled = channels
        self.b0 = PlainUnit(inputs, single, 1)
        self.b1a = PlainUnit(inputs, reduce_wide, 1)
        self.b1b = PlainUnit(reduce_wide, wide, 3)
        self.b2a = PlainUnit(inputs, reduce_narrow, 1)
        self.b2b = PlainUnit(reduce_narrow, narrow, 3)
        self.b3b = PlainUnit(inputs, pooled, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """``[B, inputs, T, H, W]`` to ``[B, outputs, T, H, W]``."""
        wide, narrow = self.b1b(self.b1a(pixels)), self.b2b(self.b2a(pixels))
        return torch.cat([self.b0(pixels), wide, narrow, self.b3b(_pool(pixels, (3, 3, 3), (1, 1, 1)))], dim=1)


class PlainI3D(nn.Module):
    """One stream up to the average pool.

    Args:
        channels: 3 for RGB, 2 for flow.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = PlainUnit(channels, 64, 7, stride=2)
        self.Conv3d_2b_1x1 = PlainUnit(64, 64, 1)
        self.Conv3d_2c_3x3 = PlainUnit(64, 192, 3)
        for name, widths in MIXED.items():
            self.add_module(f"Mixed_{name}", PlainBlock(widths))

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, T, C, 224, 224]`` to features ``[B, 1024]``."""
        pixels = _pool(self.Conv3d_1a_7x7(clips.transpose(1, 2).contiguous()), (1, 3, 3), (1, 2, 2))
        pixels = _pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(pixels)), (1, 3, 3), (1, 2, 2))
        pixels = _pool(self._blocks("3b 3c", pixels), (3, 3, 3), (2, 2, 2))
        pixels = _pool(self._blocks("4b 4c 4d 4e 4f", pixels), (2, 2, 2), (2, 2, 2))
        pixels = self._blocks("5b 5c", pixels)
        return functional.avg_pool3d(pixels, (2, 7, 7), stride=1).flatten(2).mean(-1)

    def _blocks(self, names: str, pixels: Tensor) -> Tensor:
        for name in names.split():
            pixels = self.get_submodule(f"Mixed_{name}")(pixels)
        return pixels


def _pool(pixels: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    padded = functional.pad(pixels, choose_same_padding(pixels.shape[2:], kernel, stride))
    return functional.max_pool3d(padded, kernel, stride)


def build_plain_i3d(state_dict: Mapping[str, Tensor]) -> PlainI3D:
    """The plain network from weights in the piergiaj port's layout; the classifier is left out.

    Args:
        state_dict: Tensors by key, as published.

    Raises:
        RuntimeError: Keys are missing.
    """
    given = unwrap(state_dict)
    network = PlainI3D(given["Conv3d_1a_7x7.conv3d.weight"].shape[1])
    wanted = network.state_dict()
    counters = {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked")}
    network.load_state_dict(counters | {key: given[key] for key in wanted if key in given})
    return network.eval().requires_grad_(False)
