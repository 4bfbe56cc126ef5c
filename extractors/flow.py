"""Optical flow of neighbouring frames as 8-bit images: what the flow stream of I3D looks at.

Displacements are clipped to 20 pixels either way and stored as bytes, as the published flow images are; the record
of the extractor then scales those bytes as it scales pixels. TV-L1 is what I3D's flow weights were trained with:
Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow" (DAGM 2007). RAFT (Teed, Deng, ECCV
2020) is a network, faster on a GPU, and makes features of another kind.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from extractors.state_dict import check_fit, unwrap

BOUND_PIXELS = 20.0
"""Displacements beyond it, either way, are clipped."""
RAFT_UPDATES = 12
RAFT_SHORTEST_SIDE = 128
"""Its coarsest correlations need that much; smaller frames are padded."""
RAFT_MULTIPLE = 8
CORRELATION_BYTES = 256 << 20
"""Correlations held at a time: they grow with the square of the pixels (10 MB for a pair of 340 x 256)."""
LARGEST_CORRELATION_BYTES = 8 << 30
"""A pair that needs more is refused (frames of about 2.6 megapixels)."""


class FlowEngine(Protocol):
    """One way to compute optical flow."""

    @property
    def name(self) -> str:
        """Name on the command line and in sidecars."""
        ...

    def describe(self) -> str:
        """The algorithm and its settings in one line, for sidecars."""
        ...

    def fields(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Flow from each frame to the next.

        Args:
            frames: RGB ``[N, H, W, 3]``.

        Returns:
            Displacements x and y as bytes ``[N - 1, H, W, 2]``, as ``quantise_field`` makes them.

        Raises:
            ValueError: The frames are of another shape, or too large.
        """
        ...


def quantise_field(field: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Displacements in pixels to bytes: -20 is 0, +20 is 255, and rest is 127.5, which rounds to 128."""
    shifted = field.clip(-BOUND_PIXELS, BOUND_PIXELS).astype(np.float64) + BOUND_PIXELS
    return np.rint(shifted * 255 / (2 * BOUND_PIXELS)).astype(np.uint8)


class Tvl1Flow:
    """TV-L1 of OpenCV's contributed modules with its default settings, several pairs at a time.

    Args:
        threads: Pairs computed at the same time; None takes every core that this process may use.

    Raises:
        ImportError: OpenCV is not there, or came without its contributed modules.
    """

    name = "tvl1"

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or _count_own_cores()
        _make_solver()

    def describe(self) -> str:
        """OpenCV's version and the numbers of the solver."""
        import cv2

        solver = _make_solver()
        numbers = {
            "tau": solver.getTau(), "lambda": solver.getLambda(), "theta": solver.getTheta(),
            "scales": solver.getScalesNumber(), "warps": solver.getWarpingsNumber(),
            "epsilon": solver.getEpsilon(),
        }  # fmt: skip
        settings = ", ".join(f"{key} {value:g}" for key, value in numbers.items())
        return f"TV-L1 (OpenCV {cv2.__version__}: {settings}) on grey frames, {_BYTES}"

    def fields(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Flow bytes ``[N - 1, H, W, 2]``; every frame is made grey once.

        Raises:
            ValueError: The frames are not uint8 ``[N, H, W, 3]``.
        """
        import cv2

        pairs = _count_pairs(frames)
        if not pairs:
            return _make_no_fields(frames)
        grey = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames]
        solvers = _Solvers()
        with _limit_opencv_threads(max(1, self._threads // pairs)), ThreadPoolExecutor(self._threads) as pool:
            return np.stack(list(pool.map(solvers.field, grey[:-1], grey[1:])))


class _Solvers:
    """As many solvers as work at the same time, for frames of one size.

    A solver keeps its buffers, and serves one pair at a time. Small frames lower its number of scales for good, so
    it must not go on to frames of another size.
    """

    def __init__(self) -> None:
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def field(self, first: Any, second: Any) -> NDArray[np.uint8]:
        """Flow bytes ``[H, W, 2]`` between two grey frames."""
        try:
            solver = self._idle.get_nowait()
        except Empty:
            solver = _make_solver()
        field: NDArray[np.float32] = solver.calc(first, second, None)
        self._idle.put(solver)
        return quantise_field(field)


class RaftFlow:
    """RAFT of torchvision (the large network), on frames scaled to [-1, 1].

    Args:
        state_dict: Its weights, as torchvision publishes them.
        device: Where it runs.
        weights: Which weights these are, for sidecars.
        batch_pairs: Pairs computed together at most.

    Raises:
        StateDictError: The weights do not fit; the message lists the keys. A ``ValueError``.
    """

    name = "raft"

    def __init__(
        self,
        state_dict: Mapping[str, Any],
        device: torch.device | str = "cpu",
        weights: str = "",
        batch_pairs: int = 16,
    ) -> None:
        from torchvision.models.optical_flow import raft_large

        network = raft_large(weights=None, progress=False)
        given = unwrap(state_dict)
        check_fit({key: tuple(value.shape) for key, value in network.state_dict().items()}, given, "raft-large")
        network.load_state_dict(given)
        network.feature_encoder = _SharedEncoder(cast("nn.Module", network.feature_encoder))
        self._network = network.to(device).eval().requires_grad_(False)
        self._turn = Lock()  # the network keeps the correlations of a pair in itself
        self._device, self._weights, self._batch_pairs = torch.device(device), weights, batch_pairs

    def describe(self) -> str:
        """The weights and the number of updates."""
        weights = f", {self._weights}" if self._weights else ""
        return f"RAFT large (torchvision{weights}: {RAFT_UPDATES} updates), {_BYTES}"

    @torch.inference_mode()
    def fields(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Flow bytes ``[N - 1, H, W, 2]``.

        Raises:
            ValueError: The frames are not uint8 ``[N, H, W, 3]``, or too large to correlate.
        """
        pairs = _count_pairs(frames)
        if not pairs:
            return _make_no_fields(frames)
        each = self._pairs_at_once(frames.shape[1], frames.shape[2])
        return np.concatenate([self._compute_some(frames[at : at + each + 1]) for at in range(0, pairs, each)])

    def _pairs_at_once(self, height: int, width: int) -> int:
        left, right, top, bottom = _choose_raft_padding(height, width)
        cells = (height + top + bottom) * (width + left + right) // RAFT_MULTIPLE**2
        per_pair = cells * cells * 4 * 4 // 3  # float32, and coarser levels of a quarter each
        if per_pair > LARGEST_CORRELATION_BYTES:
            raise ValueError(f"RAFT needs {per_pair / 2**30:.0f} GiB for a pair of {width}x{height}: scale them down")
        return max(1, min(self._batch_pairs, CORRELATION_BYTES // per_pair))

    def _compute_some(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = frames.shape[1:3]
        padding = _choose_raft_padding(height, width)
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).to(self._device).permute(0, 3, 1, 2).float()
        pixels = functional.pad(pixels / 127.5 - 1, padding, mode="replicate")
        with self._turn:
            field: Tensor = self._network(pixels[:-1], pixels[1:], num_flow_updates=RAFT_UPDATES)[-1]
        field = field[..., padding[2] : padding[2] + height, padding[0] : padding[0] + width]
        return quantise_field(field.permute(0, 2, 3, 1).float().cpu().numpy())


class _SharedEncoder(nn.Module):
    """RAFT encodes first and second frames of all pairs in one batch; most are the same frames, encoded once."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, both: Tensor) -> Tensor:
        """Frames ``0 … N-2`` followed by frames ``1 … N-1`` to their features, in that order."""
        first, second = both.chunk(2)
        encoded: Tensor = self.encoder(torch.cat([first, second[-1:]]))
        return torch.cat([encoded[:-1], encoded[1:]])


_BYTES = f"clipped to {BOUND_PIXELS:g} px, 8 bit"


def _choose_raft_padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom: to a multiple of 8 and at least 128, as evenly as can be."""
    padding: list[int] = []
    for length in (width, height):
        wanted = max(RAFT_SHORTEST_SIDE, -(-length // RAFT_MULTIPLE) * RAFT_MULTIPLE)
        padding += [(wanted - length) // 2, wanted - length - (wanted - length) // 2]
    left, right, top, bottom = padding
    return left, right, top, bottom


def _count_pairs(frames: NDArray[np.uint8]) -> int:
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"flow takes RGB frames [N, H, W, 3] of bytes, not {list(frames.shape)} {frames.dtype}")
    return max(0, len(frames) - 1)


def _make_no_fields(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.empty((0, *frames.shape[1:3], 2), np.uint8)


def _count_own_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make_solver() -> Any:
    import cv2

    optflow = getattr(cv2, "optflow", None)
    for owner, name in ((optflow, "DualTVL1OpticalFlow_create"), (optflow, "createOptFlow_DualTVL1")):
        create = getattr(owner, name, None)
        if create is not None:
            return create()
    raise ImportError(f"OpenCV {cv2.__version__} has no TV-L1: it came without the contributed modules")


@contextmanager
def _limit_opencv_threads(count: int) -> Generator[None]:
    """OpenCV's own threads, which are one setting of the whole process, for as long as pairs run side by side."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
