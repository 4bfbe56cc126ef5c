"""Scores of frame-wise labels: frame accuracy, edit score and segmental F1, as in action segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BACKGROUND = -1
"""Label of steps without an action."""

OVERLAPS = (10, 25, 50)
"""IoU thresholds of the F1 score, in percent (Lea et al., CVPR 2017)."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class SegmentationScores:
    """Scores of all videos together, in percent.

    Attributes:
        accuracy: Share of the steps with the right label, background included; mean of videos.
        edit: Order of the actions whatever their times, background left out; mean of videos.
        f1: By threshold in percent: true and false positives of all videos pooled, background left out.
        f1_mean_of_videos: By threshold: mean of the videos' own F1.
    """

    accuracy: float
    edit: float
    f1: dict[int, float]
    f1_mean_of_videos: dict[int, float]

    def to_json(self) -> dict[str, float]:
        """All numbers by name, in percent."""
        return {
            "accuracy": self.accuracy,
            "edit": self.edit,
            **{f"f1@{overlap}": value for overlap, value in self.f1.items()},
            **{f"f1@{overlap}_mean_of_videos": value for overlap, value in self.f1_mean_of_videos.items()},
        }


@dataclass(frozen=True, eq=False)
class Runs:
    """Neighbouring steps of one label, background left out.

    Attributes:
        labels: int64 ``[R]``.
        starts: int64 ``[R]``, first step.
        ends: int64 ``[R]``, step after the last.
    """

    labels: Labels
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def find_runs(labels: Labels) -> Runs:
    """Find the longest stretches of equal labels, without those of ``BACKGROUND``.

    Args:
        labels: int64 ``[T]``.
    """
    starts = np.flatnonzero(np.diff(labels, prepend=labels[:1] - 1))
    ends = np.append(starts[1:], len(labels))
    shown = labels[starts] != BACKGROUND
    return Runs(labels[starts[shown]], starts[shown], ends[shown])


def score_segmentation(truth: Sequence[Labels], predicted: Sequence[Labels]) -> SegmentationScores:
    """Score labels of steps against the annotated ones.

    Args:
        truth: Per video int64 ``[T]``, ``BACKGROUND`` where nothing happens; at least one video.
        predicted: The same for the predictions, of equal lengths.

    Raises:
        ValueError: The numbers of videos or of steps differ, or there is none.
    """
    if not truth or [len(t) for t in truth] != [len(p) for p in predicted] or not all(map(len, truth)):
        raise ValueError("truth and predictions need the same videos, each of one or more steps")
    pairs = [(find_runs(t), find_runs(p)) for t, p in zip(truth, predicted, strict=True)]
    counts = {overlap: np.array([count_matches(t, p, overlap / 100) for t, p in pairs]) for overlap in OVERLAPS}
    accuracies = [float((t == p).mean()) for t, p in zip(truth, predicted, strict=True)]
    return SegmentationScores(
        100 * float(np.mean(accuracies)),
        float(np.mean([compute_edit_score(t.labels, p.labels) for t, p in pairs])),
        {overlap: float(_compute_f1(rows.sum(axis=0))) for overlap, rows in counts.items()},
        {overlap: float(_compute_f1(rows).mean()) for overlap, rows in counts.items()},
    )


def compute_edit_score(truth: Labels, predicted: Labels) -> float:
    """100 · (1 − Levenshtein distance / longer length) of two sequences of labels, ``[M]`` and ``[N]``.

    Two empty sequences are equal: 100.
    """
    if not len(truth) or not len(predicted):
        return 100.0 if len(truth) == len(predicted) else 0.0
    row = np.arange(len(predicted) + 1)
    places = row.copy()
    for done, label in enumerate(truth, 1):
        changed = np.minimum(row[1:] + 1, row[:-1] + (predicted != label))
        # A step to the right costs one: the least of what lies further left, plus the way from there.
        row = np.minimum.accumulate(np.append(done, changed) - places) + places
    return 100.0 * (1.0 - float(row[-1]) / max(len(truth), len(predicted)))


def count_matches(truth: Runs, predicted: Runs, threshold: float) -> tuple[int, int, int]:
    """Count true positives, false positives and missed runs.

    A predicted run, in the order of time, counts if its IoU with the best annotated run of its label (the earliest of
    equals) is at least the threshold and that run is still free, as in the program of Lea et al. (CVPR 2017).
    """
    taken = np.zeros(len(truth), bool)
    for label, start, end in zip(predicted.labels, predicted.starts, predicted.ends, strict=True):
        if not len(truth):
            break
        shared = np.minimum(truth.ends, end) - np.maximum(truth.starts, start)
        union = np.maximum(truth.ends, end) - np.minimum(truth.starts, start)
        overlap = np.where(truth.labels == label, shared / union, -np.inf)
        best = int(overlap.argmax())
        if overlap[best] >= threshold and not taken[best]:
            taken[best] = True
    found = int(taken.sum())
    return found, len(predicted) - found, len(truth) - found


def _compute_f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 in percent from ``[..., 3]``: found, false, missed; 100 where there is nothing to find and nothing found."""
    found, false, missed = np.moveaxis(counts, -1, 0)
    total = 2 * found + false + missed
    return np.where(total > 0, 200.0 * found / np.maximum(total, 1), 100.0)
