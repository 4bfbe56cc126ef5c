"""Small ground truths and predictions written as rows, and a plain evaluator to compare with."""

from __future__ import annotations

import numpy as np

from cltdr_cli.evaluation.tables import GroundTruth, Predictions

TruthRow = tuple[str, str, float, float]
PredictionRow = tuple[str, str, float, float, float]


def tables(
    truth: list[TruthRow], predictions: list[PredictionRow], videos: tuple[str, ...] = ()
) -> tuple[GroundTruth, Predictions]:
    """Rows (video, label, start, end[, score]) as tables; videos and labels not in the truth are unknown."""
    video_ids = tuple(dict.fromkeys([*videos, *(row[0] for row in truth)]))
    labels = tuple(sorted({row[1] for row in truth}))
    video_of, label_of = {v: i for i, v in enumerate(video_ids)}, {v: i for i, v in enumerate(labels)}
    return (
        GroundTruth(
            np.array([video_of[row[0]] for row in truth], np.int64),
            np.array([label_of[row[1]] for row in truth], np.int64),
            np.array([row[2:4] for row in truth], np.float64).reshape(-1, 2),
            video_ids,
            labels,
        ),
        Predictions(
            np.array([video_of.get(row[0], -1) for row in predictions], np.int64),
            np.array([label_of.get(row[1], -1) for row in predictions], np.int64),
            np.array([row[2:4] for row in predictions], np.float64).reshape(-1, 2),
            np.array([row[4] for row in predictions], np.float64),
        ),
    )


def tiou(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Temporal IoU, one pair at a time."""
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    return shared / union if union > 0 else 0.0


def plain_average_precision(
    truth: list[TruthRow], predictions: list[PredictionRow], label: str, threshold: float
) -> float:
    """Average precision of one class by the definition: one prediction at a time, best first."""
    instances = [row for row in truth if row[1] == label]
    taken: set[int] = set()
    hits: list[bool] = []
    for video, _, start, end, _ in sorted((p for p in predictions if p[1] == label), key=lambda p: -p[4]):
        wishes = [(tiou((start, end), row[2:4]), i) for i, row in enumerate(instances) if row[0] == video]
        wishes = sorted((w for w in wishes if w[0] > 0 and w[0] >= threshold and w[1] not in taken), reverse=True)
        hits.append(bool(wishes))
        if wishes:
            taken.add(wishes[0][1])
    precision = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
    return sum(max(precision[n:]) for n, hit in enumerate(hits) if hit) / len(instances)
