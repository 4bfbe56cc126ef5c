"""From the measured times of all frames to the facts behind a feature grid."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.frames import FrameTiming
from cltdr_cli.video.rates import fit_rate, measure_deviation_seconds

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
