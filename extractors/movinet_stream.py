"""MoViNet's stream form (A0 to A2): causal, frame by frame, with a state of fixed size.

Every layer whose kernel runs over time keeps the last frames of what enters that kernel, and every squeeze-excite the
mean over all frames so far (the paper's stream buffers and cumulative average pooling, sections 3.2 and 3.3). Frames
in one go, in pieces of any length, or one by one give the same features, but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from extractors.movinet_layers import ConvolutionUnit, make_shortcut
from extractors.movinet_sizes import LayerSize, MovinetSize, round_to_eight


@dataclass
class StreamState:
    """What the network remembers of one video; a new one stands before its first frame.

    Attributes:
        frames: Frames seen so far.
        buffers: By layer: the last frames that entered its kernel over time, ``[k - 1, C, H, W]``.
        sums: By layer: sum of the spatial means of all frames, float64 ``[C]``; a float32 sum would lose digits
            over hours.
    """

    frames: int = 0
    buffers: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    sums: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def extend(self, key: str, frames: Tensor, held_frames: int) -> Tensor:
        """The remembered frames of a layer followed by new ones ``[T, C, H, W]``; the last are remembered.

        Args:
            key: The layer.
            frames: New frames.
            held_frames: How many are remembered; before the first frame they are zeros.
        """
        before = self.buffers.get(key)
        if before is None:
            before = frames.new_zeros(held_frames, *frames.shape[1:])
        longer = torch.cat([before.to(frames.dtype), frames]).contiguous(memory_format=torch.channels_last)
        self.buffers[key] = longer[-held_frames:].clone()  # a view would hold the whole piece in memory
        return longer

    def average(self, key: str, means: Tensor) -> Tensor:
        """Means over all frames up to each new one ``[T, C]``, from the means of the new frames ``[T, C]``."""
        sums = means.double().cumsum(0)
        if key in self.sums:
            sums = sums + self.sums[key]
        self.sums[key] = sums[-1].clone()
        counts = torch.arange(1, len(means) + 1, device=means.device) + self.frames
        return (sums / counts[:, None]).to(means.dtype)


class FrameGate(nn.Module):
    """Squeeze-excite frame by frame, from the means of the frame and of all frames so far.

    Args:
        key: Name of the layer, under which the state remembers.
        channels: Of the input.
    """

    def __init__(self, key: str, channels: int) -> None:
        super().__init__()
        squeezed = round_to_eight(2 * (channels // 4))
        self.key = key
        self.fc1 = ConvolutionUnit(2 * channels, squeezed, (1, 1), bias=True)
        self.fc2 = ConvolutionUnit(squeezed, channels, (1, 1), bias=True)

    def forward(self, frames: Tensor, state: StreamState) -> Tensor:
        """Frames ``[T, C, H, W]``, each channel of each frame scaled by its gate."""
        means = frames.mean((2, 3))
        squeezed = torch.cat([state.average(self.key, means), means], dim=1)[..., None, None]
        logits = self.fc2(nn.functional.hardswish(self.fc1(squeezed)))
        return frames * (0.2 * logits + 0.5).clamp(0, 1)  # Keras' hard sigmoid; torch's has another slope


class FrameFilter(ConvolutionUnit):
    """The depthwise convolution of a layer: over space, then over time where its kernel is longer than one frame.

    Over time it looks at the frame itself and the ones before it, never at later ones.

    Args:
        size: The layer.
    """

    def __init__(self, size: LayerSize) -> None:
        length_frames, *kernel = size.kernel
        super().__init__(size.expanded, size.expanded, kernel, stride=size.stride, depthwise=True)
        self.key, self.held_frames = size.key, length_frames - 1
        if self.held_frames:
            over_time = (length_frames, 1)
            self.conv_2 = ConvolutionUnit(size.expanded, size.expanded, over_time, depthwise=True, padded=False).conv_1

    def filter(self, frames: Tensor, state: StreamState) -> Tensor:
        """``[T, C, H, W]`` to ``[T, C, H', W']``, activations included."""
        filtered = nn.functional.hardswish(self(frames), inplace=True)
        if not self.held_frames:
            return filtered
        longer = state.extend(self.key, filtered, self.held_frames)
        columns = longer.permute(1, 0, 2, 3).flatten(2)[None]  # [1, C, k - 1 + T, H · W], the same memory
        mixed = nn.functional.hardswish(self.conv_2(columns), inplace=True)
        return mixed[0].unflatten(2, filtered.shape[2:]).permute(1, 0, 2, 3)


class FrameLayer(nn.Module):
    """One bottleneck layer: widen, filter each channel, gate, narrow, and add to the shortcut.

    Args:
        size: The layer.
    """

    def __init__(self, size: LayerSize) -> None:
        super().__init__()
        self.expand = ConvolutionUnit(size.inputs, size.expanded, (1, 1))
        self.deep = FrameFilter(size)
        self.se = FrameGate(size.key, size.expanded)
        self.project = ConvolutionUnit(size.expanded, size.outputs, (1, 1))
        self.res = make_shortcut(size, 2)
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, frames: Tensor, state: StreamState) -> Tensor:
        """``[T, C, H, W]`` to ``[T, C', H', W']``."""
        shortcut = frames if self.res is None else self.res(frames)
        wide = nn.functional.hardswish(self.expand(frames), inplace=True)
        wide = self.se(self.deep.filter(wide, state), state)
        return torch.addcmul(shortcut, self.project(wide), self.alpha)


class StreamMovinet(nn.Module):
    """The stream form up to its features.

    Args:
        size: A0, A1 or A2; the larger ones are published in TensorFlow only, with layers that are not built here.
        pools: Whether features are the mean over all frames so far, as the classifier was trained on; else they
            are those of each frame before that mean.
    """

    def __init__(self, size: MovinetSize, *, pools: bool = True) -> None:
        super().__init__()
        self.pools = pools
        self.conv1 = ConvolutionUnit(3, size.stem, (3, 3), stride=2)
        self.blocks = nn.ModuleDict({layer.key: FrameLayer(layer) for layer in size.layers})
        self.conv7 = ConvolutionUnit(size.layers[-1].outputs, size.width, (1, 1))

    def forward(self, frames: Tensor, state: StreamState) -> Tensor:
        """Features ``[T, F]`` of the next frames of a video.

        Args:
            frames: ``[T, 3, S, S]`` in [0, 1].
            state: What is remembered of the frames before; it is moved on.
        """
        seen = frames.contiguous(memory_format=torch.channels_last)
        seen = nn.functional.hardswish(self.conv1(seen), inplace=True)
        for layer in self.blocks.values():
            seen = layer(seen, state)
        features = nn.functional.hardswish(self.conv7(seen), inplace=True).mean((2, 3))
        if self.pools:
            features = state.average("pool", features)
        state.frames += len(frames)
        return features

    def start(self) -> StreamState:
        """The state before the first frame of a video."""
        return StreamState()
