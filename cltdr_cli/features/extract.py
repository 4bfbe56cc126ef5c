"""From video frames to features: windows of frames go through a frozen extractor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError, UsageError, VideoError
from cltdr_cli.features.prepared import TimedFrames, prepare_ahead, prepare_frames
from cltdr_cli.features.rows import RowSpool
from cltdr_cli.timeline import FeatureGrid, FeatureSequence

if TYPE_CHECKING:
    from torch import Tensor

    from cltdr_cli.video.frames import FrameTiming
    from extractors.spec import Extractor, ExtractorSpec


def check_extraction(spec: ExtractorSpec, *, stride_frames: int, window_frames: int, batch_clips: int = 1) -> None:
    """Check window, stride and batch size, before weights or frames are read.

    Raises:
        UsageError: The extractor does not take windows of this length, or a number is below 1.
    """
    shortest, longest = spec.window_range
    if not shortest <= window_frames <= longest:
        allowed = f"exactly {shortest}" if shortest == longest else f"{shortest} to {longest}"
        raise UsageError(
            f"The extractor {spec.name} takes windows of {allowed} frames, not {window_frames}.",
            f"Leave the window out for its usual {spec.window_frames}.",
        )
    if stride_frames < 1 or batch_clips < 1:
        raise UsageError("Stride and batch size must be at least 1.", "Leave them out for the usual values.")


def extract_features(
    stream: TimedFrames,
    extractor: Extractor,
    *,
    stride_frames: int,
    window_frames: int,
    batch_clips: int = 8,
    ahead_batches: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.float32], FrameTiming]:
    """Extract features of every whole window of a stream, in one pass and in memory that does not grow with its length.

    Each frame is prepared once, on the extractor's device, although windows overlap. Nothing is padded: ``F``
    frames give ``(F - window) // stride + 1`` steps.

    Args:
        stream: The frames; ``timing`` is read after the last one.
        extractor: The frozen network.
        stride_frames: Frames between the starts of two windows.
        window_frames: Frames of one window.
        batch_clips: Windows that go through the network together.
        ahead_batches: Batches of frames that are read and prepared ahead on a thread; with 0 all takes turns.
        on_progress: Called with the number of frames done so far.

    Returns:
        Features float32 ``[T, C]``, and the stream's timing.

    Raises:
        UsageError: The extractor does not take such windows.
        VideoError: The stream is shorter than one window, or an error of the stream itself.
    """
    check_extraction(extractor.spec, stride_frames=stride_frames, window_frames=window_frames, batch_clips=batch_clips)
    encoder = WindowEncoder(extractor, stride_frames, window_frames, batch_clips)
    collected = FeatureCollector()
    frames = 0
    for frames, prepared in prepare_ahead(stream, encoder.prepare, ahead_batches):
        collected.add_all(encoder.push(prepared))
        if on_progress is not None:
            on_progress(frames)
    collected.add_all(encoder.finish())
    features = collected.stack()
    if features is None:
        raise _explain_too_short(extractor.spec, frames, window_frames)
    return features, stream.timing


def make_sequence(
    features: NDArray[np.float32],
    timing: FrameTiming,
    *,
    stride_frames: int,
    window_frames: int,
    video_id: str,
    extractor: str | None = None,
) -> FeatureSequence:
    """Join features with the times of their steps.

    Args:
        features: float32 ``[T, C]`` of whole windows from frame 0.
        timing: Measured timing of the frames.
        stride_frames: Frames between the starts of two windows.
        window_frames: Frames of one window.
        video_id: Name of the video in results.
        extractor: Name of the extractor.

    Raises:
        FeatureError: The features are not finite.
    """
    broken = int((~np.isfinite(features).all(axis=1)).sum())
    if broken:
        raise FeatureError(
            f"{video_id}: the extractor's features are NaN or infinite in {broken} of {len(features)} steps",
            "In half precision numbers overflow: use precision= fp32. Else the extractor's weights are damaged.",
        )
    grid = FeatureGrid(timing.rate, stride_frames, window_frames, timing.start_seconds, timing.knots)
    return FeatureSequence(features, grid, timing.duration_seconds, video_id, extractor)


class WindowEncoder:
    """Turns frames that come piece by piece into the features of every whole window.

    ``prepare`` may run on another thread than the rest; both take the pieces in order.

    Args:
        extractor: The frozen network.
        stride_frames: Frames between the starts of two windows.
        window_frames: Frames of one window.
        batch_clips: Windows that go through the network together.
    """

    def __init__(self, extractor: Extractor, stride_frames: int, window_frames: int, batch_clips: int) -> None:
        self._extractor, self._batch_clips = extractor, batch_clips
        self._stride, self._window = stride_frames, window_frames
        self._given_frames = 0
        self._held: Tensor | None = None

    def prepare(self, frames: NDArray[np.uint8]) -> Tensor | None:
        """Prepare the next frames ``[N, H, W, C]``, except those between two windows, which no window looks at."""
        first, self._given_frames = self._given_frames, self._given_frames + len(frames)
        if self._stride > self._window:
            frames = frames[np.arange(first, self._given_frames) % self._stride < self._window]
        return prepare_frames(self._extractor, frames) if len(frames) else None

    def push(self, prepared: Tensor | None) -> Iterator[Tensor]:
        """Features ``[B, C]`` of full batches of windows, from the next prepared frames."""
        import torch

        if prepared is not None:
            self._held = prepared if self._held is None else torch.cat([self._held, prepared])
        yield from self._encode(at_least=self._batch_clips)

    def push_frames(self, frames: NDArray[np.uint8]) -> Iterator[Tensor]:
        """``prepare`` and ``push``, one after the other."""
        return self.push(self.prepare(frames))

    def finish(self) -> Iterator[Tensor]:
        """Features of the last whole windows."""
        yield from self._encode(at_least=1)

    def _encode(self, at_least: int) -> Iterator[Tensor]:
        """Features of the next batches of windows, views of the frames held, while ``at_least`` are complete."""
        stride = min(self._stride, self._window)  # frames between windows are not held
        while self._held is not None and (whole := (len(self._held) - self._window) // stride + 1) >= at_least:
            count = min(whole, self._batch_clips)
            windows = self._held.unfold(0, self._window, stride)[:count]
            yield self._extractor.encode(windows.movedim(-1, 1))
            self._held = self._held[count * stride :]


class FeatureCollector:
    """Collects features; fetches one batch from the device while the next is being computed."""

    def __init__(self) -> None:
        self._fetched = RowSpool()
        self._waiting: Tensor | None = None

    def add(self, features: Tensor) -> None:
        """Take the features ``[B, C]`` of the next windows."""
        self._fetch()
        self._waiting = features

    def add_all(self, parts: Iterable[Tensor]) -> None:
        """Take features batch by batch, as they are computed."""
        for features in parts:
            self.add(features)

    def stack(self) -> NDArray[np.float32] | None:
        """All features ``[T, C]``; None when there are none."""
        self._fetch()
        return self._fetched.read_rows()

    def _fetch(self) -> None:
        if self._waiting is not None:
            self._fetched.add(self._waiting.float().cpu().numpy())
            self._waiting = None


def _explain_too_short(spec: ExtractorSpec, frame_count: int, window_frames: int) -> VideoError:
    hint = "Take a longer video"
    if spec.window_range[0] <= frame_count:
        hint += f", a window of at most {frame_count} frames"
    return VideoError(
        f"The video has {frame_count} frame{'s' * (frame_count != 1)}, and one window of {spec.name} looks at "
        f"{window_frames}: there is nothing to compute.",
        hint + ", or resample it to more frames per second.",
    )
