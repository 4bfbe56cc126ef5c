"""Matches predictions with instances: pairs by temporal IoU, and greedy matching in the order of scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.evaluation.tables import UNKNOWN, GroundTruth, Predictions

_PAIRS_AT_ONCE = 2_000_000
"""Limits memory: a pair takes about 100 bytes while its IoU is computed."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a prediction and an instance that overlap.

    Attributes:
        predictions: int64 ``[M]``, rows of the predictions.
        instances: int64 ``[M]``, rows of the ground truth.
        tiou: float64 ``[M]``, temporal intersection over union, above 0.
    """

    predictions: NDArray[np.int64]
    instances: NDArray[np.int64]
    tiou: NDArray[np.float64]


def compute_temporal_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of two lists of segments, row by row; 0 where the union is empty.

    Args:
        a: float64 ``[M, 2]``, start and end.
        b: float64 ``[M, 2]``, start and end.
    """
    shared = np.maximum(np.minimum(a[:, 1], b[:, 1]) - np.maximum(a[:, 0], b[:, 0]), 0)
    union = (a[:, 1] - a[:, 0]) + (b[:, 1] - b[:, 0]) - shared
    return np.divide(shared, union, out=np.zeros(len(a)), where=union > 0)


def find_overlapping_pairs(
    truth: GroundTruth, predictions: Predictions, floor: float, same_label: bool = True
) -> Pairs:
    """Find all pairs of a prediction and an instance of its video (and label) with enough overlap.

    Args:
        truth: The instances.
        predictions: The predictions.
        floor: Least temporal IoU of a pair; pairs without any overlap are never listed.
        same_label: Whether only equal labels are paired.
    """
    chunks = list(_find_pairs_in_chunks(truth, predictions, floor, same_label))
    if not chunks:
        none = np.zeros(0, np.int64)
        return Pairs(none, none, np.zeros(0))
    return Pairs(*(np.concatenate(columns) for columns in zip(*chunks, strict=True)))


def match_greedily(
    truth: GroundTruth, predictions: Predictions, ranks: NDArray[np.int64], tious: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Match each prediction, best score first, with the free instance of its video and label that it overlaps most.

    As in the ActivityNet toolkit, a prediction whose best instance is taken gets the next best one, if their IoU
    reaches the threshold. Of instances with equal IoU the later one in the file comes first.

    Args:
        truth: The instances, ``G`` of them.
        predictions: The predictions, ``N`` of them.
        ranks: int64 ``[N]``, position of each prediction in the order of processing; all different.
        tious: float64 ``[T]``, thresholds.

    Returns:
        int64 ``[T, N]``: the instance of each prediction at each threshold, -1 if it has none.
    """
    pairs = find_overlapping_pairs(truth, predictions, float(tious.min(initial=1.0)))
    by_wish = np.lexsort((-pairs.instances, -pairs.tiou, pairs.predictions))
    wishes = Pairs(pairs.predictions[by_wish], pairs.instances[by_wish], pairs.tiou[by_wish])
    matched = np.full((len(tious), len(predictions)), UNKNOWN, np.int64)
    for row, threshold in zip(matched, tious, strict=True):
        _settle(row, wishes, wishes.tiou >= threshold, ranks, len(truth))
    return matched


def _settle(
    matched: NDArray[np.int64], wishes: Pairs, allowed: NDArray[np.bool_], ranks: NDArray[np.int64], instances: int
) -> None:
    """Greedy matching without a loop over predictions.

    All predictions ask for their best instance at once; each instance keeps the one with the best rank, and the others
    ask for their next one, until none is left over. All instances rank predictions alike, so this deferred acceptance
    (Gale and Shapley 1962) ends in the only stable matching: the one that greedy matching in rank order gives.
    """
    wisher, wished = wishes.predictions[allowed], wishes.instances[allowed]
    first = np.flatnonzero(np.diff(wisher, prepend=UNKNOWN))
    last = np.append(first[1:], len(wisher))
    asking, keeper = first.copy(), np.full(instances, np.iinfo(np.int64).max)
    while len(asking):
        rank, instance = ranks[wisher[asking]], wished[asking]
        np.minimum.at(keeper, instance, rank)
        kept = keeper[instance] == rank
        if kept.all():
            matched[wisher[asking]] = instance
            return
        asking = asking + ~kept
        more = asking < last
        asking, last = asking[more], last[more]


def _find_pairs_in_chunks(
    truth: GroundTruth, predictions: Predictions, floor: float, same_label: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Find pairs, for a limited number of predictions at a time."""
    instance_keys, keys = _make_group_keys(truth, predictions, same_label)
    by_key = np.argsort(instance_keys, kind="stable")
    start = np.searchsorted(instance_keys[by_key], keys, "left")
    count = np.searchsorted(instance_keys[by_key], keys, "right") - start
    rows = np.flatnonzero(count)
    for chunk in _split_bounded(rows, count[rows]):
        within = np.arange(count[chunk].sum()) - np.repeat(np.cumsum(count[chunk]) - count[chunk], count[chunk])
        row = np.repeat(chunk, count[chunk])
        instance = by_key[np.repeat(start[chunk], count[chunk]) + within]
        tiou = compute_temporal_iou(predictions.segments_seconds[row], truth.segments_seconds[instance])
        keep = (tiou >= floor) & (tiou > 0)
        yield row[keep], instance[keep], tiou[keep]


def _make_group_keys(
    truth: GroundTruth, predictions: Predictions, same_label: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys that are equal for what may be paired; predictions outside the ground truth get the key of no instance."""
    if not same_label:
        return truth.videos, predictions.videos
    classes = len(truth.label_names)
    keys = predictions.videos * classes + predictions.labels
    known = (predictions.videos != UNKNOWN) & (predictions.labels != UNKNOWN)
    return truth.videos * classes + truth.labels, np.where(known, keys, UNKNOWN)


def _split_bounded(rows: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Split ``rows`` into parts with a limited number of pairs."""
    if len(rows):
        chunk = np.cumsum(counts) // _PAIRS_AT_ONCE
        yield from np.split(rows, np.flatnonzero(np.diff(chunk)) + 1)
