"""Presentation times: from a stream's ticks to seconds on the player's timeline, in display order."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from cltdr_cli.video.decoding import StreamDamageError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

Shown = TypeVar("Shown")

# Frames held back while their times are sorted. A decoder already hands out frames in the order of display; only
# the times that some containers attach (AVI with packed B-frames) are swapped, and among neighbours.
REORDER_FRAMES = 4
# A time this far before its predecessor is a restarted clock (joined recordings), not a swapped neighbour.
RESTART_SECONDS = 1.0


@dataclass(frozen=True)
class StreamClock:
    """The time of one stream.

    Attributes:
        time_base: Seconds per tick.
        origin: Seconds, on the container's clock, of the instant that a player shows as 0:00.
    """

    time_base: Fraction
    origin: Fraction

    def seconds(self, ticks: int) -> float:
        """Seconds on the player's timeline."""
        base, origin = self.time_base, self.origin
        above = ticks * base.numerator * origin.denominator - origin.numerator * base.denominator
        return above / (base.denominator * origin.denominator)

    def ticks(self, seconds: float) -> int:
        """The last tick at or before a time on the player's timeline."""
        return int((Fraction(seconds) + self.origin) // self.time_base)


def read_clock(container: InputContainer, stream: VideoStream) -> StreamClock:
    """Read the clock of a stream; as in players, its origin is the earliest start of all streams."""
    base = stream.time_base or Fraction(1, 1000)
    origin = Fraction(container.start_time or 0, 1_000_000)
    if stream.start_time is not None:
        exact = stream.start_time * base
        if abs(exact - origin) <= Fraction(1, 1_000_000):  # the container's start is rounded to microseconds
            origin = exact
    return StreamClock(base, origin)


def order_for_display(
    timed: Iterable[tuple[Shown, float | None]], period_seconds: float
) -> Generator[tuple[Shown, float], None, None]:
    """Give frames strictly increasing times, without changing their order.

    Swapped times are sorted within a short window; a missing time is its predecessor's plus one period; a clock
    that restarts is continued; a time that does not lie after its predecessor's moves a little behind it. Where
    the source breaks, the frames after a gap among the last ones are dropped.

    Args:
        timed: Frames in the order of display, each with its seconds or None.
        period_seconds: Nominal distance between two frames.

    Yields:
        The same frames with their repaired seconds.

    Raises:
        StreamDamageError: The source broke, and where; the frames before it were yielded.
    """
    waiting: deque[Shown] = deque()
    times: list[float] = []
    last, damage = float("-inf"), None
    source = _continue_clock(timed, period_seconds)
    while True:
        try:
            item, seconds = next(source)
        except StopIteration:
            break
        except StreamDamageError as error:
            damage = error
            break
        waiting.append(item)
        heapq.heappush(times, seconds)
        if len(waiting) > REORDER_FRAMES:
            last = _move_after(last, heapq.heappop(times), period_seconds)
            yield waiting.popleft(), last
    while waiting:
        seconds = _move_after(last, heapq.heappop(times), period_seconds)
        if damage is not None and seconds > last + 1.5 * period_seconds > float("-inf"):
            break  # the frames between them, which are decoded later than their neighbours, are lost
        last = seconds
        yield waiting.popleft(), last
    if damage is not None:
        raise StreamDamageError(str(damage), last + period_seconds) from damage


def _move_after(last: float, seconds: float, period_seconds: float) -> float:
    return seconds if seconds > last else last + period_seconds / 16


def _continue_clock(
    timed: Iterable[tuple[Shown, float | None]], period_seconds: float
) -> Generator[tuple[Shown, float], None, None]:
    previous: float | None = None
    shift = 0.0
    for item, stated in timed:
        following = 0.0 if previous is None else previous + period_seconds
        seconds = following if stated is None else stated + shift
        if previous is not None and seconds < previous - RESTART_SECONDS:
            shift += following - seconds
            seconds = following
        previous = seconds
        yield item, seconds
