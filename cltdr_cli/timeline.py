"""Time in one place: the feature grid (seconds <-> frames <-> steps) and the feature sequence that carries it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class FeatureGrid:
    """Where each feature step lies in time: step ``i`` is the centre of frames ``[i·stride, i·stride + window)``.

    ``seconds = start + (step · stride_frames + window_frames / 2) / rate``, as in every published TAL program
    (with ``start`` 0). A stream of variable rate carries ``knots``, the measured presentation times of its
    frames, through which the same frame positions are mapped instead.

    Attributes:
        rate: Frames per second of the sampled video.
        stride_frames: Frames between two steps; fractional for stretched sequences.
        window_frames: Frames that one step looks at.
        start_seconds: Presentation time of frame 0 on the player's timeline.
        knots: ``(frame, seconds)`` pairs, increasing in both; empty for a constant rate.
    """

    rate: float
    stride_frames: float
    window_frames: float
    start_seconds: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.stride_frames > 0 and self.window_frames > 0):
            raise ValueError(f"rate, stride and window must be positive: {self}")

    def frames_to_seconds(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Presentation time of (fractional) frame positions; past the last knots the rate continues."""
        frames = np.asarray(frames, np.float64)
        if not self.knots:
            return self.start_seconds + frames / self.rate
        at, seconds = np.array(self.knots, np.float64).T
        inside = np.interp(frames, at, seconds)
        before, after = np.minimum(frames - at[0], 0), np.maximum(frames - at[-1], 0)
        return inside + (before + after) / self.rate

    def seconds_to_frames(self, seconds: ArrayLike) -> NDArray[np.float64]:
        """Inverse of ``frames_to_seconds``."""
        seconds = np.asarray(seconds, np.float64)
        if not self.knots:
            return (seconds - self.start_seconds) * self.rate
        frames, at = np.array(self.knots, np.float64).T
        inside = np.interp(seconds, at, frames)
        before, after = np.minimum(seconds - at[0], 0), np.maximum(seconds - at[-1], 0)
        return inside + (before + after) * self.rate

    def to_seconds(self, steps: ArrayLike) -> NDArray[np.float64]:
        """Feature steps (float) to seconds."""
        return self.frames_to_seconds(np.asarray(steps, np.float64) * self.stride_frames + self.window_frames / 2)

    def to_steps(self, seconds: ArrayLike) -> NDArray[np.float64]:
        """Seconds to feature steps (float); inverse of ``to_seconds``."""
        return (self.seconds_to_frames(seconds) - self.window_frames / 2) / self.stride_frames

    def stretched(self, length_steps: int, to_steps: int) -> FeatureGrid:
        """Grid of a sequence of ``length_steps`` resized to ``to_steps`` (published ``force_upsampling``).

        The stretched stride is the covered span divided by the new length, and the window equals the stride.
        """
        stride = ((length_steps - 1) * self.stride_frames + self.window_frames) / to_steps
        return replace(self, stride_frames=stride, window_frames=stride)

    def strided(self, rate: int) -> FeatureGrid:
        """Grid of every ``rate``-th step (published ``downsample_rate``)."""
        return replace(self, stride_frames=self.stride_frames * rate)

    def shifted(self, steps: int) -> FeatureGrid:
        """Grid of the steps from number ``steps`` on."""
        frames = steps * self.stride_frames
        start = float(self.frames_to_seconds(frames))
        return replace(self, start_seconds=start, knots=tuple((at - frames, time) for at, time in self.knots))

    def step_count(self, frame_count: int) -> int:
        """Whole windows in ``frame_count`` frames, no padding at either end: ``(F - window) // stride + 1``."""
        return max(0, int((frame_count - self.window_frames) // self.stride_frames) + 1)


@dataclass(frozen=True, eq=False)
class FeatureSequence:
    """Features of one video and where they lie in time: the seam between the two halves of the program.

    Attributes:
        features: float32 ``[T, C]``.
        grid: Time of every step.
        duration_seconds: End of the video on the player's timeline; segments are clamped to it.
        video_id: File stem or dataset id.
        extractor: Name of the extractor that made the features; None when unknown.
    """

    features: NDArray[np.float32]
    grid: FeatureGrid
    duration_seconds: float
    video_id: str
    extractor: str | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2:
            raise ValueError(f"features must be [T, C], got shape {self.features.shape}")

    def __len__(self) -> int:
        return self.features.shape[0]

    def between(self, start_seconds: float | None, end_seconds: float | None) -> FeatureSequence:
        """The steps whose centres lie in a range of time; times stay those of the whole video."""
        centers = self.grid.to_seconds(np.arange(len(self)))
        first = 0 if start_seconds is None else int(np.searchsorted(centers, start_seconds, "left"))
        last = len(self) if end_seconds is None else int(np.searchsorted(centers, end_seconds, "left"))
        end = self.duration_seconds if end_seconds is None else min(end_seconds, self.duration_seconds)
        features = self.features[first : max(first, last)]
        return replace(self, features=features, grid=self.grid.shifted(first), duration_seconds=end)
