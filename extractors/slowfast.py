"""SlowFast R50 8×8.

Feichtenhofer et al., "SlowFast Networks for Video Recognition" (ICCV 2019), table 1: two ResNets of bottlenecks,
one on few frames with many channels, one on all frames with an eighth of the channels, which a convolution over
time feeds into the slow one before every stage.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

Size = tuple[int, int, int]

WIDTH = 2304
DEPTHS = (3, 4, 6, 3)
"""Blocks of each stage, in both pathways."""
ALPHA = 4
"""Frames of the fast pathway to one of the slow pathway."""
BETA = 8
"""Channels of the slow pathway to one of the fast pathway."""
FUSION_FRAMES = 7
SLOW_STAGE_FRAMES = (1, 1, 3, 3)
"""Frames that the first convolution of a block sees, by stage; 3 in every stage of the fast pathway."""


def unit(inputs: int, outputs: int, kernel: Size, stride: Size = (1, 1, 1), *, relu: bool = True) -> nn.Sequential:
    """Convolution, batch norm and, unless it is left out, ReLU; kernel and stride over frames, rows, columns."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    convolution = nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False)
    rest = [nn.ReLU(inplace=True)] if relu else []
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs), *rest)


class Bottleneck(nn.Module):
    """1×1 over some frames, 3×3, 1×1, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, frames: int, stride: int) -> None:
        super().__init__()
        inner, space = outputs // 4, (1, stride, stride)
        self.a = unit(inputs, inner, (frames, 1, 1))
        self.b = unit(inner, inner, (1, 3, 3), space)
        self.c = unit(inner, outputs, (1, 1, 1), relu=False)
        self.shortcut = unit(inputs, outputs, (1, 1, 1), space, relu=False) if inputs != outputs else None

    def forward(self, pixels: Tensor) -> Tensor:
        """``[B, inputs, T, H, W]`` to ``[B, outputs, T, ⌈H/stride⌉, ⌈W/stride⌉]``."""
        beside = pixels if self.shortcut is None else self.shortcut(pixels)
        return functional.relu_(self.c(self.b(self.a(pixels))) + beside)


class SlowFast(nn.Module):
    """Both pathways up to the average pool. Index 0 is slow and 1 is fast, as in the published keys.

    Args:
        depths: Blocks of each of the four stages.
    """

    def __init__(self, depths: Sequence[int] = DEPTHS) -> None:
        super().__init__()
        self.stems = nn.ModuleList([unit(3, 64, (1, 7, 7), (1, 2, 2)), unit(3, 64 // BETA, (5, 7, 7), (1, 2, 2))])
        self.fusions, self.stages = nn.ModuleList(), nn.ModuleList()
        slow, fast = 64, 64 // BETA
        for number, depth in enumerate(depths):
            self.fusions.append(unit(fast, 2 * fast, (FUSION_FRAMES, 1, 1), (ALPHA, 1, 1)))
            outputs, stride = 256 * 2**number, 1 if number == 0 else 2
            slow_blocks = stage(slow + 2 * fast, outputs, depth, SLOW_STAGE_FRAMES[number], stride)
            fast_blocks = stage(fast, outputs // BETA, depth, 3, stride)
            self.stages.append(nn.ModuleList([slow_blocks, fast_blocks]))
            slow, fast = outputs, outputs // BETA

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, T, 3, S, S]`` to features ``[B, 2304]``: slow, then fast, each the mean over time and space.

        The number of frames must be a multiple of 4.
        """
        clips = clips.transpose(1, 2)
        few = torch.stack([clips[:, :, frame] for frame in pick_slow_frames(clips.shape[2])], dim=2)
        slow, fast = (_stemmed(stem, part) for stem, part in zip(self.stems, (few, clips), strict=True))
        for fusion, pathways in zip(self.fusions, self.stages, strict=True):
            slow = pathways.get_submodule("0")(torch.cat([slow, fusion(fast)], dim=1))
            fast = pathways.get_submodule("1")(fast)
        return torch.cat([slow.mean((2, 3, 4)), fast.mean((2, 3, 4))], dim=1)


def stage(inputs: int, outputs: int, depth: int, frames: int, stride: int) -> nn.Sequential:
    """Bottlenecks in a row; the first one shrinks the picture."""
    first = Bottleneck(inputs, outputs, frames, stride)
    return nn.Sequential(first, *(Bottleneck(outputs, outputs, frames, 1) for _ in range(depth - 1)))


def pick_slow_frames(count: int) -> list[int]:
    """Frames of the slow pathway out of that many, at least 8: evenly from first to last, cut to whole numbers."""
    last = count // ALPHA - 1
    return [index * (count - 1) // last for index in range(last + 1)]


def _stemmed(stem: nn.Module, pixels: Tensor) -> Tensor:
    pixels = stem(pixels.contiguous(memory_format=torch.channels_last_3d))
    return functional.max_pool3d(pixels, (1, 3, 3), (1, 2, 2), (0, 1, 1))
