"""All results of an evaluation as plain JSON: the scores, and the analysis behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.evaluation.average_precision import Evaluation
from cltdr_cli.evaluation.breakdown import Bucket, compute_normalized_mean_ap, split_by_count, split_by_length
from cltdr_cli.evaluation.curves import RECALL_GRID, compute_precision_at_recall
from cltdr_cli.evaluation.false_positives import KINDS, LEAST_TIOU, classify_predictions
from cltdr_cli.evaluation.recall import Recall, compute_recall
from cltdr_cli.evaluation.tables import GroundTruth, Predictions


def summarize_scores(truth: GroundTruth, evaluation: Evaluation) -> dict[str, Any]:
    """Thresholds, mAP and AP per class as fractions: what ``cltdr eval`` writes as JSON."""
    columns = zip(evaluation.classes, evaluation.ap.T, strict=True)
    return {
        "tiou": evaluation.tious.tolist(),
        "mAP": evaluation.mean_ap.tolist(),
        "average_mAP": evaluation.average,
        "per_class": {truth.label_names[label]: column.tolist() for label, column in columns},
        "videos": len(truth.video_ids),
        "instances": len(truth),
    }


def analyze_predictions(
    truth: GroundTruth,
    predictions: Predictions,
    evaluation: Evaluation,
    length_edges: Sequence[float],
    count_edges: Sequence[float],
) -> dict[str, Any]:
    """Scores, recall, sensitivity, false positives and curves, ready for JSON and for ``plots``.

    Args:
        truth: The instances.
        predictions: The predictions.
        evaluation: The evaluation of these predictions.
        length_edges: Lengths in seconds that separate groups of instances, rising.
        count_edges: Numbers of instances of a class in a video that separate groups, rising.
    """
    wrong = classify_predictions(truth, predictions, evaluation)
    curves = compute_precision_at_recall(evaluation)
    tious = evaluation.tious
    return {
        **summarize_scores(truth, evaluation),
        "predictions": len(predictions),
        "recall": {
            "any_label": _describe_recall(compute_recall(truth, predictions, tious)),
            "same_label": _describe_recall(compute_recall(truth, predictions, tious, same_label=True)),
        },
        "normalized_mAP": compute_normalized_mean_ap(truth, evaluation).tolist(),
        "by_length": [_describe_bucket(bucket) for bucket in split_by_length(truth, evaluation, length_edges)],
        "by_instances_per_video": [
            _describe_bucket(bucket) for bucket in split_by_count(truth, evaluation, count_edges)
        ],
        "false_positives": {
            "kinds": list(KINDS),
            "least_tiou": LEAST_TIOU,
            "profile": wrong.profile.tolist(),
            "counts": wrong.counts.tolist(),
            "gain": wrong.gain.tolist(),
        },
        "precision_recall": _describe_curves(truth, evaluation, curves),
    }


def _describe_recall(recall: Recall) -> dict[str, Any]:
    return {
        "segments_per_video": recall.proposals.tolist(),
        "recall": recall.recall.tolist(),
        "average_recall": recall.average.tolist(),
    }


def _describe_bucket(bucket: Bucket) -> dict[str, Any]:
    return {
        "name": bucket.name,
        "instances": bucket.instances,
        "classes": bucket.classes,
        "mAP": bucket.mean_ap.tolist(),
        "average_mAP": float(bucket.mean_ap.mean()),
        "normalized_mAP": bucket.normalized.tolist(),
        "average_normalized_mAP": float(bucket.normalized.mean()),
        "recall": bucket.recall.tolist(),
    }


def _describe_curves(truth: GroundTruth, evaluation: Evaluation, curves: NDArray[np.float64]) -> dict[str, Any]:
    mean = curves.mean(axis=1) if len(evaluation.classes) else curves.sum(axis=1)
    names = [truth.label_names[label] for label in evaluation.classes]
    per_class = {name: np.round(curves[:, k], 6).tolist() for k, name in enumerate(names)}
    return {"recall": np.round(RECALL_GRID, 2).tolist(), "mean": mean.tolist(), "per_class": per_class}
