"""What an extractor is: a record of its conventions, and the protocol of its network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ExtractorSpec:
    """The conventions of one published kind of feature; everything a feature file depends on but the weights.

    Attributes:
        name: Name on the command line.
        width: Channels of one feature vector.
        window_frames: Frames of one clip.
        stride_frames: Frames between the starts of two clips.
        rate: Frames per second the video is resampled to; None keeps the native rate.
        resize: ``(width, height)`` in pixels each frame is warped to, aspect not kept; None keeps the size.
        short_side: Pixels of the shorter side after an aspect-keeping resize; None where ``resize`` rules.
        crop: Side of the centre square cut afterwards, in pixels; None cuts nothing.
        antialias: Whether the resize filters before shrinking.
        mean: Subtracted per RGB channel, after scaling pixels to [0, 1].
        std: Divided by, per RGB channel. ``mean = std = 0.5`` is the x·2/255−1 of I3D.
        layer: Which activation the feature is.
        weights: Key in the weights manifest; None where no public weights exist.
        weights_licence: Licence of those weights.
        modality: ``rgb``, ``flow`` or ``rgb+flow``.
        note: What is unknown about the published recipe, or an option it leaves open.
    """

    name: str
    width: int
    window_frames: int
    stride_frames: int
    rate: float | None
    resize: tuple[int, int] | None
    short_side: int | None
    crop: int | None
    antialias: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layer: str
    weights: str | None
    weights_licence: str
    modality: str = "rgb"
    note: str = ""


class Extractor(Protocol):
    """A frozen network with its preprocessing. Frames are prepared once, although clips overlap."""

    spec: ExtractorSpec
    device: torch.device

    def prepare(self, frames: Tensor) -> Tensor:
        """Uint8 RGB frames ``[N, H, W, 3]`` to network input ``[N, 3, S, S]`` float32 on the device."""
        ...

    def encode(self, clips: Tensor) -> Tensor:
        """Prepared clips ``[B, F, 3, S, S]`` to features ``[B, C]`` float32, no gradient."""
        ...

    def class_head(self) -> nn.Linear | None:
        """The classifier that the weights carry, on top of ``encode``'s features; None without one."""
        ...
