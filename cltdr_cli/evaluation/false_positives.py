"""Kinds of false positives, as in DETAD (Alwassel et al., ECCV 2018), and how much mAP each kind costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.evaluation.average_precision import Evaluation, compute_average_precision
from cltdr_cli.evaluation.matching import Pairs, find_overlapping_pairs
from cltdr_cli.evaluation.tables import UNKNOWN, GroundTruth, Predictions

KINDS = ("right", "duplicate", "wrong label", "localization", "confusion", "background")
"""Kinds of predictions; the number of a kind is its index here.

right: the prediction matches an instance. Otherwise its kind depends on the instance of any label that it overlaps
most (if several are overlapped equally, on one of its own label), and on their temporal IoU:

- duplicate: own label, IoU of the threshold or more; a prediction with a better score matches that instance.
- wrong label: another label, IoU of the threshold or more.
- localization: own label, IoU from 0.1 up to the threshold.
- confusion: another label, IoU from 0.1 up to the threshold; both label and boundaries are wrong.
- background: IoU below 0.1.
"""

_NUMBER = {kind: number for number, kind in enumerate(KINDS)}

LEAST_TIOU = 0.1
"""Temporal IoU from which a prediction is related to an instance."""

_TIMES_INSTANCES = 10


@dataclass(frozen=True, eq=False)
class FalsePositives:
    """Kinds of predictions, and how much mAP the wrong ones cost.

    Attributes:
        tious: float64 ``[T]``, thresholds.
        profile: float64 ``[T, 10, 6]``: shares of the kinds among the best G predictions of each class (G is the
            number of its instances), among the next G, …, the tenth G; 0 where there are none.
        counts: int64 ``[T, 6]``: number of predictions of each kind among these ten times G.
        gain: float64 ``[T, 6]``: increase of the mAP if all predictions of one wrong kind are removed; 0 for right.
    """

    tious: NDArray[np.float64]
    profile: NDArray[np.float64]
    counts: NDArray[np.int64]
    gain: NDArray[np.float64]


def classify_predictions(truth: GroundTruth, predictions: Predictions, evaluation: Evaluation) -> FalsePositives:
    """Classify the best 10 G predictions of each class, where G is the number of its instances.

    Args:
        truth: The instances.
        predictions: The predictions.
        evaluation: The evaluation of these predictions.
    """
    tenths = _count_tenths(evaluation, len(predictions))
    considered = np.flatnonzero(tenths >= 0)
    kinds = np.full((len(evaluation.tious), len(predictions)), -1, np.int64)
    part = predictions.select(considered)
    pairs = find_overlapping_pairs(truth, part, LEAST_TIOU, same_label=False)
    for row, found, threshold in zip(kinds, evaluation.matches, evaluation.tious, strict=True):
        row[considered] = _classify(truth, part, pairs, float(threshold), found[considered] != UNKNOWN)
    profile = np.stack([_compute_shares(row, tenths) for row in kinds])
    counts = np.stack([np.bincount(row[considered], minlength=len(KINDS)) for row in kinds])
    return FalsePositives(evaluation.tious, profile, counts, _compute_gains(evaluation, kinds))


def _count_tenths(evaluation: Evaluation, predictions: int) -> NDArray[np.int64]:
    """Which G of its class, 0 to 9, each prediction belongs to by rank, int64 ``[N]``; -1 for later ones."""
    tenths = np.full(predictions, -1, np.int64)
    for rows, instances in zip(evaluation.order, evaluation.instance_counts, strict=True):
        best = rows[: _TIMES_INSTANCES * int(instances)]
        tenths[best] = np.arange(len(best)) // instances
    return tenths


def _classify(
    truth: GroundTruth, predictions: Predictions, pairs: Pairs, threshold: float, right: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Kind of each prediction at one threshold, int64 ``[N]``."""
    own = truth.labels[pairs.instances] == predictions.labels[pairs.predictions]
    order = np.lexsort((own, pairs.tiou, pairs.predictions))
    last = order[np.flatnonzero(np.diff(pairs.predictions[order], append=len(predictions)))]
    tiou, own_label = np.zeros(len(predictions)), np.zeros(len(predictions), bool)
    tiou[pairs.predictions[last]] = pairs.tiou[last]
    own_label[pairs.predictions[last]] = own[last]
    close = tiou >= threshold
    of_close = np.where(own_label, _NUMBER["duplicate"], _NUMBER["wrong label"])
    of_far = np.where(own_label, _NUMBER["localization"], _NUMBER["confusion"])
    kinds = np.where(close, of_close, of_far)
    kinds[tiou < LEAST_TIOU] = _NUMBER["background"]
    kinds[right] = _NUMBER["right"]
    return kinds


def _compute_shares(kinds: NDArray[np.int64], tenths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shares of the kinds in each tenth, float64 ``[10, 6]``."""
    counts = np.zeros((_TIMES_INSTANCES, len(KINDS)))
    kept = tenths >= 0
    np.add.at(counts, (tenths[kept], kinds[kept]), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _compute_gains(evaluation: Evaluation, kinds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Increase of the mAP without the predictions of each wrong kind, float64 ``[T, 6]``."""
    gains = np.zeros((len(evaluation.tious), len(KINDS)))
    for t in range(len(evaluation.tious)):
        for kind in range(1, len(KINDS)):
            gains[t, kind] = _compute_mean_ap_without(evaluation, t, kinds[t] == kind) - evaluation.mean_ap[t]
    return gains


def _compute_mean_ap_without(evaluation: Evaluation, t: int, left_out: NDArray[np.bool_]) -> float:
    """The mAP at one threshold without some false positives. Removing them does not change the matches."""
    values: list[float] = []
    for rows, instances in zip(evaluation.order, evaluation.instance_counts, strict=True):
        kept = rows[~left_out[rows]]
        hits = evaluation.matches[t : t + 1, kept] != UNKNOWN
        values.append(float(compute_average_precision(hits, int(instances))[0]))
    return float(np.mean(values)) if values else 0.0
