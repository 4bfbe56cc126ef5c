"""Stream the frames of a video: all or a time range, at any frame rate, decoded ahead on a thread."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import StreamBrokenError, UsageError, VideoError
from cltdr_cli.video.frames import FrameBatch, FrameTiming, PictureReader, VideoInfo, VideoReader
from cltdr_cli.video.picking import PickedFrames
from cltdr_cli.video.read_ahead import read_ahead
from cltdr_cli.video.resampling import RangeFilter, Resampler, SampleGrid
from cltdr_cli.video.skipping import CannotSkipError
from cltdr_cli.video.timing import measure_timing

# A batch holds no more than this, whatever the size of a frame (one frame of 4K is 24.9 MB).
BATCH_BYTES = 24 << 20


def choose_batch_frames(info: VideoInfo, most: int = 32) -> int:
    """Frames of one batch: so many at most, fewer where frames are large."""
    return max(1, min(most, BATCH_BYTES // (info.width * info.height * 3)))


class FrameStream:
    """The frames of a video in batches, each frame once; a thread decodes ahead into a bounded queue.

    Iterate it once for all frames; afterwards ``timing`` holds what was measured. Stopping early ends the thread.

    Args:
        reader: The video; it stays open.
        fps: Frames per second to resample to, by presentation time: the nearest frame at every
            ``start + k / fps``; None keeps every frame.
        start_seconds: Frames before it are left out; times stay those of the whole video.
        end_seconds: Frames from it on are left out.
        batch_frames: Frames of one batch at most; fewer where frames are large.
        queue_batches: Batches that wait at most; 0 decodes each when it is asked for, without a thread.
        strict: Whether a stream that breaks raises ``StreamBrokenError`` after its last good frame. Otherwise it
            ends there, and ``timing`` says where and why; and damage in a frame that need not be decoded for the
            rate is not noticed.

    Raises:
        UsageError: The rate is not positive, or the range is empty.
    """

    def __init__(
        self,
        reader: VideoReader,
        *,
        fps: float | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        batch_frames: int = 32,
        queue_batches: int = 4,
        strict: bool = False,
    ) -> None:
        if fps is not None and not (0 < fps < math.inf):
            raise UsageError(f"A rate of {fps:g} frames per second cannot be.", "Give a positive number.")
        self._start = -math.inf if start_seconds is None else start_seconds
        self._end = math.inf if end_seconds is None else end_seconds
        if not self._start < self._end:
            raise UsageError(
                f"The range from {self._start:g} s to {self._end:g} s is empty.",
                "Let it start before it ends.",
            )
        self._reader, self._fps, self._strict, self._queue_batches = reader, fps, strict, queue_batches
        self._batch_frames = choose_batch_frames(reader.info, batch_frames)
        self._timing: FrameTiming | None = None

    @property
    def info(self) -> VideoInfo:
        """Facts of the stream, as its header states them."""
        return self._reader.info

    @property
    def timing(self) -> FrameTiming:
        """Measured timing; available after every frame has been yielded."""
        if self._timing is None:
            raise RuntimeError("the timing is known only after the last frame was read")
        return self._timing

    def __iter__(self) -> Iterator[FrameBatch]:
        """Batches in presentation order.

        Raises:
            StreamBrokenError: The stream broke and ``strict`` is set; every good frame was yielded before.
            VideoError: The range holds no frame.
        """
        self._timing = None
        wanted = self._read_wanted()
        return read_ahead(wanted, self._queue_batches) if self._queue_batches else wanted

    def _read_wanted(self) -> Generator[FrameBatch, None, None]:
        """Read only the frames that a rate looks at where that is possible, else all; runs on the thread."""
        done_frames = 0
        if self._fps is not None and not self._strict and isinstance(self._reader, PictureReader):
            try:
                for batch in self._pick_frames(self._reader, self._fps):
                    yield batch
                    done_frames += len(batch)
            except CannotSkipError:
                pass  # read again from its start, and given on from where this ended
            else:
                return
        yield from _drop_frames(self._read_all(), done_frames)

    def _pick_frames(self, reader: PictureReader, fps: float) -> Generator[FrameBatch, None, None]:
        source = PickedFrames(reader, fps, self._start, self._end, self._batch_frames)
        times: list[NDArray[np.float64]] = []
        with closing(iter(source)) as picked:
            yield from _note_times(picked, times)
        if not times:
            raise self._explain_empty_range(source)
        self._timing = self._measure(np.concatenate(times), source)

    def _read_all(self) -> Generator[FrameBatch, None, None]:
        """Read, filter or resample, and measure."""
        source = _RangeReader(self._reader, self._batch_frames, self._start, self._end)
        times: list[NDArray[np.float64]] = []
        sampler: RangeFilter | Resampler | None = None
        for batch in source:
            sampler = sampler or self._make_sampler(batch)
            yield from _note_times(sampler.push(batch), times)
        if sampler is not None and source.exhausted:
            yield from _note_times(sampler.finish(source.timing().duration_seconds), times)
        if not times:
            raise self._explain_empty_range(source)
        self._timing = self._measure(np.concatenate(times), source)
        if self._strict and source.broken is not None:
            raise source.broken

    def _make_sampler(self, first: FrameBatch) -> RangeFilter | Resampler:
        if self._fps is None:
            return RangeFilter(self._start, self._end)
        if self._start > -math.inf:
            first = next(iter(self._reader.batches(1)))
        grid = SampleGrid(self._fps, float(first.pts_seconds[0]), self._start, self._end)
        return Resampler(grid, self._batch_frames)

    def _measure(self, times: NDArray[np.float64], source: _RangeReader | PickedFrames) -> FrameTiming:
        if self._fps is None:
            timing = measure_timing(times, [self.info.rate])
        else:
            end = source.timing().duration_seconds if source.exhausted else self._end
            timing = FrameTiming(self._fps, len(times), float(times[0]), min(end, self._end))
        if source.broken is None:
            return timing
        return replace(timing, broken_seconds=source.broken.seconds, broken_reason=source.broken.message)

    def _explain_empty_range(self, source: _RangeReader | PickedFrames) -> VideoError:
        if source.broken is not None:
            return source.broken
        end = f"; it ends at {source.timing().duration_seconds:.3f} s" if source.times else ""
        return VideoError(
            f"{self.info.path} has no frame between {max(self._start, 0):g} s and {self._end:g} s{end}.",
            "Choose a range within the video.",
        )


class _RangeReader:
    """Reads batches up to the end of a range or a break in the stream, and keeps their times.

    Attributes:
        times: Times of every batch so far, each float64 ``[N]``.
        exhausted: Whether the last frame of the video (or the last before a break) was read.
        broken: The error at a break; else None.
    """

    def __init__(self, reader: VideoReader, batch_frames: int, start: float, end: float) -> None:
        self._reader, self._batch_frames, self._start, self._end = reader, batch_frames, start, end
        self.times: list[NDArray[np.float64]] = []
        self.exhausted = False
        self.broken: StreamBrokenError | None = None

    def __iter__(self) -> Iterator[FrameBatch]:
        start = self._start if self._start > -math.inf else None
        try:
            for batch in self._reader.batches(self._batch_frames, start):
                self.times.append(batch.pts_seconds)
                yield batch
                if batch.pts_seconds[-1] >= self._end:
                    return
        except StreamBrokenError as error:
            self.broken = error
        self.exhausted = True

    def timing(self) -> FrameTiming:
        """Timing of all frames read so far."""
        return measure_timing(np.concatenate(self.times), [self._reader.info.rate])


def _drop_frames(batches: Iterable[FrameBatch], count: int) -> Iterator[FrameBatch]:
    """Batches without their first ``count`` frames."""
    for batch in batches:
        if count < len(batch):
            yield FrameBatch(batch.frames[count:], batch.pts_seconds[count:]) if count else batch
        count = max(0, count - len(batch))


def _note_times(batches: Iterator[FrameBatch], times: list[NDArray[np.float64]]) -> Iterator[FrameBatch]:
    for batch in batches:
        times.append(batch.pts_seconds)
        yield batch
