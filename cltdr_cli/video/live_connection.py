"""One connection to a live source: its frames, when each was taken, and when it came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import chain, islice, pairwise
from statistics import median
from typing import TYPE_CHECKING

from cltdr_cli.errors import VideoError
from cltdr_cli.video.clock import order_for_display
from cltdr_cli.video.container import find_video_stream
from cltdr_cli.video.decoding import StreamDamageError
from cltdr_cli.video.live_clock import WITHOUT_TIMES, LiveClock
from cltdr_cli.video.live_decoding import decode_on
from cltdr_cli.video.network import Address
from cltdr_cli.video.probe import list_stated_rates
from cltdr_cli.video.timing import FALLBACK_RATE, HIGHEST_RATE

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

RATED_FRAMES = 9
"""So many of the first frames tell the rate of a source that states no times."""

PLAYERS = frozenset({"hls", "rtsp"})
"""FFmpeg's names of what plays recordings, and states their length then, or something live."""

END_SECONDS = 1.0
"""How much a recording may lack of the length that its server states."""

LATEST_FRAMES = 64
"""Among so many of the last frames is one that came at once; a decoder gives the very last ones only at the end."""


class Connection:
    """An open source. Read it once; that closes it.

    Args:
        container: What it gives.
        shown: Its name in messages.
        clock: Seconds of this machine, that never run backwards.
        is_paced: Whether frames come when they are taken. A pipe may be faster than that.

    Attributes:
        rate: Frames per second; None if unknown.

    Raises:
        VideoError: It holds no pictures, or breaks at once.
    """

    def __init__(
        self, container: InputContainer, shown: str | Address, clock: Callable[[], float], *, is_paced: bool
    ) -> None:
        self._container, self._clock, self._is_paced = container, clock, is_paced
        self._asked_seconds = clock()
        self._stated_seconds = (container.duration or 0) / 1e6 if container.format.name in PLAYERS else 0.0
        self._lags: deque[float] = deque(maxlen=LATEST_FRAMES)
        try:
            stream = find_video_stream(container, shown)
            self._has_times = not is_paced or container.format.name not in WITHOUT_TIMES
            self._base = stream.time_base or Fraction(1, 1000)
            self._frames: Iterator[tuple[VideoFrame, float]] = self._note_times(decode_on(container, stream))
            self.rate = self._find_rate(list_stated_rates(stream))
        except VideoError:
            container.close()
            raise
        except StreamDamageError as error:
            container.close()
            raise VideoError(f"{shown} broke off: {error}.", "Check what sends it.") from None

    @property
    def waited_seconds(self) -> float:
        """How long the next frame has been waited for."""
        return self._clock() - self._asked_seconds

    @property
    def period_seconds(self) -> float:
        """Nominal distance between two frames."""
        return float(1 / (self.rate or FALLBACK_RATE))

    def is_whole(self, seconds: float) -> bool:
        """Whether so many seconds are all that it holds, as a server of recordings says."""
        return 0 < self._stated_seconds <= seconds + END_SECONDS

    def tell_time(self) -> float:
        """Where the source is now, if it went on after its last frames; known once it was read from."""
        return self._clock() - min(self._lags) + self.period_seconds

    def read(self, begin_seconds: float) -> Generator[tuple[VideoFrame, float], None, None]:
        """Frames in the order of display, each with its seconds; the first is at ``begin_seconds``.

        Raises:
            StreamDamageError: It broke; every good frame was yielded before.
        """
        base = self._base if self._has_times else None
        clock = LiveClock(begin_seconds, self.period_seconds, base, is_paced=self._is_paced)
        self._lags.append(self._clock() - begin_seconds + self.period_seconds)
        with closing(self._container):
            yield from order_for_display(self._place(clock), self.period_seconds)

    def _place(self, clock: LiveClock) -> Generator[tuple[VideoFrame, float], None, None]:
        for frame, came in self._frames:
            seconds = clock.place(frame.pts, came)
            self._lags.append(came - seconds)
            yield frame, seconds

    def _find_rate(self, stated: Sequence[Fraction | None]) -> Fraction | None:
        if self._has_times:
            return next((rate for rate in stated if rate and 0 < rate <= HIGHEST_RATE), None)
        first = [*islice(self._frames, RATED_FRAMES)]
        self._frames = chain(first, self._frames)
        passed = [after - before for (_, before), (_, after) in pairwise(first)]
        usual = median(passed) if passed else 0.0  # some come at once, that waited while the format was found out
        return Fraction(1 / usual).limit_denominator(100) if usual > 1 / HIGHEST_RATE else None

    def _note_times(self, frames: Iterator[VideoFrame]) -> Generator[tuple[VideoFrame, float], None, None]:
        """Frames, and when each came."""
        self._asked_seconds = self._clock()
        for frame in frames:
            yield frame, self._clock()
            self._asked_seconds = self._clock()
