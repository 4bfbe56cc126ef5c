"""The demo network: a small 3-D CNN that a laptop runs in real time, trained on drawn figures only.

Every 3-D convolution is factorised into a 3×3 over space and a 3 over time (Tran et al., "A Closer Look at
Spatiotemporal Convolutions", CVPR 2018), and both run as 2-D convolutions on channels-last memory: on a CPU, twice
as fast as the same thing written with ``Conv3d``. All 16 frames stay apart through the first three scales, since a
wave or a punch is a matter of a few frames; time is halved only where a cell already covers 8×8 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from extractors.spec import ExtractorSpec
from extractors.state_dict import StateDictError, check_fit, unwrapped

WIDTH = 256
CLASSES = 9
"""Eight actions and idle."""

SPACE, TIME = "space", "time"
LAYERS: tuple[tuple[str, int, int], ...] = (
    (SPACE, 16, 2),
    (SPACE, 32, 2),
    (TIME, 32, 1),
    (SPACE, 64, 2),
    (TIME, 64, 1),
    (SPACE, 64, 1),
    (TIME, 64, 2),
    (SPACE, 128, 2),
    (TIME, 128, 2),
    (SPACE, 128, 1),
    (TIME, 192, 1),
    (SPACE, 192, 2),
    (TIME, WIDTH, 1),
)
"""Axis, output channels and stride of each layer: 112x112 and 16 frames, down to 4x4 and 4."""


class FactorisedLayer(nn.Module):
    """Convolution over space or over time, batch norm, ReLU, and the input added where the shapes allow it.

    Activations stay ``[B · T, C, H, W]`` in channels-last memory, where folding time in and out costs no copy.

    Args:
        axis: ``space`` (3×3) or ``time`` (3).
        inputs: Channels in.
        outputs: Channels out.
        stride: Along that axis.
    """

    def __init__(self, axis: str, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.over_time = axis == TIME
        self.conv = nn.Conv2d(
            inputs,
            outputs,
            kernel_size=(3, 1 if self.over_time else 3),
            stride=(stride, 1 if self.over_time else stride),
            padding=(1, 0 if self.over_time else 1),
            bias=False,
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.residual = inputs == outputs and stride == 1

    def forward(self, frames: Tensor, batch: int) -> Tensor:
        """``[batch · T, C, H, W]`` to the same with new channels, its own axis divided by the stride."""
        height, width = frames.shape[2:]
        signal = _time_first(frames, batch) if self.over_time else frames
        answer = self.norm(self.conv(signal))
        if self.residual:
            answer = answer + signal
        answer = functional.relu(answer)
        return _frames_first(answer, height, width) if self.over_time else answer

    def fold(self) -> None:
        """Multiply the batch norm into the convolution; for inference only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), nn.Identity()


def _time_first(frames: Tensor, batch: int) -> Tensor:
    """``[B · T, C, H, W]`` to ``[B, C, T, H · W]``, both channels-last."""
    count, channels, height, width = frames.shape
    return frames.permute(0, 2, 3, 1).reshape(batch, count // batch, height * width, channels).permute(0, 3, 1, 2)


def _frames_first(signal: Tensor, height: int, width: int) -> Tensor:
    """``[B, C, T, H · W]`` back to ``[B · T, C, H, W]``."""
    return signal.permute(0, 2, 3, 1).reshape(-1, height, width, signal.shape[1]).permute(0, 3, 1, 2)


class DemoNetwork(nn.Module):
    """The network with its classifier, as it is trained.

    Args:
        classes: Outputs of the classifier.
        dropout: Chance that a feature is left out of the classifier while training.
    """

    def __init__(self, classes: int = CLASSES, dropout: float = 0.0) -> None:
        super().__init__()
        inputs = (3, *(outputs for _, outputs, _ in LAYERS))
        self.layers = nn.ModuleList(
            FactorisedLayer(axis, before, outputs, stride)
            for before, (axis, outputs, stride) in zip(inputs, LAYERS, strict=False)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(WIDTH, classes)

    def features(self, clips: Tensor) -> Tensor:
        """Clips ``[B, F, 3, S, S]`` to features ``[B, 256]``: the mean over space and time."""
        batch = clips.shape[0]
        frames = clips.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            frames = layer(frames, batch)
        return frames.mean((2, 3)).view(batch, -1, WIDTH).mean(1)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, F, 3, S, S]`` to class logits ``[B, K]``."""
        return self.head(self.dropout(self.features(clips)))

    def fold(self) -> None:
        """Multiply every batch norm into its convolution; for inference only."""
        self.eval()
        for layer in self.layers:
            assert isinstance(layer, FactorisedLayer)
            layer.fold()


class DemoFeatures(nn.Module):
    """A trained network up to its features, batch norms folded."""

    def __init__(self, network: DemoNetwork) -> None:
        super().__init__()
        network.fold()
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, F, 3, S, S]`` to features ``[B, 256]``."""
        return self.network.features(clips)


def build_demo(spec: ExtractorSpec, state_dicts: Sequence[Mapping[str, Any]]) -> tuple[nn.Module, nn.Linear]:
    """The demo network and its classifier from the state dict of a trained ``DemoNetwork``.

    Raises:
        StateDictError: The weights do not fit, or there is more than one state dict.
    """
    if len(state_dicts) != 1:
        raise StateDictError(f"{spec.name} is one network, and {len(state_dicts)} state dicts came")
    weights = unwrapped(state_dicts[0])
    network = DemoNetwork(classes=len(weights.get("head.bias", ())) or CLASSES)
    check_fit({key: tuple(value.shape) for key, value in network.state_dict().items()}, weights, spec.name)
    network.load_state_dict(weights)
    return DemoFeatures(network), network.head
