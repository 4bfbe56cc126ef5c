"""Frame rates, and the times of frames: from measured times to the facts behind a feature grid."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.frames import FrameTiming

FALLBACK_RATE = Fraction(25)
# Rates that cameras and editors use; a measured rate that fits one of them is taken to be it.
STANDARD_RATES = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1),
        (5, 1), (6, 1), (8, 1), (10, 1), (12, 1), (15000, 1001), (15, 1), (20, 1), (100, 1), (120, 1), (240, 1),
    )
)  # fmt: skip
# Times in milliseconds (Matroska) lie up to half a tick beside the true ones, at both ends of a difference.
ROUNDING_SECONDS = 0.0011
HIGHEST_RATE = 1000


def measure_deviation_seconds(times: NDArray[np.float64], rate: Fraction | float) -> float:
    """Largest distance of ``times[k]`` from ``times[0] + k / rate``."""
    return float(np.abs(times - times[0] - np.arange(len(times)) / float(rate)).max(initial=0.0))


def fit_rate(times: NDArray[np.float64], stated: Iterable[Fraction | None]) -> Fraction | float:
    """The rate of frames at increasing ``times`` ``[N]`` in seconds.

    The first stated or standard rate that explains every time up to rounding; otherwise whichever of the stated
    and the measured mean rate comes nearest.
    """
    known = [rate for rate in stated if rate and 0 < rate <= HIGHEST_RATE]
    if len(times) < 2:
        return known[0] if known else FALLBACK_RATE
    for rate in (*known, *STANDARD_RATES):
        if measure_deviation_seconds(times, rate) <= ROUNDING_SECONDS:
            return rate
    measured = float((len(times) - 1) / (times[-1] - times[0]))
    return min((*known, measured), key=lambda rate: measure_deviation_seconds(times, rate))


def choose_nominal_rate(times: NDArray[np.float64], stated: Iterable[Fraction | None]) -> Fraction | None:
    """The rate that a header states, checked against the times of its first packets ``[N]`` (sorted, in seconds).

    Returns:
        The first stated rate within a tenth of the measured one; else the measured one; None if nothing is known.
    """
    known = [rate for rate in stated if rate and 0 < rate <= HIGHEST_RATE]
    if len(times) < 3 or times[-1] <= times[0]:
        return known[0] if known else None
    measured = (len(times) - 1) / (times[-1] - times[0])
    for rate in known:
        if abs(float(rate) / measured - 1) < 0.1:
            return rate
    return Fraction(fit_rate(times, ())).limit_denominator(1001)


KNOT_TOLERANCE_SECONDS = 0.001


def measure_timing(times: NDArray[np.float64], stated: Iterable[Fraction | None] = ()) -> FrameTiming:
    """Rate, start, end and, where the rate varies, the knots of a stream.

    The rate is constant when every frame lies less than half a frame interval beside ``start + k / rate``; times
    rounded to milliseconds, or slightly late ones, do not make a rate variable.

    Args:
        times: float64 ``[N]``, N ≥ 1, increasing presentation times in seconds.
        stated: Rates the header states, best first.
    """
    rate = fit_rate(times, stated)
    constant = measure_deviation_seconds(times, rate) < 0.5 / float(rate)
    if constant:
        end = float(times[0] + len(times) / float(rate))
        knots: tuple[tuple[float, float], ...] = ()
    else:
        end = float(times[-1] + np.median(np.diff(times)))
        rate = (len(times) - 1) / float(times[-1] - times[0])
        knots = (*compress_knots(times), (float(len(times)), end))
    return FrameTiming(
        rate=float(rate),
        frame_count=len(times),
        start_seconds=float(times[0]),
        duration_seconds=end,
        knots=knots,
    )


def compress_knots(
    times: NDArray[np.float64], tolerance_seconds: float = KNOT_TOLERANCE_SECONDS
) -> tuple[tuple[float, float], ...]:
    """The fewest-first piecewise-linear map frame → seconds through measured points, in one pass.

    Each piece is kept as long as one line from its first point to its last passes every point between them within
    the tolerance: the cone of slopes that do so only narrows.

    Args:
        times: float64 ``[N]``, increasing, seconds of frame 0, 1, …
        tolerance_seconds: Largest distance of a point from its line.

    Returns:
        ``(frame, seconds)`` pairs; the first and the last frame are among them.
    """
    points = times.tolist()
    knots = [0]
    low, high = float("-inf"), float("inf")
    for frame in range(1, len(points)):
        anchor = knots[-1]
        slope = (points[frame] - points[anchor]) / (frame - anchor)
        if not low <= slope <= high:
            anchor = frame - 1
            knots.append(anchor)
            low, high = float("-inf"), float("inf")
        run = frame - anchor
        low = max(low, (points[frame] - tolerance_seconds - points[anchor]) / run)
        high = min(high, (points[frame] + tolerance_seconds - points[anchor]) / run)
    if len(points) > 1:
        knots.append(len(points) - 1)
    return tuple((float(frame), points[frame]) for frame in knots)
