"""The demo network: a small 3-D CNN that a laptop runs in real time, trained on drawn figures only.

Its first convolution takes four frames at once and moves on by four (a tubelet), so that what follows sees 4 cells
of a 16-frame window instead of 16 frames; convolutions over space and over time then take turns, as factorised by
Tran et al., "A Closer Look at Spatiotemporal Convolutions", CVPR 2018. Windows start 4 frames apart, so a cell is
the same in all four windows that hold it, and windows of one run of frames share its cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from extractors.spec import ExtractorSpec
from extractors.state_dict import check_fit, require_one, unwrap

WIDTH = 256
CLASSES = 9
"""Eight actions and idle."""

CELL_FRAMES = 4
WINDOW_CELLS = 4

SPACE: tuple[tuple[int, int], ...] = ((24, 2), (48, 2), (48, 1), (96, 2), (96, 1), (128, 2), (128, 1))
"""Output channels and stride of each layer over space: 112x112 pixels down to 7x7."""


class Layer(nn.Module):
    """Convolution, batch norm, ReLU, and the input added where the shapes allow it.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Rows and columns of the kernel.
        stride: In rows and columns.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int] = (3, 3), stride: int = 1) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.residual = inputs == outputs and stride == 1

    def forward(self, pixels: Tensor) -> Tensor:
        """``[N, C, H, W]`` to the same with new channels, rows and columns divided by the stride."""
        answer = functional.relu(self.norm(self.conv(pixels)))
        return answer + pixels if self.residual else answer

    def fold(self) -> None:
        """Multiply the batch norm into the convolution; for inference only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


class DemoNetwork(nn.Module):
    """The network with its classifier, as it is trained.

    Args:
        classes: Outputs of the classifier.
        dropout: Chance that a feature is left out of the classifier while training.
    """

    def __init__(self, classes: int = CLASSES, dropout: float = 0.0) -> None:
        super().__init__()
        inputs = (3 * CELL_FRAMES, *(outputs for outputs, _ in SPACE))
        self.space = nn.ModuleList(
            Layer(before, outputs, stride=stride) for before, (outputs, stride) in zip(inputs, SPACE, strict=False)
        )
        width = SPACE[-1][0]
        self.time = nn.ModuleList(Layer(width, width, kernel=(3, 1)) for _ in range(2))
        self.project = nn.Linear(WINDOW_CELLS * 2 * width, WIDTH, bias=False)
        self.norm: nn.Module = nn.BatchNorm1d(WIDTH)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(WIDTH, classes)

    def scales(self, frames: Tensor) -> list[Tensor]:
        """Frames ``[B, 4·N, 3, S, S]`` to the maps ``[B·N, C, H, W]`` after each layer over space."""
        batch, count, channels, height, width = frames.shape
        maps = frames.reshape(batch * count // CELL_FRAMES, CELL_FRAMES * channels, height, width)
        found = [maps.contiguous(memory_format=torch.channels_last)]
        for layer in self.space:
            found.append(layer(found[-1]))
        return found[1:]

    def cells(self, frames: Tensor) -> Tensor:
        """Frames ``[B, 4·N, 3, S, S]`` to the last maps of their cells, ``[B, N, H, W, 128]``."""
        return self.scales(frames)[-1].permute(0, 2, 3, 1).unflatten(0, (len(frames), -1))

    def over_time(self, cells: Tensor) -> Tensor:
        """Cells of windows ``[B, 4, H, W, 128]`` to mean and peak over space of each, ``[B, 4, 256]``."""
        maps = cells.flatten(2, 3).permute(0, 3, 1, 2)
        for layer in self.time:
            maps = layer(maps)
        return torch.cat([maps.mean(3), maps.amax(3)], 1).transpose(1, 2)

    def projected(self, pooled: Tensor) -> Tensor:
        """Pooled cells ``[B, 4, 256]`` to features ``[B, 256]``."""
        return functional.relu(self.norm(self.project(pooled.flatten(1))))

    def features(self, clips: Tensor) -> Tensor:
        """Clips ``[B, 16, 3, S, S]`` to features ``[B, 256]``."""
        run = shared_run(clips)
        if run is None:
            return self.projected(self.over_time(self.cells(clips)))
        windows = self.cells(run[None])[0].unfold(0, WINDOW_CELLS, 1).movedim(-1, 1)
        return self.projected(self.over_time(windows))

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, 16, 3, S, S]`` to class logits ``[B, K]``."""
        return self.head(self.dropout(self.features(clips)))

    def fold(self) -> None:
        """Multiply every batch norm into what stands before it; for inference only."""
        self.eval()
        for layer in (*self.space, *self.time):
            assert isinstance(layer, Layer)
            layer.fold()
        if isinstance(self.norm, nn.BatchNorm1d):
            self.project, self.norm = fuse_linear_bn_eval(self.project, self.norm), nn.Identity()


def shared_run(clips: Tensor) -> Tensor | None:
    """The run of frames that clips one cell apart are views of.

    Args:
        clips: ``[B, F, 3, S, S]``.

    Returns:
        ``[F + 4·(B-1), 3, S, S]`` in the same memory; None where the clips are no such views.
    """
    between_clips, between_frames = clips.stride()[:2]
    if len(clips) < 2 or between_clips != CELL_FRAMES * between_frames:
        return None
    frames = clips.shape[1] + CELL_FRAMES * (len(clips) - 1)
    return clips.as_strided((frames, *clips.shape[2:]), clips.stride()[1:])


class DemoFeatures(nn.Module):
    """A trained network up to its features, batch norms folded."""

    def __init__(self, network: DemoNetwork) -> None:
        super().__init__()
        network.fold()
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, 16, 3, S, S]`` to features ``[B, 256]``."""
        return self.network.features(clips)


def build_demo(spec: ExtractorSpec, state_dicts: Sequence[Mapping[str, Any]]) -> tuple[nn.Module, nn.Linear]:
    """The demo network and its classifier from the state dict of a trained ``DemoNetwork``.

    Raises:
        StateDictError: The weights do not fit, or there is more than one state dict.
    """
    weights = unwrap(require_one(state_dicts, spec.name))
    network = DemoNetwork(classes=len(weights.get("head.bias", ())) or CLASSES)
    check_fit({key: tuple(value.shape) for key, value in network.state_dict().items()}, weights, spec.name)
    network.load_state_dict(weights)
    return DemoFeatures(network), network.head
