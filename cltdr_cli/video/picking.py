"""The frames nearest to the instants of a rate, from a reader that spares work on all others."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import StreamBrokenError
from cltdr_cli.video.decoding import StreamDamageError
from cltdr_cli.video.frames import FrameBatch, FrameTiming, Picture, PictureReader, gather_batches
from cltdr_cli.video.resampling import SAME_SECONDS, SampleGrid
from cltdr_cli.video.skipping import CannotSkipError
from cltdr_cli.video.timing import measure_timing

Timed = tuple["Picture | None", float]


class PickedFrames:
    """The samples of a grid as batches, and the times of all frames on the way.

    Args:
        reader: The video.
        rate: Samples per second.
        start_seconds: Samples before it are left out.
        end_seconds: Samples from it on are left out.
        batch_frames: Samples of one batch at most.

    Attributes:
        times: Seconds of every frame so far.
        exhausted: Whether the last frame of the video was read.
        broken: None; a stream that breaks raises ``CannotSkipError``.
    """

    def __init__(
        self, reader: PictureReader, rate: float, start_seconds: float, end_seconds: float, batch_frames: int
    ) -> None:
        self._reader, self._rate = reader, rate
        self._start, self._end, self._batch_frames = start_seconds, end_seconds, batch_frames
        self.times: list[float] = []
        self.exhausted = False
        self.broken: StreamBrokenError | None = None

    def __iter__(self) -> Generator[FrameBatch, None, None]:
        """Batches in the order of display.

        Raises:
            CannotSkipError: The video must be read with every frame decoded.
        """
        start, origin = (None, None) if self._start == -np.inf else (self._start, self._find_origin())
        with closing(self._reader.pictures(self._rate, start, origin)) as pictures:
            pixels = _convert(self._pick(pictures, origin))
            try:
                yield from gather_batches(pixels, self._batch_frames, self._reader.info)
            except StreamDamageError as damage:  # a picture that cannot be converted
                raise CannotSkipError(str(damage)) from damage

    def timing(self) -> FrameTiming:
        """Timing of all frames read so far."""
        return measure_timing(np.array(self.times), [self._reader.info.rate])

    def _find_origin(self) -> float:
        with closing(self._reader.pictures(self._rate)) as pictures:
            first = next(pictures, None)
        if first is None:
            raise CannotSkipError("there is no first frame")
        return first[1]

    def _pick(self, pictures: Iterable[Timed], origin: float | None) -> Iterator[Timed]:
        """Pictures at their instants: each is certain once a frame at or after it is known."""
        grid, following, held = None, 0, None
        for picture, seconds in pictures:
            self.times.append(seconds)
            if grid is None:
                grid = SampleGrid(self._rate, seconds if origin is None else origin, self._start, self._end)
                following = grid.first()
            beyond = grid.beyond(seconds)
            for instant in grid.seconds(following, beyond):
                yield _choose_nearer(held, (picture, seconds), float(instant))
            following, held = max(following, beyond), (picture, seconds)
            if seconds >= self._end:
                return
        self.exhausted = True
        if grid is not None and held is not None:
            for instant in grid.seconds(following, grid.beyond(self.timing().duration_seconds)):
                yield held[0], float(instant)


def _choose_nearer(before: Timed | None, after: Timed, instant: float) -> Timed:
    """Of two frames the one nearer to an instant; midway the earlier one."""
    if before is not None and instant - before[1] <= after[1] - instant + SAME_SECONDS:
        return before[0], instant
    return after[0], instant


def _convert(picked: Iterable[Timed]) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """Pictures as pixels; one that is picked again and again is converted once."""
    last, pixels = None, None
    for picture, instant in picked:
        if picture is None:
            raise CannotSkipError("a frame that is looked at was left out")
        if picture is not last or pixels is None:
            last, pixels = picture, picture()
        yield pixels, instant
