"""One label per step of a video, from annotated instances or from scored detections that overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.evaluation.segmentation import BACKGROUND, Labels, SegmentationScores, score_segmentation
from cltdr_cli.evaluation.tables import UNKNOWN, GroundTruth, Predictions

_CANDIDATES = np.linspace(0.0, 0.98, 50)
"""Least scores that ``find_least_score`` tries."""


@dataclass(frozen=True)
class Steps:
    """The steps of one video that are labelled.

    Attributes:
        count: How many.
        per_second: Their rate; step i has its centre at ``(i + 0.5) / per_second`` seconds.
    """

    count: int
    per_second: float


@dataclass(frozen=True)
class LabellingRule:
    """Which detections give labels to steps.

    Attributes:
        least_score: Detections of lower score do not.
        least_share: Detections do not if better ones leave them a smaller share of their steps; at 0 the best of all
            that hold a step labels it.
    """

    least_score: float = 0.0
    least_share: float = 0.0


def label_steps(
    segments_seconds: NDArray[np.float64],
    labels: Labels,
    scores: NDArray[np.float64],
    steps: Steps,
    least_share: float = 0.0,
) -> Labels:
    """Give each step the label of the segment that holds its centre, else ``BACKGROUND``.

    Where segments overlap, the highest score wins; of equal scores the one that comes first.

    Args:
        segments_seconds: float64 ``[N, 2]``.
        labels: int64 ``[N]``.
        scores: float64 ``[N]``.
        steps: Of the video.
        least_share: Of its steps that better segments must leave a segment for it to count.

    Returns:
        int64 ``[T]``.
    """
    line, free = np.full(steps.count, BACKGROUND, np.int64), np.ones(steps.count, bool)
    borders = np.ceil(segments_seconds * steps.per_second - 0.5).clip(0, steps.count).astype(np.int64)
    for index in np.argsort(-scores, kind="stable"):
        place = slice(*borders[index])
        mine = free[place].copy()
        if mine.any() and mine.mean() >= least_share:
            line[place][mine] = labels[index]
            free[place] = False
    return line


def label_truth(truth: GroundTruth, steps: tuple[Steps, ...]) -> list[Labels]:
    """Labels of the steps of every video; of instances that overlap, the one that begins later wins.

    Args:
        truth: The instances.
        steps: By video.
    """
    starts = truth.segments_seconds[:, 0]
    rows = [truth.videos == video for video in range(len(truth.video_ids))]
    return [
        label_steps(truth.segments_seconds[mine], truth.labels[mine], starts[mine], video)
        for mine, video in zip(rows, steps, strict=True)
    ]


def label_predictions(predictions: Predictions, steps: tuple[Steps, ...], rule: LabellingRule) -> list[Labels]:
    """Labels of the steps of every video; detections of unknown label are left out.

    Args:
        predictions: The detections.
        steps: By video.
        rule: Which detections count.
    """
    kept = predictions.select((predictions.scores >= rule.least_score) & (predictions.labels != UNKNOWN))
    rows = [kept.videos == video for video in range(len(steps))]
    return [
        label_steps(kept.segments_seconds[mine], kept.labels[mine], kept.scores[mine], video, rule.least_share)
        for mine, video in zip(rows, steps, strict=True)
    ]


def score_labels(
    truth: GroundTruth, predictions: Predictions, steps: tuple[Steps, ...], rule: LabellingRule
) -> SegmentationScores:
    """Score detections as one labelling per video.

    Args:
        truth: The instances.
        predictions: The detections.
        steps: By video.
        rule: Which detections count.
    """
    return score_segmentation(label_truth(truth, steps), label_predictions(predictions, steps, rule))


def find_least_score(
    truth: GroundTruth, predictions: Predictions, steps: tuple[Steps, ...], least_share: float = 0.0
) -> float:
    """Find the least score whose labelling has the best F1, as mean over the three thresholds.

    Of equally good ones the lowest is taken. The videos should be others than those that are scored with it.

    Args:
        truth: The instances.
        predictions: The detections.
        steps: By video.
        least_share: The other part of the rule, see ``LabellingRule``.
    """
    wanted = label_truth(truth, steps)

    def mean_f1(least_score: float) -> float:
        found = label_predictions(predictions, steps, LabellingRule(least_score, least_share))
        return sum(score_segmentation(wanted, found).f1.values())

    return float(max(_CANDIDATES, key=mean_f1))
