"""What a video reader yields: facts of the stream, and batches of frames that always carry their times."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.decoding import StreamDamageError

Picture = Callable[[], NDArray[np.uint8]]
"""A decoded frame that is converted to RGB, uint8 ``[H, W, 3]``, when it is called."""


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video stream, as its header states them.

    Attributes:
        path: The file; of an address the last part alone.
        rate: Nominal frames per second, after implausible header fields are discarded; None if unknown.
        frame_count: Number of frames the header claims; None when it says nothing. An estimate only.
        duration_seconds: Duration the header claims; None when it says nothing. An estimate only.
        width: Pixels, after rotation.
        height: Pixels, after rotation.
        rotation_degrees: Clockwise turn already applied to the frames: 0, 90, 180 or 270.
        codec: Codec name.
        reader: Name of the reader of this file.
    """

    path: Path
    rate: Fraction | None
    frame_count: int | None
    duration_seconds: float | None
    width: int
    height: int
    rotation_degrees: int
    codec: str
    reader: str


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Consecutive frames in presentation order.

    Attributes:
        frames: uint8 RGB ``[N, H, W, 3]``.
        pts_seconds: float64 ``[N]``, presentation times on the player's timeline, increasing.
    """

    frames: NDArray[np.uint8]
    pts_seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pts_seconds)


@dataclass(frozen=True)
class FrameTiming:
    """Timing measured while the frames were read; a ``FeatureGrid`` is made from it.

    Attributes:
        rate: Frames per second of the yielded frames.
        frame_count: Frames yielded.
        start_seconds: Presentation time of the first frame.
        duration_seconds: End of the last frame on the player's timeline.
        knots: ``(frame, seconds)`` pairs of a variable-rate stream; empty for a constant rate.
        broken_seconds: Where the stream stopped decoding; None when it was read to its end.
        broken_reason: Why; empty when it was read to its end.
    """

    rate: float
    frame_count: int
    start_seconds: float
    duration_seconds: float
    knots: tuple[tuple[float, float], ...] = ()
    broken_seconds: float | None = None
    broken_reason: str = ""


class VideoReader(Protocol):
    """A video decoder. PyAV is the reference: every reader gives the same frames and times."""

    @property
    def info(self) -> VideoInfo:
        """Facts of the stream."""
        ...

    def batches(self, batch_frames: int, start_seconds: float | None = None) -> Iterator[FrameBatch]:
        """All frames in presentation order, at most ``batch_frames`` at a time.

        Args:
            batch_frames: Frames of one batch at most.
            start_seconds: Frames before the last one that precedes this time may be skipped; None skips none.

        Raises:
            StreamBrokenError: The stream stopped decoding; every good frame was yielded before.
            VideoError: Not one frame could be decoded.
        """
        ...

    def close(self) -> None:
        """Free the decoder; further reading is an error."""
        ...


@runtime_checkable
class PictureReader(VideoReader, Protocol):
    """A decoder that spares work on frames that are not looked at."""

    def pictures(
        self, rate: float, start_seconds: float | None = None, origin_seconds: float | None = None
    ) -> Generator[tuple[Picture | None, float], None, None]:
        """All frames in presentation order, with their seconds; None for one that is not looked at.

        Args:
            rate: Only frames nearest to ``origin + k / rate`` are looked at.
            start_seconds: As ``VideoReader.batches``.
            origin_seconds: The first instant that is looked at; None is the time of the first frame.

        Raises:
            CannotSkipError: The stream broke or does not behave; ``batches`` must read it.
            VideoError: As ``VideoReader.batches``.
        """
        ...


def gather_batches(
    pictures: Iterable[tuple[NDArray[np.uint8], float]], batch_frames: int, info: VideoInfo
) -> Generator[FrameBatch, None, None]:
    """Gather pictures (uint8 ``[H, W, 3]``) and their times into batches; each picture is copied once.

    Raises:
        StreamDamageError: The stream broke; every picture before was yielded.
    """
    shape = (batch_frames, info.height, info.width, 3)
    frames, times = np.empty(shape, np.uint8), list[float]()
    damage: StreamDamageError | None = None
    try:
        for picture, seconds in pictures:
            frames[len(times)] = picture
            times.append(seconds)
            if len(times) == batch_frames:
                yield FrameBatch(frames, np.array(times))
                frames, times = np.empty(shape, np.uint8), []
    except StreamDamageError as error:
        damage = error
    if times:
        yield FrameBatch(frames[: len(times)], np.array(times))
    if damage is not None:
        raise damage
