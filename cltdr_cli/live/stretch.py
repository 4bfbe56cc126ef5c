"""One unbroken stretch of a live video: frames in, final segments out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from cltdr_cli.features.extract import WindowEncoder
from cltdr_cli.features.streaming import FrameEncoder
from cltdr_cli.live.clock import EndClock, FrameClock
from cltdr_cli.live.finders import Finder, join_detections
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.segments import Detections
from cltdr_cli.video.frames import FrameBatch
from cltdr_cli.video.resampling import RangeFilter, Resampler, SampleGrid
from extractors.spec import StreamExtractor

if TYPE_CHECKING:
    from torch import Tensor

    from extractors.spec import Extractor


_READ_FRAMES = 256
"""Frames that are read at once, at most, and wait for the extractor."""


@dataclass(frozen=True)
class LiveDetector:
    """What detects in a live video.

    Attributes:
        extractor: The frozen network.
        options: Grid of its features, and how frames are read.
        make_finder: Finds segments in its features; a fresh one for every stretch, by the steps per second.
    """

    extractor: Extractor
    options: VideoOptions
    make_finder: Callable[[float], Finder]

    @property
    def fps(self) -> float | None:
        """Frames per second that the video is resampled to; None for its own."""
        return self.options.fps or self.extractor.spec.rate

    @property
    def stride_frames(self) -> int:
        """Frames between two steps."""
        return self.options.stride_frames or self.extractor.spec.stride_frames

    @property
    def window_frames(self) -> int:
        """Frames that one step looks at."""
        return self.options.window_frames or self.extractor.spec.window_frames

    def begin(self, stated_rate: Fraction | None) -> Stretch:
        """Begin a stretch of a source whose nominal rate this is."""
        return Stretch(self, stated_rate)


class Stretch:
    """The way of one unbroken stretch through extractor and localizer.

    Args:
        detector: What detects.
        stated_rate: Frames per second that the source states; None if it states none.
    """

    def __init__(self, detector: LiveDetector, stated_rate: Fraction | None) -> None:
        fps, stride, window = detector.fps, detector.stride_frames, detector.window_frames
        nominal = FrameClock(fps, stated_rate, 1).rate
        self.finder = detector.make_finder(nominal / stride)
        self._fps = fps
        waiting = (detector.options.batch_clips + 1) * stride + window + _READ_FRAMES
        self._clock = FrameClock(fps, stated_rate, self.finder.held_steps * stride + waiting)
        self._end = EndClock(stated_rate)
        self._sampler: RangeFilter | Resampler | None = None
        options, extractor = detector.options, detector.extractor
        if extractor.spec.causal and isinstance(extractor, StreamExtractor):
            self._encoder = FrameEncoder(extractor, nominal, stride, options.batch_clips, options.reset_seconds)
        else:
            self._encoder = WindowEncoder(extractor, stride, window, options.batch_clips)

    @property
    def seen_seconds(self) -> float:
        """Seconds of source read: where the last frame ends."""
        return self._end.end_seconds

    def push(self, batch: FrameBatch) -> Detections:
        """Segments that are final now, from the next frames of the source."""
        self._end.push(batch.pts_seconds)
        self._sampler = self._sampler or self._make_sampler(batch)
        return join_detections([self._look(sampled) for sampled in self._sampler.push(batch)])

    def finish(self) -> Detections:
        """The remaining segments: the stretch has ended."""
        if self._sampler is None:
            return Detections.empty()
        found = [self._look(sampled) for sampled in self._sampler.finish(self._end.end_seconds)]
        found.append(self._find(self._encoder.finish()))
        return join_detections([*found, self.finder.finish(self._clock, self._end.end_seconds)])

    def _make_sampler(self, first: FrameBatch) -> RangeFilter | Resampler:
        if self._fps is None:
            return RangeFilter(-np.inf, np.inf)
        return Resampler(SampleGrid(self._fps, float(first.pts_seconds[0])), max(1, len(first)))

    def _look(self, sampled: FrameBatch) -> Detections:
        self._clock.push(sampled.pts_seconds)
        return self._find(self._encoder.push_frames(sampled.frames))

    def _find(self, parts: Iterable[Tensor]) -> Detections:
        rows = [features.float().cpu().numpy() for features in parts]
        if not rows:
            return Detections.empty()
        return self.finder.push(np.concatenate(rows), self._clock, self._end.end_seconds)
