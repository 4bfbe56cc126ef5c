"""Mean average precision over temporal IoU thresholds, as the published evaluators compute it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cltdr_cli.evaluation.matching import match_greedily
from cltdr_cli.evaluation.tables import UNKNOWN, GroundTruth, Predictions, TieRule

DEFAULT_TIES: TieRule = "published"
"""Order of equal scores as in the published evaluators, so that their numbers are reproduced to the last digit."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Average precisions, and the matches behind them.

    Attributes:
        tious: float64 ``[T]``, thresholds.
        classes: int64 ``[K]``, indices of the labels in the ground truth; only these are scored.
        ap: float64 ``[T, K]``, average precision.
        matches: int64 ``[T, N]``, the instance that each prediction matches, -1 for a false positive.
        order: For each class of ``classes`` the rows of its predictions, best score first.
        instance_counts: int64 ``[K]``, number of instances of each class.
    """

    tious: NDArray[np.float64]
    classes: NDArray[np.int64]
    ap: NDArray[np.float64]
    matches: NDArray[np.int64]
    order: tuple[NDArray[np.int64], ...]
    instance_counts: NDArray[np.int64]

    @property
    def mean_ap(self) -> NDArray[np.float64]:
        """float64 ``[T]``: mean over the classes of the ground truth."""
        return self.ap.mean(axis=1) if self.ap.size else np.zeros(len(self.tious))

    @property
    def average(self) -> float:
        """Mean over thresholds: the number that papers report."""
        return float(self.mean_ap.mean())


def evaluate(
    truth: GroundTruth, predictions: Predictions, tious: ArrayLike, ties: TieRule = DEFAULT_TIES
) -> Evaluation:
    """Score predictions against the ground truth.

    The metric of the ActivityNet toolkit and its descendants: for each class, predictions of all videos by
    falling score, each matched to the free instance it overlaps most; interpolated average precision (VOC 2011,
    all points); mean over the classes of the ground truth. A class without predictions scores 0. Predictions of
    unknown labels are ignored; those in videos outside the ground truth count as false positives.

    Args:
        truth: The instances.
        predictions: The predictions.
        tious: Temporal IoU thresholds, ``[T]``.
        ties: Order of equal scores, see ``ranked``.
    """
    thresholds = np.atleast_1d(np.asarray(tious, np.float64))
    classes, counts = np.unique(truth.labels, return_counts=True)
    order = tuple(rank_predictions(predictions, int(label), ties) for label in classes)
    ranks = np.arange(len(predictions), dtype=np.int64)
    if order:
        rows = np.concatenate(order)
        ranks[rows] = np.arange(len(rows))
    matches = match_greedily(truth, predictions, ranks, thresholds)
    hits = matches != UNKNOWN
    columns = [compute_average_precision(hits[:, rows], int(count)) for rows, count in zip(order, counts, strict=True)]
    ap = np.stack(columns, axis=1) if columns else np.zeros((len(thresholds), 0))
    return Evaluation(thresholds, classes, ap, matches, order, counts)


def rank_predictions(predictions: Predictions, label: int, ties: TieRule = DEFAULT_TIES) -> NDArray[np.int64]:
    """Sort the predictions of one label, best score first; return their rows.

    Args:
        predictions: The predictions.
        label: Index of the label.
        ties: ``stable`` keeps equal scores in the order of the file, on every machine. ``published`` sorts as the
            published evaluators do: numpy's default argsort, reversed. That sort is not stable: the order of equal
            scores depends on numpy's code path for the CPU (AVX-512, AVX2 or neither). If scores are rounded to few
            digits, this changes the mAP by up to a point; without equal scores the two rules agree.
    """
    rows = np.flatnonzero(predictions.labels == label)
    scores = predictions.scores[rows]
    if ties == "stable":
        return rows[np.argsort(-scores, kind="stable")]
    return rows[np.argsort(scores)[::-1]]


def compute_average_precision(hits: NDArray[np.bool_], instances: int) -> NDArray[np.float64]:
    """Interpolated average precision of ranked predictions.

    Args:
        hits: bool ``[T, n]``: whether the prediction at each rank matches an instance, for each threshold.
        instances: Number of instances to find, at least 1.

    Returns:
        float64 ``[T]``: the area under the precision envelope over recall.
    """
    _, precision = compute_precision_recall(hits, instances)
    return (compute_envelope(precision) * hits).sum(axis=1) / instances


def compute_precision_recall(
    hits: NDArray[np.bool_], instances: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and precision after each rank, float64 ``[T, n]`` each."""
    found = np.cumsum(hits, axis=1, dtype=np.float64)
    return found / instances, found / np.arange(1, hits.shape[1] + 1)


def compute_envelope(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Best precision at this rank or a later one, ``[T, n]``."""
    return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]


def count_tied_rows(predictions: Predictions) -> int:
    """Count the predictions whose score equals that of another one of the same label."""
    known = predictions.labels != UNKNOWN
    columns = np.stack([predictions.labels[known].astype(np.float64), predictions.scores[known]], axis=1)
    _, counts = np.unique(columns, axis=0, return_counts=True)
    return int(counts[counts > 1].sum())
