"""Recall at the N best segments of each video: how good detections are as proposals, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cltdr_cli.evaluation.matching import find_overlapping_pairs
from cltdr_cli.evaluation.tables import UNKNOWN, GroundTruth, Predictions

PROPOSALS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Numbers of segments a video at which recall is told."""


@dataclass(frozen=True, eq=False)
class Recall:
    """Share of the instances that one of the N best segments of their video overlaps by a threshold.

    Attributes:
        proposals: int64 ``[A]``, segments allowed per video.
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
    """Recall of the N best segments of each video, for several N.

    Every video is allowed the same N. (The ActivityNet proposal metric deals out N times the number of videos in
    proportion to how many segments each video has; the two agree where all videos have as many.) One segment may
    find several instances, as in that metric.

    Args:
        truth: The instances.
        predictions: The segments; equal scores in the order of the file.
        tious: Thresholds, ``[T]``.
        proposals: The numbers N.
        same_label: Whether a segment finds only instances of its own label.
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


def rank_in_video(predictions: Predictions) -> NDArray[np.int64]:
    """int64 ``[N]``: 0 for the best segment of its video, 1 for the next; equal scores in file order."""
    order = np.lexsort((-predictions.scores, predictions.videos))
    videos = predictions.videos[order]
    first = np.flatnonzero(np.diff(videos, prepend=np.iinfo(np.int64).min))
    lengths = np.diff(np.append(first, len(videos)))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order)) - np.repeat(first, lengths)
    return places
