"""Candidates along a stream of class scores, in memory that does not grow: every step is looked at once, in order.

What a step is compared with lies at most ``context_seconds`` away, so a candidate stands as soon as its surroundings
are known. ``grouping.group_scores`` takes this way for whole videos too, so that both give the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.methods.sliding.config import SlidingConfig

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """Consecutive steps of one class above one threshold.

    Attributes:
        first: First step.
        last: The step after the last.
        label: Class index.
        score: Contrast with the steps around it.
        follows: Whether it goes on from a run that had become too long.
        goes_on: Whether it was cut because it had become too long.
    """

    first: int
    last: int
    label: int
    score: float = 0.0
    follows: bool = False
    goes_on: bool = False


class RunFinder:
    """Finds runs above thresholds in scores that come piece by piece.

    Args:
        config: Settings; ``context_seconds`` is given.
        classes: Number of classes.
        steps_per_second: Of the scores.
    """

    def __init__(self, config: SlidingConfig, classes: int, steps_per_second: float) -> None:
        if config.context_seconds is None:
            raise ValueError("context_seconds is None: runs depend on the whole video")
        longest = max(1, round(config.max_duration_seconds * steps_per_second))
        margin = math.ceil(config.outer_context * longest)
        self.context_steps = math.ceil(config.context_seconds * steps_per_second)
        self._config = config
        self._smoother = Smoother(config.smoothing_seconds * steps_per_second)
        self.held_steps = longest + 2 * (margin + self.context_steps)
        self._known = _Rows(classes, self.held_steps)
        self._open = _OpenRuns(config, classes, steps_per_second, longest)
        self._unscored: list[Run] = []
        self._step = 0
        self._done = False

    def push(self, scores: Floats) -> list[Run]:
        """Runs that are complete and scored, from the next scores ``[N, K]``."""
        return self._advance(self._smoother.push(scores))

    def finish(self) -> list[Run]:
        """The remaining runs: the scores have ended."""
        rest = self._advance(self._smoother.finish())
        self._done = True
        rest += self._advance(np.zeros((0, self._known.width), np.float32))
        self._unscored += self._open.finish(self._step)
        return rest + self._score_complete()

    def may_change(self, label: int) -> Iterator[Run]:
        """Runs of a class that are still open (with their length so far), or whose score is not known yet."""
        yield from self._open.list_open(label)
        yield from (run for run in self._unscored if run.label == label)

    def _advance(self, smoothed: Floats) -> list[Run]:
        """Take smoothed scores, and look at every step whose surroundings are known now."""
        self._known.add(smoothed)
        scored: list[Run] = []
        beyond = self._known.beyond if self._done else self._known.beyond - self.context_steps
        if beyond <= self._step:
            return scored
        peaks = self._find_peaks(self._step, beyond)
        top = _mark_best(peaks, self._config.top_classes)
        for step, peak, best in zip(range(self._step, beyond), peaks, top, strict=True):
            self._unscored += self._open.push(step, self._known.row(step), peak, best)
            self._step = step + 1
            scored += self._score_complete()
        self._known.trim()
        return scored

    def _find_peaks(self, first: int, beyond: int) -> Floats:
        """Largest scores ``[N, K]`` within the context of each of these steps."""
        reach = self.context_steps
        before, after = max(0, first - reach), min(self._known.beyond, beyond + reach)
        rows = self._known.between(before, after)
        fill = ((before - first + reach, beyond + reach - after), (0, 0))
        return find_window_maxima(np.pad(rows, fill), 2 * reach + 1)

    def _score_complete(self) -> list[Run]:
        scored, waiting = [], list[Run]()
        for run in self._unscored:
            margin = math.ceil(self._config.outer_context * (run.last - run.first))
            begin, end = run.first - margin * (not run.follows), run.last + margin * (not run.goes_on)
            if self._known.beyond < end and not self._done:
                waiting.append(run)
            elif (score := self._measure(run, max(0, begin), min(self._known.beyond, end))) > 0:
                scored.append(replace(run, score=score))
        self._unscored = waiting
        return scored

    def _measure(self, run: Run, begin: int, end: int) -> float:
        """Mean inside minus mean in the margins from ``begin`` to ``end``; an action is no margin of itself."""
        column = self._known.between(begin, end)[:, run.label]
        return measure_contrast(column, run.first - begin, run.last - begin, self._config.outer_context)


def find_window_maxima(rows: Floats, width: int) -> Floats:
    """Largest values ``[N - width + 1, K]`` in every window of so many rows ``[N, K]``, by windows that double."""
    count, size = len(rows) - width + 1, 1
    while 2 * size <= width:
        rows, size = np.maximum(rows[:-size], rows[size:]), 2 * size
    return np.maximum(rows[:count], rows[width - size : width - size + count])


def _mark_best(peaks: Floats, count: int) -> NDArray[np.bool_]:
    """Which classes ``[N, K]`` are among the best of their step."""
    if count >= peaks.shape[1]:
        return np.ones(peaks.shape, bool)
    return peaks >= np.partition(peaks, -count, axis=1)[:, -count, None]


def measure_contrast(scores: Floats, first: int, last: int, outer_context: float) -> float:
    """Mean inside ``[first, last)`` minus mean in the margins around it (0 where there are none)."""
    inside = float(scores[first:last].mean())
    margin = int(np.ceil(outer_context * (last - first)))
    outside = np.concatenate([scores[max(0, first - margin) : first], scores[last : last + margin]])
    return inside - float(outside.mean()) if len(outside) else inside


class Smoother:
    """Moving average over scores that come piece by piece; the window shrinks at both ends of the stream.

    Args:
        width_steps: Width of the window.
    """

    def __init__(self, width_steps: float) -> None:
        self._half = int(width_steps // 2)
        self._totals: NDArray[np.float64] | None = None  # sums of all scores before a step, from step ``base`` on
        self._base = self._next = 0

    def push(self, scores: Floats) -> Floats:
        """Averages ``[M, K]`` that are known now, from the next scores ``[N, K]``."""
        if self._half == 0:
            return scores
        if self._totals is None:
            self._totals = np.zeros((1, scores.shape[1]))
        sums = np.cumsum(np.concatenate([self._totals[-1:], scores]), axis=0, dtype=np.float64)
        self._totals = np.concatenate([self._totals, sums[1:]])
        return self._average(self._base + len(self._totals) - 1 - self._half)

    def finish(self) -> Floats:
        """The last averages."""
        if self._totals is None:
            return np.zeros((0, 0), np.float32)
        return self._average(self._base + len(self._totals) - 1)

    def _average(self, beyond: int) -> Floats:
        assert self._totals is not None
        at, end = np.arange(self._next, max(self._next, beyond)), self._base + len(self._totals) - 1
        low, high = np.maximum(at - self._half, 0), np.minimum(at + self._half + 1, end)
        sums = self._totals[high - self._base] - self._totals[low - self._base]
        self._next = max(self._next, beyond)
        unneeded = max(0, self._next - self._half - self._base)
        self._totals, self._base = self._totals[unneeded:], self._base + unneeded
        return (sums / (high - low)[:, None]).astype(np.float32)


class _Rows:
    """The last rows of scores, by their step.

    Attributes:
        width: Classes.
        beyond: The step after the last.
    """

    def __init__(self, width: int, held: int) -> None:
        self.width, self.beyond = width, 0
        self._held, self._rows = held, np.zeros((0, width), np.float32)

    def add(self, rows: Floats) -> None:
        if len(rows):
            self._rows = np.concatenate([self._rows, rows])
            self.beyond += len(rows)

    def trim(self) -> None:
        """Forget what nobody looks at; not at every step, because the rest is copied."""
        if len(self._rows) > 2 * self._held:
            self._rows = self._rows[-self._held :].copy()

    def row(self, step: int) -> Floats:
        return self._rows[step - self.beyond + len(self._rows)]

    def between(self, first: int, beyond: int) -> Floats:
        base = self.beyond - len(self._rows)
        return self._rows[first - base : beyond - base]


class _OpenRuns:
    """Runs that are not complete, of every class and threshold."""

    def __init__(self, config: SlidingConfig, classes: int, steps_per_second: float, longest: int) -> None:
        shape = (classes, len(config.thresholds))
        self._cuts = np.array(config.thresholds, np.float32)
        self._gap = config.merge_gap_seconds * steps_per_second
        self._shortest, self._longest = config.min_duration_seconds * steps_per_second, longest
        self._first, self._last = np.full(shape, -1), np.zeros(shape, np.int64)
        self._wanted, self._follows, self._was_cut = (np.zeros(shape, bool) for _ in range(3))

    def push(self, step: int, scores: Floats, peaks: Floats, best: NDArray[np.bool_]) -> list[Run]:
        """Runs that are complete, from the scores ``[K]`` of the next step."""
        above = scores[:, None] >= self._cuts * peaks[:, None]
        is_open = self._first >= 0
        self._first[above & ~is_open] = step
        self._follows = np.where(is_open, self._follows, self._was_cut & above)
        self._last[above] = step + 1
        is_open |= above
        self._wanted = (self._wanted | best[:, None]) & is_open
        over = is_open & ~above & (step + 1 - self._last > self._gap)
        self._was_cut = is_open & (self._last - self._first >= self._longest)
        return self._close(over | self._was_cut)

    def finish(self, step: int) -> list[Run]:
        """The rest, cut off at the end."""
        self._was_cut[:] = False
        return self._close(self._first >= 0)

    def list_open(self, label: int) -> Iterator[Run]:
        for first, last in zip(self._first[label].tolist(), self._last[label].tolist(), strict=True):
            if first >= 0:
                yield Run(first, last, label)

    def _close(self, over: NDArray[np.bool_]) -> list[Run]:
        labels, cuts = np.nonzero(over & self._wanted & (self._last - self._first >= self._shortest))
        parts = (self._first, self._last, self._follows, self._was_cut)
        first, last, follows, goes_on = (part[labels, cuts].tolist() for part in parts)
        scores = [0.0] * len(labels)
        rows = zip(first, last, labels.tolist(), scores, follows, goes_on, strict=True)
        found = list(dict.fromkeys(Run(*row) for row in rows))  # several thresholds may give the same run
        self._first[over] = -1
        self._wanted[over] = False
        return found
