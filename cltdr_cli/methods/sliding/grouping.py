"""Class scores along a video to candidate segments: smoothing, several thresholds, scores by contrast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.inference.nms import Candidates
from cltdr_cli.methods.sliding.config import SlidingConfig
from cltdr_cli.methods.sliding.running import Run, RunFinder, measure_contrast
from cltdr_cli.timeline import FeatureGrid

Floats = NDArray[np.float32]
_STEPS_AT_ONCE = 1024


def group_scores(scores: Floats, config: SlidingConfig, grid: FeatureGrid) -> Candidates:
    """Class probabilities ``[T, K]`` of one video to candidates in feature steps, of its best classes."""
    steps_per_second = grid.rate / grid.stride_frames
    if config.context_seconds is not None:
        return to_candidates(_follow_runs(scores, config, steps_per_second))
    if len(scores):
        scores = smooth_scores(scores, config.smoothing_seconds * steps_per_second)
    best = np.argsort(-scores.max(0), kind="stable")[: config.top_classes] if len(scores) else []
    found = [run for label in best for run in _find_runs(scores[:, label], int(label), config, steps_per_second)]
    return Candidates(
        np.array([run[0] for run in found], np.float32).reshape(-1, 2),
        np.array([run[1] for run in found], np.float32),
        np.array([run[2] for run in found], np.int64),
    )


def to_candidates(runs: Sequence[Run]) -> Candidates:
    """Runs in feature steps; a step stands for the time around its centre, half a step to either side."""
    return Candidates(
        np.array([(run.first - 0.5, run.last - 0.5) for run in runs], np.float32).reshape(-1, 2),
        np.array([run.score for run in runs], np.float32),
        np.array([run.label for run in runs], np.int64),
    )


def _follow_runs(scores: Floats, config: SlidingConfig, steps_per_second: float) -> list[Run]:
    """Runs of a whole video, found as in a stream."""
    finder = RunFinder(config, scores.shape[1], steps_per_second)
    found = [
        run for at in range(0, len(scores), _STEPS_AT_ONCE) for run in finder.push(scores[at : at + _STEPS_AT_ONCE])
    ]
    return found + finder.finish()


def _find_runs(
    scores: Floats, label: int, config: SlidingConfig, steps_per_second: float
) -> list[tuple[tuple[float, float], float, int]]:
    """Candidates of one class: runs above each fraction of the class's peak, scored by contrast."""
    gap, shortest = config.merge_gap_seconds * steps_per_second, config.min_duration_seconds * steps_per_second
    found: dict[tuple[int, int], float] = {}
    for fraction in config.thresholds:
        for first, last in merge_runs(scores >= fraction * scores.max(), gap):
            if last - first >= shortest and (first, last) not in found:
                found[first, last] = measure_contrast(scores, first, last, config.outer_context)
    # A step stands for the time around its centre, half a step to either side.
    return [((first - 0.5, last - 0.5), score, label) for (first, last), score in found.items() if score > 0]


def smooth_scores(scores: Floats, width_steps: float) -> Floats:
    """Moving average over ``[T, K]``; the window shrinks at the ends instead of counting zeros."""
    half = int(width_steps // 2)
    if half == 0:
        return scores
    total = np.concatenate([np.zeros_like(scores[:1], np.float64), np.cumsum(scores, axis=0, dtype=np.float64)])
    at = np.arange(len(scores))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(scores))
    return ((total[high] - total[low]) / (high - low)[:, None]).astype(np.float32)


def merge_runs(above: NDArray[np.bool_], gap_steps: float) -> list[tuple[int, int]]:
    """Half-open runs of true steps; runs separated by at most ``gap_steps`` become one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for first, last in edges.reshape(-1, 2).tolist():
        if runs and first - runs[-1][1] <= gap_steps:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    return runs
