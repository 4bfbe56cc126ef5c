"""The score that parts detections worth showing from the rest: where their F1 is best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.evaluation.average_precision import Evaluation
from cltdr_cli.evaluation.tables import UNKNOWN, GroundTruth, Predictions

_MOST_DIGITS = 9
"""Float32 scores do not differ by less."""


@dataclass(frozen=True)
class BestF1:
    """The least score that predictions are kept from, and what they are then worth.

    Attributes:
        score: A number with few decimals, between the last score that is kept and the next one.
        f1: Harmonic mean of precision and recall, mean over the temporal IoU thresholds; a fraction.
    """

    score: float
    f1: float


def find_best_f1(truth: GroundTruth, predictions: Predictions, evaluation: Evaluation) -> BestF1 | None:
    """Find the score from which on the predictions have the best F1, over all classes and videos together.

    Where a score divides a list, greedy matching of its better part gives the same pairs as that of the whole list,
    so the matches of the evaluation serve every score.

    Args:
        truth: The instances, ``G`` of them.
        predictions: The predictions, ``N`` of them; those of unknown videos or labels count as false positives.
        evaluation: Their evaluation, with its matches ``[T, N]``.

    Returns:
        None where no prediction matches an instance. Of equally good scores the highest, which shows least.
    """
    order = np.argsort(-predictions.scores, kind="stable")
    scores = predictions.scores[order]
    f1 = _compute_f1(evaluation.matches[:, order] != UNKNOWN, len(truth))
    last_of_equals = np.flatnonzero(np.diff(scores, append=-np.inf))
    if not len(last_of_equals) or not f1[last_of_equals].any():
        return None
    best = int(last_of_equals[np.argmax(f1[last_of_equals])])
    below = float(scores[best + 1]) if best + 1 < len(scores) else -math.inf
    return BestF1(_choose_between(below, float(scores[best])), float(f1[best]))


def _compute_f1(hits: NDArray[np.bool_], instances: int) -> NDArray[np.float64]:
    """F1 after each rank, mean over thresholds: hits ``[T, N]`` -> float64 ``[N]``."""
    found = np.cumsum(hits, axis=1, dtype=np.float64)
    return (2 * found / (np.arange(1, hits.shape[1] + 1) + instances)).mean(axis=0)


def _choose_between(below: float, kept: float) -> float:
    """The middle of two scores, with so few decimals that it still parts them; below the last score, that one."""
    middle = kept if math.isinf(below) else (below + kept) / 2
    for digits in range(_MOST_DIGITS):
        rounded = (math.floor if math.isinf(below) else round)(middle * 10**digits) / 10**digits
        if below < rounded <= kept:
            return rounded
    return kept
