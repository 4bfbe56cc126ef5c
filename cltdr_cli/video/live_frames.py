"""Frames of sources that go on: cameras, streams behind addresses, pipes; and of files, played as if they did."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import StreamBrokenError, VideoError
from cltdr_cli.video.decoding import StreamDamageError
from cltdr_cli.video.frame_stream import BATCH_BYTES, choose_batch_frames
from cltdr_cli.video.frames import FrameBatch, VideoReader
from cltdr_cli.video.live_connection import Connection
from cltdr_cli.video.network import TIMEOUT_SECONDS, Address
from cltdr_cli.video.pictures import RgbPictures, read_orientation

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

GAP_SECONDS = 3.0
"""Frames further apart than this are told as a gap; what is seen after it has nothing to do with what was before."""

BATCH_SECONDS = 0.5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
"""Between two attempts to reopen a source; it doubles from one to the other."""


@dataclass(frozen=True)
class Interruption:
    """A source gives no more frames.

    Attributes:
        seconds: Of the source, up to where its frames are good.
        reason: Why.
    """

    seconds: float
    reason: str


@dataclass(frozen=True)
class Gap:
    """Nothing was seen between two times.

    Attributes:
        start_seconds: End of the last frame before.
        end_seconds: Time of the first frame after; None where none followed.
        reason: Why.
    """

    start_seconds: float
    end_seconds: float | None
    reason: str


Seen: TypeAlias = "FrameBatch | Interruption | Gap"


class FrameSource(Protocol):
    """Frames in presentation order, with what goes wrong between them. Iterate it once."""

    @property
    def rate(self) -> Fraction | None:
        """Nominal frames per second; None if unknown."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether its frames come when they are taken, so that reading waits for them."""
        ...

    def __iter__(self) -> Generator[Seen, None, None]:
        """Batches; an interruption, and after it the gap and further batches where the source comes back.

        Raises:
            VideoError: It did not come back in time.
        """
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


class RecordedFrames:
    """A file, or a video that a web server has whole; frames and times are those of ``detect``.

    Args:
        reader: The video; it is closed with this.
        in_real_time: Whether frames come as fast as a player shows them; else as fast as they are decoded.
        clock: Seconds that never run backwards.
        pause: Waits so many seconds.
    """

    is_live = False

    def __init__(
        self,
        reader: VideoReader,
        *,
        in_real_time: bool = False,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._reader, self._in_real_time, self._clock, self._pause = reader, in_real_time, clock, pause

    @property
    def rate(self) -> Fraction | None:
        """Nominal frames per second."""
        return self._reader.info.rate

    def __iter__(self) -> Generator[Seen, None, None]:
        """All frames; an interruption where the file breaks."""
        begin = self._clock()
        try:
            for batch in self._reader.batches(choose_batch_frames(self._reader.info)):
                if self._in_real_time:
                    self._pause(max(0.0, begin + float(batch.pts_seconds[-1]) - self._clock()))
                yield batch
        except StreamBrokenError as error:
            yield Interruption(error.seconds, error.message)

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()


class LiveFrames:
    """A source that goes on until it is stopped. Times count from its first frame.

    A source that drops is opened again, after pauses that double; the time until then is a gap. One that states its
    length (a recording behind a playlist or an RTSP server) ends when all of it was seen.

    Args:
        open_source: Opens it.
        shown: Its name in messages.
        reopens: Whether it can be opened again; a pipe cannot.
        give_up_seconds: After so long without a connection it is given up.
        patience_seconds: How long ``open_source`` lets a connection wait for a frame.
        clock: Seconds that never run backwards.
        pause: Waits so many seconds.

    Raises:
        VideoError: It cannot be opened the first time.
    """

    is_live = True

    def __init__(
        self,
        open_source: Callable[[], InputContainer],
        shown: str | Address,
        *,
        reopens: bool = True,
        give_up_seconds: float = math.inf,
        patience_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._open, self._shown, self._reopens = open_source, shown, reopens
        self._give_up, self._patience, self._clock, self._pause = give_up_seconds, patience_seconds, clock, pause
        self._connection = self._connect()

    @property
    def rate(self) -> Fraction | None:
        """Frames per second that the present connection states."""
        return self._connection.rate

    def __iter__(self) -> Generator[Seen, None, None]:
        """All frames, with interruptions and gaps."""
        begin = 0.0
        while True:
            end, reason, connection = begin, "it ended", self._connection
            try:
                for seen in _gather(connection, begin):
                    if isinstance(seen, FrameBatch):
                        end = float(seen.pts_seconds[-1]) + connection.period_seconds
                    yield seen
            except StreamDamageError as error:
                reason = str(error)
            if connection.waited_seconds >= self._patience:
                reason = f"no picture came for {self._patience:g} s"
            if not self._reopens or connection.is_whole(end - begin):
                if reason != "it ended":
                    yield Interruption(end, f"{self._shown} broke off: {reason}")
                return
            yield Interruption(end, f"{self._shown} gave no more frames: {reason}")
            yield from self._open_again(end)
            begin = max(end, connection.tell_time())
            yield Gap(end, begin, reason)

    def close(self) -> None:
        """Nothing: a connection is closed by whoever reads from it, which may be waiting for a frame."""

    def _connect(self) -> Connection:
        return Connection(self._open(), self._shown, self._clock, is_paced=self._reopens)

    def _open_again(self, end: float) -> Generator[Interruption, None, None]:
        """Open it, however often that fails; tells every new reason why it does."""
        begin, pause, told = self._clock(), FIRST_PAUSE_SECONDS, ""
        while True:
            try:
                self._connection = self._connect()
                return
            except VideoError as error:
                if self._clock() - begin >= self._give_up:
                    raise VideoError(
                        f"{self._shown} did not come back within {self._give_up:g} s. {error.message}", error.hint
                    ) from error
                if error.message != told:
                    yield Interruption(end, error.message)
                told = error.message
            self._pause(min(pause, max(0.0, self._give_up - (self._clock() - begin))))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _gather(connection: Connection, begin: float) -> Generator[FrameBatch | Gap, None, None]:
    """What one connection gives; its first frame is at ``begin`` seconds.

    Raises:
        StreamDamageError: It broke; every good frame was yielded before.
    """
    with closing(connection.read(begin)) as timed:
        yield from gather_live(_convert(timed), connection.period_seconds)


def _convert(timed: Iterator[tuple[VideoFrame, float]]) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """RGB pictures of the size of the first frame."""
    rgb: RgbPictures | None = None
    for frame, seconds in timed:
        rgb = rgb or RgbPictures(frame.width, frame.height, read_orientation(frame))
        yield rgb.convert(frame), seconds


def gather_live(
    pictures: Iterator[tuple[NDArray[np.uint8], float]], period_seconds: float
) -> Generator[FrameBatch | Gap, None, None]:
    """Gather pictures into batches of half a second at most; times that jump ahead are a gap.

    Raises:
        StreamDamageError: The stream broke; every picture before was yielded.
    """
    held: list[NDArray[np.uint8]] = []
    times: list[float] = []
    damage: StreamDamageError | None = None
    try:
        for picture, seconds in pictures:
            has_gap = bool(times) and seconds - times[-1] > GAP_SECONDS
            if has_gap or _is_full(held, times, seconds):
                yield FrameBatch(np.stack(held), np.array(times))
                if has_gap:
                    yield Gap(times[-1] + period_seconds, seconds, "the times of its frames jump")
                held, times = [], []
            held.append(picture.copy())
            times.append(seconds)
    except StreamDamageError as error:
        damage = error
    if times:
        yield FrameBatch(np.stack(held), np.array(times))
    if damage is not None:
        raise damage


def _is_full(held: list[NDArray[np.uint8]], times: list[float], seconds: float) -> bool:
    return bool(times) and (seconds - times[0] >= BATCH_SECONDS or (len(held) + 1) * held[0].nbytes > BATCH_BYTES)
