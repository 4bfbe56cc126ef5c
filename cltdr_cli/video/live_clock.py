"""When the frames of a live source were taken: by their own times where these make sense, else by when they came."""

from __future__ import annotations

from fractions import Fraction

from cltdr_cli.video.clock import RESTART_SECONDS

WITHOUT_TIMES = frozenset({"mpjpeg", "mjpeg", "h264", "hevc", "m4v"})
"""FFmpeg's names of formats that hold pictures only; it numbers them as if they were 25 a second."""

LEAD_SECONDS = 60.0
"""A server may hand over this much of the past at once; times that run further ahead of this machine's are wrong."""


class LiveClock:
    """Seconds of the frames of one connection.

    A clock that is set anew (an encoder that was restarted, a camera that has asked for the time) goes on where it
    was; between the two frames lies what passed on this machine's clock.

    Args:
        begin_seconds: Of the first frame.
        period_seconds: Nominal distance between two frames.
        base: Seconds of a tick; None where the format has no times: a frame was taken when it came.
        is_paced: Whether frames come when they are taken. A pipe may be faster than that.
    """

    def __init__(self, begin_seconds: float, period_seconds: float, base: Fraction | None, *, is_paced: bool) -> None:
        self._begin, self._period, self._base, self._is_paced = begin_seconds, period_seconds, base, is_paced
        self._zero: float | None = None  # where tick 0 lies
        self._first_came = 0.0
        self._last: tuple[float, float] | None = None  # seconds of the last frame, and when it came

    def place(self, ticks: int | None, came_seconds: float) -> float:
        """Seconds of the next frame, by its ticks (None: it has none) and when it came on this machine's clock."""
        if self._last is None:
            self._first_came = came_seconds
        seconds = self._read(ticks, came_seconds)
        self._last = seconds, came_seconds
        return seconds

    def _read(self, ticks: int | None, came_seconds: float) -> float:
        if self._base is None:
            return self._begin + came_seconds - self._first_came
        following = self._begin if self._last is None else self._last[0] + self._period
        if ticks is None:
            return following
        stated = float(ticks * self._base)
        if self._zero is None:
            self._zero = following - stated
        elif self._is_set_anew(self._zero + stated, came_seconds):
            self._zero = self._follow(came_seconds) - stated
        return self._zero + stated

    def _is_set_anew(self, seconds: float, came_seconds: float) -> bool:
        if self._last is None:
            return False
        latest = self._begin + came_seconds - self._first_came + LEAD_SECONDS
        return seconds < self._last[0] - RESTART_SECONDS or (self._is_paced and seconds > latest)

    def _follow(self, came_seconds: float) -> float:
        last, came = self._last or (self._begin, came_seconds)
        return last + max(self._period, came_seconds - came if self._is_paced else 0.0)
