"""Choose frames of a stream: those of a time range, or the nearest one at every ``start + k / rate``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.frames import FrameBatch

# Times closer than this are the same time: an instant midway between two frames takes the earlier one.
SAME_SECONDS = 1e-6


@dataclass(frozen=True)
class SampleGrid:
    """The instants ``origin_seconds + k / rate`` that lie in ``[start_seconds, end_seconds)``.

    Attributes:
        rate: Samples per second.
        origin_seconds: Presentation time of the video's first frame.
        start_seconds: Earlier instants are left out.
        end_seconds: This instant and later ones are left out.
    """

    rate: float
    origin_seconds: float
    start_seconds: float = -math.inf
    end_seconds: float = math.inf

    def first(self) -> int:
        """The first ``k``."""
        return 0 if self.start_seconds <= self.origin_seconds else self._find_at_or_after(self.start_seconds)

    def beyond(self, seconds: float) -> int:
        """The first ``k`` whose instant is not before ``seconds``, or not before the end."""
        return self._find_at_or_after(min(seconds, self.end_seconds))

    def _find_at_or_after(self, seconds: float) -> int:
        return max(0, math.ceil((seconds - self.origin_seconds - SAME_SECONDS) * self.rate))

    def seconds(self, first: int, beyond: int) -> NDArray[np.float64]:
        """Instants ``first <= k < beyond``, float64 ``[N]``."""
        return self.origin_seconds + np.arange(first, max(first, beyond)) / self.rate


def find_nearest(times: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the time nearest to each wanted time; midway between two, the earlier one.

    Args:
        times: float64 ``[N]``, N ≥ 1, increasing.
        wanted: float64 ``[M]``.

    Returns:
        int64 ``[M]``.
    """
    after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    return np.where(wanted - times[before] <= times[after] - wanted + SAME_SECONDS, before, after).astype(np.int64)


class RangeFilter:
    """Keeps the frames of ``[start_seconds, end_seconds)``."""

    def __init__(self, start_seconds: float, end_seconds: float) -> None:
        self._start, self._end = start_seconds, end_seconds

    def push(self, batch: FrameBatch) -> Iterator[FrameBatch]:
        """The frames of a batch that lie in the range."""
        first, beyond = np.searchsorted(batch.pts_seconds, (self._start, self._end))
        if first < beyond:
            yield FrameBatch(batch.frames[first:beyond], batch.pts_seconds[first:beyond])

    def finish(self, end_seconds: float) -> Iterator[FrameBatch]:
        """Nothing: no frame is held back."""
        yield from ()


class Resampler:
    """Turns batches of one stream into batches on a grid, holding one frame back.

    Args:
        grid: The instants wanted.
        batch_frames: Frames of one resampled batch at most; frames are repeated where the grid is finer.
    """

    def __init__(self, grid: SampleGrid, batch_frames: int) -> None:
        self._grid, self._batch_frames = grid, batch_frames
        self._next = grid.first()
        self._held: FrameBatch | None = None

    def push(self, batch: FrameBatch) -> Iterator[FrameBatch]:
        """Samples that are certain once this batch is known: those not after its last frame."""
        times = batch.pts_seconds
        yield from self._sample(batch, self._grid.beyond(float(times[-1])))
        self._held = FrameBatch(batch.frames[-1:].copy(), times[-1:])

    def finish(self, end_seconds: float) -> Iterator[FrameBatch]:
        """The samples after the last frame's time, up to the end of that frame."""
        if self._held is not None:
            empty = FrameBatch(self._held.frames[:0], self._held.pts_seconds[:0])
            yield from self._sample(empty, self._grid.beyond(end_seconds))

    def _sample(self, batch: FrameBatch, beyond: int) -> Iterator[FrameBatch]:
        held = self._held
        times = batch.pts_seconds if held is None else np.concatenate((held.pts_seconds, batch.pts_seconds))
        for first in range(self._next, beyond, self._batch_frames):
            wanted = self._grid.seconds(first, min(beyond, first + self._batch_frames))
            yield FrameBatch(_pick_frames(held, batch, find_nearest(times, wanted)), wanted)
        self._next = max(self._next, beyond)


def _pick_frames(held: FrameBatch | None, batch: FrameBatch, picks: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Frames by their index in held + batch, uint8 ``[N, H, W, 3]``."""
    if held is None:
        return batch.frames[picks]
    out = np.empty((len(picks), *held.frames.shape[1:]), np.uint8)
    out[picks == 0] = held.frames[0]
    out[picks > 0] = batch.frames[picks[picks > 0] - 1]
    return out
