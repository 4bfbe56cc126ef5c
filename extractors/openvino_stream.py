"""Causal networks on OpenVINO: frame by frame on the CPU, about twice as fast as PyTorch, with the same features.

A graph takes a fixed number of frames. Where fewer come, it is filled up with empty ones, which change nothing of what
is remembered; where that happens often, a graph of the right length is made. All stays in memory, as in
``openvino_backend``.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from extractors.frozen import check_length
from extractors.movinet_graph import StreamGraph, make_stream_graph
from extractors.movinet_stream import StreamMovinet
from extractors.openvino_backend import OpenVinoExtractor, import_openvino, make_settings
from extractors.spec import ExtractorSpec

if TYPE_CHECKING:
    from openvino import InferRequest

MOST_FRAMES = 8
"""Frames that go through a graph together; more are hardly faster."""

KEPT_GRAPHS = 3
"""Compiled graphs kept; one per number and size of frames. One of MoViNet-A2 takes 150 MB."""

PATIENCE = 3
"""So often frames go through a graph that is too long for them, before one of their own is made: that takes as long
as some dozen frames."""

Size = tuple[int, int]


class OpenVinoStream(OpenVinoExtractor):
    """A causal network run by OpenVINO on the CPU, as ``FrozenStream`` is by PyTorch.

    Args:
        spec: The record.
        network: The network, loaded.
        head: Classifier on top of the features; None without one.
        precision: ``fp32``.

    Raises:
        BackendMissingError: OpenVINO is not installed.
        ValueError: The precision is another, or OpenVINO has no graph of such a network.
    """

    def __init__(
        self, spec: ExtractorSpec, network: nn.Module, head: nn.Module | None, precision: str = "fp32"
    ) -> None:
        if precision != "fp32" or not isinstance(network, StreamMovinet):
            raise ValueError(f"OpenVINO does not run {spec.name} in {precision}")
        super().__init__(spec, network, head, precision)
        self._graphs = StreamGraphs(network)

    def start_run(self) -> OpenVinoRun:
        """Begin a video; several may be under way, also on several threads; each remembers its own frames."""
        return OpenVinoRun(self._graphs)

    def encode(self, clips: Tensor) -> Tensor:
        """Features ``[B, width]`` after the last frame of each of the clips ``[B, F, C, S, S]``, each a video.

        Raises:
            ValueError: The clips have fewer or more frames than ``spec.window_range`` allows.
        """
        check_length(clips, self.spec)
        return torch.stack([self.start_run().encode(clip)[-1] for clip in clips])


@dataclass
class RunState:
    """What is remembered of one video; a new one stands before its first frame.

    Attributes:
        frames: Frames seen so far.
        sums: Of each mean over time: the sum so far. In float32 it would lose digits over hours.
        buffers: Of each kernel over time: the frames that it will look at again.
    """

    frames: int = 0
    sums: list[NDArray[np.float64]] = field(default_factory=list[Any])
    buffers: list[NDArray[np.float32]] = field(default_factory=list[Any])


class OpenVinoRun:
    """The way of a causal network through one video.

    Args:
        graphs: Of the network.
    """

    def __init__(self, graphs: StreamGraphs) -> None:
        self._graphs, self._state = graphs, RunState()

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """The next prepared frames ``[N, C, S, S]`` to their features ``[N, width]`` float32."""
        pieces = [self._graphs.run(piece.numpy(), self._state) for piece in frames.float().split(MOST_FRAMES)]
        return torch.from_numpy(np.concatenate(pieces))


class StreamGraphs:
    """The graphs of one network, compiled when they are needed; several threads may run them.

    Args:
        network: The network.
        threads: Processor threads; PyTorch's number by default.
    """

    def __init__(self, network: StreamMovinet, threads: int | None = None) -> None:
        self._network, self._core = network, import_openvino().Core()
        self._settings = make_settings("LATENCY", threads or torch.get_num_threads())
        self._compiled: dict[tuple[int, Size], _CompiledGraph] = {}
        self._asked: Counter[tuple[int, Size]] = Counter()
        self._lock = threading.Lock()

    def run(self, frames: NDArray[np.float32], state: RunState) -> NDArray[np.float32]:
        """Features ``[N, width]`` of the next frames ``[N, 3, H, W]`` of a video, whose state is moved on."""
        with self._lock:
            graph = self._find_graph(len(frames), (frames.shape[2], frames.shape[3]))
        return graph.run(frames, state)

    def _find_graph(self, frames: int, size: Size) -> _CompiledGraph:
        """The shortest graph for so many frames, or one of just their number, if that is worth making."""
        longer = [length for length, of in self._compiled if length >= frames and of == size]
        length = min(longer, default=frames)
        if length > frames:
            self._asked[frames, size] += 1
            if self._asked[frames, size] > PATIENCE and len(self._compiled) < KEPT_GRAPHS:
                length = frames
        if (length, size) not in self._compiled:
            self._make_graph(length, size)
        return self._compiled[length, size]

    def _make_graph(self, length: int, size: Size) -> None:
        while len(self._compiled) >= KEPT_GRAPHS:
            del self._compiled[next(iter(self._compiled))]
        graph = make_stream_graph(self._network, length, size)
        self._compiled[length, size] = _CompiledGraph(
            graph, self._core.compile_model(graph.model, "CPU", self._settings)
        )


class _CompiledGraph:
    """A graph that is ready to run, with a set of its tensors for each thread that runs it.

    Args:
        graph: What was compiled.
        compiled: The compiled model.
    """

    def __init__(self, graph: StreamGraph, compiled: Any) -> None:
        self._means, self._buffers = graph.means, graph.buffers
        self._compiled = compiled
        self._idle: list[InferRequest] = []

    def run(self, frames: NDArray[np.float32], state: RunState) -> NDArray[np.float32]:
        """As ``StreamGraphs.run``; there are no more frames than the graph takes.

        As in ``OpenVinoNetwork``, no Python object is handed to OpenVINO's threads.
        """
        if not state.frames:
            state.sums = [np.zeros(shape) for shape in self._means]
            state.buffers = [np.zeros(shape, np.float32) for shape in self._buffers]
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        self._give(request, frames, state)
        request.start_async()
        request.wait()
        features = self._take(request, len(frames), state)
        self._idle.append(request)
        return features

    def _give(self, request: InferRequest, frames: NDArray[np.float32], state: RunState) -> None:
        pixels = request.get_input_tensor(0).data
        pixels[: len(frames)] = frames
        pixels[len(frames) :] = 0
        numbers = np.arange(1, len(pixels) + 1).reshape(-1, 1, 1, 1) + state.frames
        means = [total / max(1, state.frames) for total in state.sums]
        for index, value in enumerate([numbers, len(frames), *means, *state.buffers], 1):
            request.get_input_tensor(index).data[:] = value

    def _take(self, request: InferRequest, frames: int, state: RunState) -> NDArray[np.float32]:
        outputs = [request.get_output_tensor(index).data for index in range(1 + len(state.sums) + len(state.buffers))]
        for total, means in zip(state.sums, outputs[1:], strict=False):
            total += means[:frames].sum(0, dtype=np.float64)
        for held, kept in zip(state.buffers, outputs[1 + len(state.sums) :], strict=True):
            held[:] = kept
        state.frames += frames
        return outputs[0][:frames].reshape(frames, -1).copy()
