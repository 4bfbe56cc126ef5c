"""MoViNet's stream form as an OpenVINO graph, with the state as inputs and outputs.

Built layer by layer from the loaded network. That takes some hundredths of a second where PyTorch's export and
OpenVINO's conversion take six, and the graph is faster: the kernel over time is a weighted sum of neighbouring frames
here, and there a convolution of rearranged frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from extractors.movinet_layers import ConvolutionUnit
from extractors.movinet_stream import FrameFilter, FrameGate, FrameLayer, StreamMovinet
from extractors.openvino_backend import import_openvino

if TYPE_CHECKING:
    from openvino import Model

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class StreamGraph:
    """A graph for a fixed number of frames ``T``, of which only the first need be real ones.

    Inputs, in this order: the frames ``[T, 3, S, S]``; the number of each since the start, from 1, ``[T, 1, 1, 1]``;
    how many are real ``[1]``; the means over all earlier frames; the earlier frames that kernels over time still look
    at. Outputs: the features ``[T, F, 1, 1]``; of each frame what the means are taken of; the frames that kernels
    over time will look at next.

    Attributes:
        model: The graph.
        means: Shapes of the means, ``(1, C, 1, 1)``; the outputs for them have ``T`` rows.
        buffers: Shapes of the frames that are looked at again, ``(k - 1, C, H, W)``.
    """

    model: Model
    means: Shapes
    buffers: Shapes


def make_stream_graph(network: StreamMovinet, length_frames: int, size: tuple[int, int]) -> StreamGraph:
    """The graph of a network.

    Args:
        network: Loaded, its batch norms folded.
        length_frames: ``T``.
        size: Height and width of a frame.

    Raises:
        BackendMissingError: OpenVINO is not installed.
    """
    return _GraphMaker(length_frames).make(network, size)


class _GraphMaker:
    """Makes one graph from the frames to the features; what carries the state gathers on the way.

    Args:
        length_frames: Frames that go through the graph together.
    """

    def __init__(self, length_frames: int) -> None:
        self._openvino = import_openvino()
        self._ops: Any = self._openvino.opset13
        self._length = length_frames
        self._numbers = self._ops.parameter([length_frames, 1, 1, 1], np.float32)
        self._real_frames = self._ops.parameter([1], np.int64)
        self._means: list[Any] = []
        self._averaged: list[Any] = []
        self._buffers: list[Any] = []
        self._kept: list[Any] = []

    def make(self, network: StreamMovinet, size: tuple[int, int]) -> StreamGraph:
        """The whole graph."""
        frames = self._ops.parameter([self._length, 3, *size], np.float32)
        seen = self._ops.hswish(self._convolve(network.conv1, frames))
        for layer in network.blocks.values():
            assert isinstance(layer, FrameLayer)
            seen = self._pass_layer(layer, seen)
        features = self._average_pixels(self._ops.hswish(self._convolve(network.conv7, seen)))
        if network.pools:
            features = self._average_frames(features)
        inputs = [frames, self._numbers, self._real_frames, *self._means, *self._buffers]
        model = self._openvino.Model([features, *self._averaged, *self._kept], inputs, "movinet")
        return StreamGraph(model, _list_shapes(self._means), _list_shapes(self._buffers))

    def _pass_layer(self, layer: FrameLayer, frames: Any) -> Any:
        wide = self._ops.hswish(self._convolve(layer.expand, frames))
        wide = self._gate(layer.se, self._filter(layer.deep, wide))
        narrow = self._convolve(layer.project, wide, float(layer.alpha))
        return self._ops.add(self._take_shortcut(layer.res, frames), narrow)

    def _take_shortcut(self, shortcut: nn.Sequential | None, frames: Any) -> Any:
        if shortcut is None:
            return frames
        *pool, convolution = shortcut
        assert isinstance(convolution, ConvolutionUnit)
        if pool:
            cells, strides, ends = [3, 3], [2, 2], [0, 0]
            frames = self._ops.avg_pool(frames, strides, ends, ends, cells, True, "floor", "same_upper")
        return self._convolve(convolution, frames)

    def _filter(self, deep: FrameFilter, frames: Any) -> Any:
        """The depthwise convolution over space, then the one over time, where there is one."""
        filtered = self._ops.hswish(self._convolve(deep, frames))
        if not deep.held_frames:
            return filtered
        longer = self._extend(filtered, deep.held_frames)
        weight, bias = _read_convolution(deep.conv_2)
        mixed = self._constant(bias.reshape(1, -1, 1, 1))
        for first in range(deep.held_frames + 1):
            share = self._constant(weight[:, 0, first].reshape(1, -1, 1, 1))
            mixed = self._ops.add(mixed, self._ops.multiply(self._cut(longer, first), share))
        return self._ops.hswish(mixed)

    def _extend(self, frames: Any, held_frames: int) -> Any:
        """The earlier frames that are still looked at, then the new ones; the last of the real ones are kept."""
        before = self._ops.parameter([held_frames, *frames.get_output_shape(0)[1:]], np.float32)
        longer = self._ops.concat([before, frames], 0)
        last = self._ops.add(self._real_frames, self._constant(np.arange(held_frames)))
        self._buffers.append(before)
        self._kept.append(self._ops.gather(longer, last, self._constant(np.array(0))))
        return longer

    def _gate(self, gate: FrameGate, frames: Any) -> Any:
        means = self._average_pixels(frames)
        squeezed = self._ops.concat([self._average_frames(means), means], 1)
        logits = self._convolve(gate.fc2, self._ops.hswish(self._convolve(gate.fc1, squeezed)))
        gates = self._ops.add(self._ops.multiply(logits, self._constant(0.2)), self._constant(0.5))
        return self._ops.multiply(frames, self._ops.clamp(gates, 0.0, 1.0))

    def _average_pixels(self, frames: Any) -> Any:
        """``[T, C, H, W]`` to ``[T, C, 1, 1]``."""
        return self._ops.reduce_mean(frames, self._constant(np.array([2, 3])), True)

    def _average_frames(self, means: Any) -> Any:
        """The mean over all frames up to each: that of the earlier ones, moved towards the new ones."""
        before = self._ops.parameter([1, *means.get_output_shape(0)[1:]], np.float32)
        self._means.append(before)
        self._averaged.append(means)
        moved = self._ops.cum_sum(self._ops.subtract(means, before), self._constant(np.array(0)))
        return self._ops.add(before, self._ops.divide(moved, self._numbers))

    def _convolve(self, unit: ConvolutionUnit, frames: Any, scale: float = 1.0) -> Any:
        """A convolution with its bias, both times ``scale``; padded as TensorFlow does, the odd cell after."""
        weight, bias = _read_convolution(unit.conv_1)
        strides, ends = [unit.stride, unit.stride], [0, 0]
        how = strides, ends, ends, [1, 1], "same_upper"
        if weight.shape[1] == 1 < frames.get_output_shape(0)[1]:  # depthwise
            mixed = self._ops.group_convolution(frames, self._constant(scale * weight[:, None]), *how)
        else:
            mixed = self._ops.convolution(frames, self._constant(scale * weight), *how)
        return self._ops.add(mixed, self._constant(scale * bias.reshape(1, -1, 1, 1)))

    def _cut(self, frames: Any, first: int) -> Any:
        """As many frames as go through the graph together, from one on."""
        ends = ([first], [first + self._length], [1], [0])
        return self._ops.slice(frames, *(self._constant(np.array(end)) for end in ends))

    def _constant(self, value: float | NDArray[Any]) -> Any:
        array = np.asarray(value)
        return self._ops.constant(array.astype(np.float32) if array.dtype.kind == "f" else array)


def _read_convolution(row: nn.Sequential) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias of a convolution that its norm is folded into."""
    convolution = row[0]
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    return convolution.weight.numpy(), convolution.bias.numpy()


def _list_shapes(inputs: Sequence[Any]) -> Shapes:
    return tuple(tuple(node.get_output_shape(0)) for node in inputs)
