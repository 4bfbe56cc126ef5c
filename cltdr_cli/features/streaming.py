"""Features of a causal extractor: every frame goes through the network once, in order, with the state so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.features.extract import FeatureCollector
from cltdr_cli.features.prepared import TimedFrames, prepare_ahead, prepare_frames
from cltdr_cli.video.frames import FrameTiming

if TYPE_CHECKING:
    from torch import Tensor

    from extractors.spec import ExtractorSpec, FeatureRun, StreamExtractor


def check_reset(spec: ExtractorSpec, reset_seconds: float | None) -> None:
    """Check when the state is to be reset, before weights or frames are read.

    Raises:
        UsageError: The extractor has no state, or the seconds are not above 0.
    """
    if reset_seconds is None:
        return
    if not spec.causal:
        raise UsageError(f"reset_seconds= is for causal extractors; {spec.name} has no state.", "Leave it out.")
    if not 0 < reset_seconds < math.inf:
        raise UsageError(f"reset_seconds= is {reset_seconds:g}, and must be above 0.", "Leave it out for no reset.")


def extract_stream(  # noqa: PLR0913 - a stage of the pipeline with its grid
    stream: TimedFrames,
    extractor: StreamExtractor,
    *,
    fps: float,
    stride_frames: int = 1,
    batch_frames: int = 8,
    reset_seconds: float | None = None,
    ahead_batches: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.float32], FrameTiming]:
    """Extract the features of frames 0, stride, 2·stride …, each from the frames up to its own, in bounded memory.

    Args:
        stream: The frames; ``timing`` is read after the last one.
        extractor: The causal network.
        fps: Frames per second of the stream.
        stride_frames: Frames between two steps; the network sees those between as well.
        batch_frames: Frames that go through the network together.
        reset_seconds: After so many seconds the state starts afresh, again and again; None never resets it.
        ahead_batches: Batches of frames that are read and prepared ahead on a thread; with 0 all takes turns.
        on_progress: Called with the number of frames done so far.

    Returns:
        Features float32 ``[T, C]``, ``T = ⌈frames / stride⌉``, and the stream's timing.

    Raises:
        VideoError: The stream has no frames; or what the stream itself raises.
    """
    encoder = FrameEncoder(extractor, fps, stride_frames, batch_frames, reset_seconds, fills_batches=True)
    collected = FeatureCollector()
    for frames, prepared in prepare_ahead(stream, encoder.prepare, ahead_batches):
        collected.add_all(encoder.push(prepared))
        if on_progress is not None:
            on_progress(frames)
    collected.add_all(encoder.finish())
    features = collected.stack()
    if features is None:
        raise VideoError("The video has no frames: there is nothing to compute.", "Take another video.")
    return features, stream.timing


class FrameEncoder:
    """Takes the frames of one video piece by piece, and begins afresh after every so many seconds.

    Args:
        extractor: The causal network.
        fps: Frames per second of the stream.
        stride_frames: Frames between two steps; the network sees those between as well.
        batch_frames: Frames that go through the network together.
        reset_seconds: After so many seconds the state starts afresh; None never resets it.
        fills_batches: Whether frames wait until so many are there; else all are computed when they come.

    Attributes:
        frames: Frames that went through the network.
    """

    def __init__(
        self,
        extractor: StreamExtractor,
        fps: float,
        stride_frames: int = 1,
        batch_frames: int = 8,
        reset_seconds: float | None = None,
        *,
        fills_batches: bool = False,
    ) -> None:
        self.frames = 0
        self._fills_batches = fills_batches
        self._waiting: Tensor | None = None
        self._extractor, self._stride, self._batch_frames = extractor, stride_frames, batch_frames
        self._reset = max(1, round(reset_seconds * fps)) if reset_seconds is not None else None
        self._run: FeatureRun | None = None

    def prepare(self, frames: NDArray[np.uint8]) -> Tensor:
        """Prepare frames ``[N, H, W, 3]``; may run on another thread than the rest."""
        return prepare_frames(self._extractor, frames)

    def push(self, prepared: Tensor) -> Iterator[Tensor]:
        """Features ``[M, C]`` of the steps among the next prepared frames ``[N, 3, S, S]``."""
        import torch

        waiting = prepared if self._waiting is None else torch.cat([self._waiting, prepared])
        rest = len(waiting) % self._batch_frames if self._fills_batches else 0
        whole, self._waiting = waiting.split([len(waiting) - rest, rest])
        for piece in whole.split(self._batch_frames):
            yield from self._encode(piece)

    def push_frames(self, frames: NDArray[np.uint8]) -> Iterator[Tensor]:
        """``prepare`` and ``push``, one after the other."""
        return self.push(self.prepare(frames))

    def finish(self) -> Iterator[Tensor]:
        """Features of the steps among the frames that waited."""
        if self._waiting is not None:
            yield from self._encode(self._waiting)
            self._waiting = None

    def _encode(self, frames: Tensor) -> Iterator[Tensor]:
        while len(frames):
            if self._run is None or (self._reset is not None and self.frames % self._reset == 0):
                self._run = self._extractor.start_run()
            left = len(frames) if self._reset is None else self._reset - self.frames % self._reset
            features = self._run.encode(frames[:left])[-self.frames % self._stride :: self._stride]
            self.frames += len(frames[:left])
            frames = frames[left:]
            if len(features):
                yield features
