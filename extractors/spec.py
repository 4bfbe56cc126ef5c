"""What an extractor is: a record of its conventions, and the protocol of its network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CHANNELS = {"rgb": 3, "flow": 2, "rgb+flow": 5}
"""Channels of one frame by modality; flow is the x and y displacement as 8-bit images."""


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
        mean: Subtracted per channel, after scaling pixels to [0, 1]; one number serves all channels.
        std: Divided by, per channel. ``mean = std = 0.5`` is the x·2/255−1 of I3D.
        layer: Which activation the feature is.
        weights: Key in the weights manifest, or two joined by "+"; None where no public weights exist.
        weights_licence: Licence of those weights.
        modality: ``rgb``, ``flow`` or ``rgb+flow``.
        note: What is unknown about the published recipe, or an option it leaves open.
        option: Which of the recipe's documented preprocessing options this is.
        byte_resize: Whether the recipe holds resized frames as bytes (8-bit images, or a processor of bytes); they
            are then rounded to whole grey levels, and large frames cost a CPU little.
        squash: Side of the square that the warped frame is resampled to with a Lanczos filter; None: it is not.
        crop_rounds_up: Whether a crop that cannot be exactly in the centre lies nearer to the lower right.
        crop_rounds_to_even: Whether the offset of such a crop is the nearest even number, as torchvision rounds.
        bicubic: Whether the resize is bicubic instead of bilinear.
        bgr: Whether the network was trained on blue, green, red, as OpenCV reads images.
        ten_crop: Whether the feature is the mean over four corners and centre, each also mirrored.
        window_range: Shortest and longest clip the network takes, in frames.
        parameters: Number of weights of the network without its classifier; 0 when not counted.
        causal: Whether the network goes through a video frame by frame and remembers what it saw
            (``StreamExtractor``), so that a feature depends on all frames so far and on none after it.
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
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layer: str
    weights: str | None
    weights_licence: str
    modality: str = "rgb"
    note: str = ""
    option: str = "default"
    byte_resize: bool = False
    squash: int | None = None
    crop_rounds_up: bool = False
    crop_rounds_to_even: bool = False
    bicubic: bool = False
    bgr: bool = False
    ten_crop: bool = False
    window_range: tuple[int, int] = (1, 1 << 20)
    parameters: int = 0
    causal: bool = False

    @property
    def channels(self) -> int:
        """Channels of one frame: 3 for RGB, 2 for flow, 5 for both."""
        return CHANNELS[self.modality]

    @property
    def prepared_size(self) -> tuple[int, int] | None:
        """``(height, width)`` of a prepared frame; None when it follows the video's own size."""
        if self.squash:
            return self.squash, self.squash
        if self.crop and not self.ten_crop:
            return self.crop, self.crop
        return (self.resize[1], self.resize[0]) if self.resize else None

    @property
    def transform(self) -> str:
        """The preprocessing in one line, for the sidecar of a feature file."""
        scaling = "bicubic" if self.bicubic else "bilinear"
        scaling += " antialiased" * self.antialias + " in bytes" * self.byte_resize
        steps = [self.option + ":"]
        if self.resize:
            steps.append(f"warp {self.resize[0]}x{self.resize[1]} {scaling},")
        if self.short_side:
            steps.append(f"short side {self.short_side} {scaling},")
        if self.squash:
            steps.append(f"squash {self.squash}x{self.squash} lanczos,")
        if self.crop:
            kind = "ten crops" if self.ten_crop else "centre crop" + " rounded up" * self.crop_rounds_up
            kind += " rounded to even" * self.crop_rounds_to_even
            steps.append(f"{kind} {self.crop}x{self.crop},")
        if self.bgr:
            steps.append("blue first,")
        steps.append(f"(x/255 - {list(self.mean)}) / {list(self.std)}")
        return " ".join(steps)


class Extractor(Protocol):
    """A frozen network with its preprocessing. Frames are prepared once, although clips overlap.

    ``C`` channels are those of the modality: 3 for RGB, 2 for flow, 5 for RGB followed by flow.
    """

    spec: ExtractorSpec
    device: torch.device

    def prepare(self, frames: Tensor) -> Tensor:
        """Uint8 frames ``[N, H, W, C]`` to network input ``[N, C, S, S]`` float32 on the device."""
        ...

    def encode(self, clips: Tensor) -> Tensor:
        """Prepared clips ``[B, F, C, S, S]`` to features ``[B, width]`` float32, no gradient.

        Raises:
            ValueError: The clips have fewer or more frames than ``spec.window_range`` allows.
        """
        ...

    def class_head(self) -> nn.Module | None:
        """The classifier that the weights carry: features ``[..., width]`` to logits; None without one."""
        ...


class FeatureRun(Protocol):
    """The way of a causal extractor through one video."""

    def encode(self, frames: Tensor) -> Tensor:
        """The next prepared frames ``[N, C, S, S]`` to their features ``[N, width]`` float32, no gradient."""
        ...


@runtime_checkable
class StreamExtractor(Extractor, Protocol):
    """An extractor that goes through videos frame by frame (``spec.causal``)."""

    def start_run(self) -> FeatureRun:
        """Begin a video; several may be under way, each remembers its own frames."""
        ...
