"""Frames that are already in memory, as a video."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import UsageError
from cltdr_cli.video.frames import FrameBatch, VideoInfo

ARRAY_NAME = "frames"
"""What a video without a file is called in results."""


class ArrayReader:
    """Reads an array of frames; see the ``VideoReader`` protocol.

    Args:
        frames: RGB, uint8 ``[N, H, W, 3]``.
        fps: Frames per second.

    Raises:
        UsageError: The array has another shape or type, holds no frame, or its rate is missing.
    """

    def __init__(self, frames: NDArray[np.uint8], fps: float | None) -> None:
        shape, kind = np.shape(frames), getattr(frames, "dtype", None)
        if len(shape) != 4 or shape[3] != 3 or not all(shape) or kind != np.uint8:
            raise UsageError(
                f"Frames are an array of uint8 [N, H, W, 3], not of {kind} {list(shape)}.",
                "Frames that come one by one are put together with numpy.stack(frames)."
                if len(shape) == 3 and shape[2] == 3
                else "Grey or floating-point pictures must be turned into RGB from 0 to 255 first.",
            )
        if fps is None or not 0 < fps < math.inf:
            raise UsageError(f"Frames need their rate, but fps= is {fps}.", "Give the frames per second as fps=.")
        self._frames, self._fps = frames, fps
        count, height, width, _ = shape
        self._info = VideoInfo(
            path=Path(ARRAY_NAME),
            rate=Fraction(fps).limit_denominator(1_000_000),
            frame_count=count,
            duration_seconds=count / fps,
            width=width,
            height=height,
            rotation_degrees=0,
            codec="array",
            reader="array",
        )

    @property
    def info(self) -> VideoInfo:
        """Facts of the array."""
        return self._info

    def batches(self, batch_frames: int, start_seconds: float | None = None) -> Iterator[FrameBatch]:
        """All frames in order, from the last one before the start; views, nothing is copied."""
        first = 0 if start_seconds is None else max(0, math.ceil(start_seconds * self._fps) - 1)
        for place in range(min(first, len(self._frames) - 1), len(self._frames), batch_frames):
            part = self._frames[place : place + batch_frames]
            yield FrameBatch(part, np.arange(place, place + len(part)) / self._fps)

    def close(self) -> None:
        """Nothing: the array is its owner's."""
