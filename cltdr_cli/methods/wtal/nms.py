"""Soft-NMS as this family of programs has it: lengths and overlaps carry +1, and nothing is ever left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.inference.nms import Candidates

Floats = NDArray[np.float64]


def suppress_softly(candidates: Candidates, sigma: float, unit_steps: float = 1.0) -> Candidates:
    """Gaussian Soft-NMS per class without limits (CO2-Net, HAM-Net).

    The best candidate is taken, the scores of the others are multiplied by ``exp(-IoU² / sigma)``, until none is left;
    of equal scores the first is taken. Negative scores are decayed towards 0 like others, as published.

    Args:
        candidates: In steps.
        sigma: Width of the decay.
        unit_steps: What is added to every length and overlap, in steps.

    Returns:
        All candidates with their new scores, by falling score.
    """
    scores = candidates.scores.astype(np.float64)
    for label in np.unique(candidates.labels):
        rows = np.flatnonzero(candidates.labels == label)
        scores[rows] = _decay(candidates.segments[rows].astype(np.float64), scores[rows], sigma, unit_steps)
    return Candidates(candidates.segments, scores.astype(np.float32), candidates.labels).by_score()


def _decay(segments: Floats, scores: Floats, sigma: float, unit: float) -> Floats:
    """The scores ``[N]`` with which the candidates of one class are taken."""
    start, end = segments.T
    length, left = end - start + unit, np.ones(len(scores), bool)
    for _ in range(len(scores)):
        best = int(np.where(left, scores, -np.inf).argmax())
        left[best] = False
        shared = np.maximum(np.minimum(end, end[best]) - np.maximum(start, start[best]) + unit, 0)
        overlap = shared / (length + length[best] - shared)
        scores[left] *= np.exp(-np.square(overlap[left]) / sigma)
    return scores
