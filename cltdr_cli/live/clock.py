"""The times of frames that come piece by piece, in bounded memory."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.timeline import FeatureGrid
from cltdr_cli.video.timing import FALLBACK_RATE, fit_rate, measure_deviation_seconds, measure_timing

_END_FRAMES = 512
"""So many of the last times tell when the last frame ends."""


class FrameClock:
    """Where the frames of a stream lie in time.

    Args:
        fps: Frames per second that the stream was resampled to; None where its times are measured.
        stated: Rate that the source states; None if it states none.
        held_frames: So many of the last frames keep their measured times.
    """

    def __init__(self, fps: float | None, stated: Fraction | None, held_frames: int) -> None:
        self._fps, self._stated, self._held_frames = fps, stated, held_frames
        self._times = np.zeros(0)
        self._first_seconds: float | None = None
        self._count = 0

    @property
    def rate(self) -> float:
        """Nominal frames per second."""
        return float(self._fps or self._stated or FALLBACK_RATE)

    def push(self, times: NDArray[np.float64]) -> None:
        """Take the times ``[N]`` of the next frames."""
        if self._first_seconds is None:
            self._first_seconds = float(times[0])
        self._count += len(times)
        if self._fps is None:
            held = np.concatenate([self._times, times])
            self._times = held if len(held) < 2 * self._held_frames else held[-self._held_frames :].copy()

    def place(self, first_frame: int, stride_frames: int, window_frames: int) -> FeatureGrid:
        """The grid of steps from a frame on, which is one of the last ``held_frames``."""
        if self._first_seconds is None:
            raise RuntimeError("no frame was seen")
        if self._fps is not None:
            start = self._first_seconds + first_frame / self._fps
            return FeatureGrid(self._fps, stride_frames, window_frames, start)
        skipped = first_frame - self._count + len(self._times)
        if skipped < 0:
            raise RuntimeError(f"the time of frame {first_frame} is forgotten")
        times = self._times[skipped:]
        timing = measure_timing(times, [self._stated])
        return FeatureGrid(timing.rate, stride_frames, window_frames, timing.start_seconds, timing.knots)

    def oldest(self, stride_frames: int) -> int:
        """The first frame that begins a step and still has its time."""
        if self._fps is not None:
            return 0
        first = self._count - len(self._times)
        return -(-first // stride_frames) * stride_frames


class EndClock:
    """When the last frame so far ends, as ``measure_timing`` tells it of all times together.

    Attributes:
        end_seconds: On the clock of the source.
    """

    def __init__(self, stated: Fraction | None) -> None:
        self._stated = stated
        self._tail = np.zeros(0)
        self._first, self._count = 0.0, 0
        self.end_seconds = 0.0

    def push(self, times: NDArray[np.float64]) -> None:
        """Take the times ``[N]`` of the next frames."""
        self._first = self._first if self._count else float(times[0])
        self._count += len(times)
        self._tail = np.concatenate([self._tail, times])[-_END_FRAMES:]
        self.end_seconds = self._find_end(float(self._tail[-1]))

    def _find_end(self, last_seconds: float) -> float:
        rate = float(fit_rate(self._tail, [self._stated]))
        steady = self._first + self._count / rate
        is_constant = measure_deviation_seconds(self._tail, rate) < 0.5 / rate
        if is_constant and abs(last_seconds - (steady - 1 / rate)) < 0.5 / rate:
            return steady
        return last_seconds + (1 / rate if is_constant else float(np.median(np.diff(self._tail))))
