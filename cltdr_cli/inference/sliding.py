"""The baseline: an extractor's own classifier along the video, its scores grouped into segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.localize import to_seconds
from cltdr_cli.inference.nms import Candidates, suppress
from cltdr_cli.models.sliding_config import SlidingConfig
from cltdr_cli.segments import Detections
from cltdr_cli.timeline import FeatureGrid, FeatureSequence

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SlidingLocalizer:
    """A linear classifier on every step, smoothing, several thresholds, contrast scores, NMS. Not trained here.

    Attributes:
        weight: float32 ``[K, C]``, the extractor's class head.
        bias: float32 ``[K]``.
        config: Grouping.
        inference: NMS.
    """

    weight: Floats
    bias: Floats
    config: SlidingConfig
    inference: InferenceConfig

    def __call__(self, sequence: FeatureSequence) -> Detections:
        """Detections by falling score, in seconds."""
        if not len(sequence):
            return Detections.empty()
        scores = smoothed(self.class_scores(sequence.features), self._steps(sequence.grid, "smoothing_seconds"))
        candidates = [
            candidate
            for label in np.argsort(-scores.max(0), kind="stable")[: self.config.top_classes]
            for candidate in self._runs(scores[:, label], int(label), sequence.grid)
        ]
        found = Candidates(
            np.array([c[0] for c in candidates], np.float32).reshape(-1, 2),
            np.array([c[1] for c in candidates], np.float32),
            np.array([c[2] for c in candidates], np.int64),
        )
        return to_seconds(suppress(found, self.inference), sequence.grid, sequence.duration_seconds)

    def class_scores(self, features: Floats) -> Floats:
        """Features ``[T, C]`` -> softmax probabilities ``[T, K]``."""
        logits = features @ self.weight.T + self.bias
        logits -= logits.max(1, keepdims=True)
        probabilities = np.exp(logits)
        return probabilities / probabilities.sum(1, keepdims=True)

    def _steps(self, grid: FeatureGrid, field: str) -> float:
        return getattr(self.config, field) * grid.rate / grid.stride_frames

    def _runs(self, scores: Floats, label: int, grid: FeatureGrid) -> list[tuple[tuple[float, float], float, int]]:
        """Candidates of one class: runs above each fraction of the class's peak, scored by contrast."""
        gap, shortest = self._steps(grid, "merge_gap_seconds"), self._steps(grid, "min_duration_seconds")
        found: dict[tuple[int, int], float] = {}
        for fraction in self.config.thresholds:
            for first, last in merged_runs(scores >= fraction * scores.max(), gap):
                if last - first >= shortest and (first, last) not in found:
                    found[first, last] = contrast(scores, first, last, self.config.outer_context)
        # A step stands for the time around its centre, half a step to either side.
        return [((first - 0.5, last - 0.5), score, label) for (first, last), score in found.items() if score > 0]


def smoothed(scores: Floats, width_steps: float) -> Floats:
    """Moving average over ``[T, K]``; the window shrinks at the ends instead of counting zeros."""
    half = int(width_steps // 2)
    if half == 0:
        return scores
    total = np.concatenate([np.zeros_like(scores[:1], np.float64), np.cumsum(scores, axis=0, dtype=np.float64)])
    at = np.arange(len(scores))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(scores))
    return ((total[high] - total[low]) / (high - low)[:, None]).astype(np.float32)


def merged_runs(above: NDArray[np.bool_], gap_steps: float) -> list[tuple[int, int]]:
    """Half-open runs of true steps; runs separated by at most ``gap_steps`` become one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for first, last in edges.reshape(-1, 2).tolist():
        if runs and first - runs[-1][1] <= gap_steps:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    return runs


def contrast(scores: Floats, first: int, last: int, outer_context: float) -> float:
    """Mean inside ``[first, last)`` minus mean in the margins around it (0 where there are none)."""
    inside = float(scores[first:last].mean())
    margin = int(np.ceil(outer_context * (last - first)))
    outside = np.concatenate([scores[max(0, first - margin) : first], scores[last : last + margin]])
    return inside - float(outside.mean()) if len(outside) else inside
