"""Recall of the N best segments of each video, for a fixed N or in proportion to its instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cltdr_cli.evaluation.matching import find_overlapping_pairs
from cltdr_cli.evaluation.tables import UNKNOWN, GroundTruth, Predictions

PROPOSALS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Numbers of segments per video for which recall is computed."""


@dataclass(frozen=True, eq=False)
class Recall:
    """Share of the instances that one of the N best segments of their video detects.

    Attributes:
        proposals: int64 ``[A]``, numbers of segments per video.
        tious: float64 ``[T]``, thresholds.
        recall: float64 ``[T, A]``.
    """

    proposals: NDArray[np.int64]
    tious: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def average(self) -> NDArray[np.float64]:
        """float64 ``[A]``: AR@AN, the mean over thresholds."""
        return self.recall.mean(axis=0)


def compute_recall(
    truth: GroundTruth,
    predictions: Predictions,
    tious: ArrayLike,
    proposals: Sequence[int] = PROPOSALS,
    same_label: bool = False,
) -> Recall:
    """Compute the recall of the N best segments of each video, for several N.

    N is the same for every video. (The ActivityNet proposal metric distributes N times the number of videos in
    proportion to the number of segments of each video; the two agree if all videos have equally many.) One segment may
    detect several instances, as in that metric.

    Args:
        truth: The instances.
        predictions: The segments; equal scores stay in the order of the file.
        tious: Thresholds, ``[T]``.
        proposals: The numbers N.
        same_label: Whether a segment detects only instances of its own label.
    """
    thresholds = np.atleast_1d(np.asarray(tious, np.float64))
    counts = np.asarray(proposals, np.int64)
    places = rank_in_video(predictions)
    best = predictions.select(np.flatnonzero((places < counts.max()) & (predictions.videos != UNKNOWN)))
    places = rank_in_video(best)
    pairs = find_overlapping_pairs(truth, best, float(thresholds.min()), same_label)
    first = np.full((len(thresholds), len(truth)), np.iinfo(np.int64).max)
    for row, threshold in zip(first, thresholds, strict=True):
        close = pairs.tiou >= threshold
        np.minimum.at(row, pairs.instances[close], places[pairs.predictions[close]])
    return Recall(counts, thresholds, (first[:, :, None] < counts).mean(axis=1))


def compute_recall_at_kx(
    truth: GroundTruth, predictions: Predictions, multiples: Sequence[int], tiou: float
) -> NDArray[np.float64]:
    """Compute recall@kx of moment queries (Ego4D, CVPR 2022), float64 ``[X]``, one for each multiple x.

    Where a class has k instances in a video, the k·x best segments of that class in that video count. The recall of a
    class is the share of its instances in all videos that one of them overlaps by ``tiou`` or more; one segment may
    detect several instances. The result is the mean over the classes that have instances.

    Args:
        truth: The instances.
        predictions: The segments; equal scores stay in the order of the file.
        multiples: The numbers x.
        tiou: Least temporal IoU.
    """
    ranks = _rank_in_groups(predictions, _group(predictions.videos, predictions.labels, len(truth.label_names)))
    groups = _group(truth.videos, truth.labels, len(truth.label_names))
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    pairs = find_overlapping_pairs(truth, predictions, tiou)
    best = np.full(len(truth), np.iinfo(np.int64).max)
    np.minimum.at(best, pairs.instances, ranks[pairs.predictions])
    limits = sizes[group, None] * np.asarray(multiples, np.int64)
    found = best[:, None] < limits
    classes = np.unique(truth.labels)
    rows = [found[truth.labels == label].mean(axis=0) for label in classes]
    return np.mean(rows, axis=0) if rows else np.zeros(len(multiples))


def rank_in_video(predictions: Predictions) -> NDArray[np.int64]:
    """Rank of each segment in its video, int64 ``[N]``: 0 for the best; equal scores in the order of the file."""
    return _rank_in_groups(predictions, predictions.videos)


def _group(videos: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """A number for each video and label; ``UNKNOWN`` where one of the two is not in the ground truth."""
    return np.where((videos == UNKNOWN) | (labels == UNKNOWN), UNKNOWN, videos * classes + labels)


def _rank_in_groups(predictions: Predictions, groups: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.lexsort((-predictions.scores, groups))
    first = np.flatnonzero(np.diff(groups[order], prepend=np.iinfo(np.int64).min))
    lengths = np.diff(np.append(first, len(order)))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order)) - np.repeat(first, lengths)
    return places
