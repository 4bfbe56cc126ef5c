"""Frozen networks on OpenVINO: on a CPU about twice as fast as PyTorch, with the same features.

A network is exported once per shape of a clip, compiled for one clip at a time, and run on several clips side by
side (OpenVINO's throughput mode), so that a clip's features never depend on what it shared a batch with. All
stays in memory: no model cache, no files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from extractors.frozen import check_length, make_crops
from extractors.preprocess import prepare_frames
from extractors.spec import ExtractorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from openvino import InferRequest, Model

PRECISIONS = ("fp32", "int8")
MOST_CLIPS_AT_ONCE = 8
"""A batch of the usual size leaves no stream idle."""
KEPT_SHAPES = 4
"""Compiled graphs kept; one per shape of clip."""

Shape = tuple[int, ...]


class BackendMissingError(ImportError):
    """An optional package is not installed.

    Attributes:
        package: Its name.
    """

    def __init__(self, package: str) -> None:
        super().__init__(f"the package {package} is not installed")
        self.package = package


def import_openvino() -> Any:
    """The package ``openvino``, without its telemetry, which reports to its makers unless it cannot be imported.

    Raises:
        BackendMissingError: It is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise BackendMissingError("openvino") from error
    return openvino


def export_graph(network: nn.Module, shape: Shape) -> Model:
    """The network as OpenVINO graph for one input of a shape.

    Args:
        network: Maps ``[1, *shape]`` to features, on the CPU.
        shape: Of one input, without the batch.

    Raises:
        BackendMissingError: OpenVINO is not installed.
    """
    openvino = import_openvino()
    with torch.no_grad():
        program = torch.export.export(network, (torch.zeros(1, *shape),), strict=False)
    model = openvino.convert_model(program)
    model.reshape([1, *shape])
    return model


def make_settings(hint: str, threads: int) -> dict[str, Any]:
    """How a graph is compiled: in float32, and without files.

    Args:
        hint: ``LATENCY``: all threads work on one input; ``THROUGHPUT``: on several inputs side by side.
        threads: Processor threads.
    """
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": hint,
        "PERFORMANCE_HINT_NUM_REQUESTS": MOST_CLIPS_AT_ONCE,
        "INFERENCE_NUM_THREADS": threads,
        "CACHE_DIR": "",
    }


class OpenVinoNetwork:
    """A network that OpenVINO runs on the CPU; graphs are compiled when their shape first comes.

    Args:
        graph_of: Gives the graph for one input of a shape.
        threads: Processor threads; PyTorch's number by default.
        one_by_one: Whether inputs come singly, so that all threads work on one.
    """

    def __init__(
        self, get_graph: Callable[[Shape], Model], threads: int | None = None, *, one_by_one: bool = False
    ) -> None:
        self._core = import_openvino().Core()
        self._get_graph = get_graph
        self._settings = make_settings("LATENCY" if one_by_one else "THROUGHPUT", threads or torch.get_num_threads())
        self._requests: dict[Shape, list[InferRequest]] = {}

    def __call__(self, inputs: Tensor) -> Tensor:
        """``[B, *shape]`` to ``[B, ...]`` float32, each input on its own.

        No Python object is handed to OpenVINO's threads, neither callback nor shared array. Releasing one takes
        the GIL; while another thread holds that and deletes the graph, both would wait for ever.
        """
        requests = self._get_requests(tuple(inputs.shape[1:]))
        answers: list[NDArray[np.float32]] = []
        for index, single in enumerate(inputs.float().split(1)):
            request = requests[index % len(requests)]
            if index >= len(requests):
                answers.append(_fetch_answer(request))
            request.get_input_tensor(0).data[:] = single.numpy()
            request.start_async()
        for index in range(len(answers), len(inputs)):
            answers.append(_fetch_answer(requests[index % len(requests)]))
        return torch.from_numpy(np.concatenate(answers))

    def _get_requests(self, shape: Shape) -> list[InferRequest]:
        if shape not in self._requests:
            while len(self._requests) >= KEPT_SHAPES:
                del self._requests[next(iter(self._requests))]
            compiled = self._core.compile_model(self._get_graph(shape), "CPU", self._settings)
            count = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
            self._requests[shape] = [compiled.create_infer_request() for _ in range(count)]
        return self._requests[shape]


def _fetch_answer(request: InferRequest) -> NDArray[np.float32]:
    """What a request computes ``[1, ...]``, when it is done."""
    request.wait()
    return request.get_output_tensor(0).data.copy()


class OpenVinoExtractor:
    """A frozen network with its preprocessing, as ``FrozenExtractor``, run by OpenVINO on the CPU.

    Args:
        spec: The record.
        network: Maps clips ``[B, F, C, S, S]`` to features ``[B, width]``.
        head: Classifier on top of the features; None without one.
        precision: ``fp32``, or ``int8``, which ``quantised.calibrate`` turns it to before it is used.

    Raises:
        BackendMissingError: OpenVINO is not installed.
        ValueError: The precision has no such name.
    """

    def __init__(
        self, spec: ExtractorSpec, network: nn.Module, head: nn.Module | None, precision: str = "fp32"
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"OpenVINO extractors have no precision {precision!r}; there are {PRECISIONS}")
        self.spec = spec
        self.device = torch.device("cpu")
        self.precision = precision
        self.network = network.eval().requires_grad_(False)
        self._head = head.eval().requires_grad_(False) if head is not None else None
        self._run: OpenVinoNetwork | None = None
        if precision == "fp32":
            self._run = OpenVinoNetwork(partial(export_graph, self.network))

    def prepare(self, frames: Tensor) -> Tensor:
        """Uint8 frames ``[N, H, W, C]`` to network input ``[N, C, S, S]`` float32."""
        return prepare_frames(frames, self.spec, self.device)

    @torch.inference_mode()
    def encode(self, clips: Tensor) -> Tensor:
        """Prepared clips ``[B, F, C, S, S]`` to features ``[B, width]`` float32.

        Raises:
            ValueError: The clips have fewer or more frames than the network takes, or others than it was
                calibrated with; or it was not.
        """
        check_length(clips, self.spec)
        if self._run is None:
            raise ValueError(f"{self.spec.name} in int8 must be calibrated before it is used")
        return self._average_crops(self._run, clips)

    def _average_crops(self, run: OpenVinoNetwork, clips: Tensor) -> Tensor:
        answers: Sequence[Tensor] = [run(crop) for crop in make_crops(clips, self.spec)]
        return answers[0] if len(answers) == 1 else torch.stack(list(answers)).mean(0)

    def class_head(self) -> nn.Module | None:
        """The classifier that the weights carry, on top of ``encode``'s features; None without one."""
        return self._head

    def replace_network(self, run: OpenVinoNetwork) -> OpenVinoExtractor:
        """The same extractor with another graph, such as the quantised one."""
        other = OpenVinoExtractor(self.spec, self.network, self._head, self.precision)
        other._run = run
        return other
