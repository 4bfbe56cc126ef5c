"""How long an evaluation takes, on detections drawn around made-up instances."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cltdr_cli.evaluation.average_precision import evaluate
from cltdr_cli.evaluation.tables import GroundTruth, Predictions

TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
PER_VIDEO = (50, 2000)
"""Detections a video: 10,600 rows over the 212 videos of THUMOS14, and 424,000."""

_VIDEOS = 212
_INSTANCES = 3358
_CLASSES = 20


@dataclass(frozen=True)
class EvalTiming:
    """Time of one case.

    Attributes:
        name: What was evaluated.
        rows: Predictions.
        median_seconds: Of the runs.
        best_seconds: Of the runs.
        runs: Repetitions.
        average_map: What came out.
    """

    name: str
    rows: int
    median_seconds: float
    best_seconds: float
    runs: int
    average_map: float


def time_evaluation(
    per_video: Sequence[int] = PER_VIDEO,
    runs: int = 5,
    given: tuple[str, GroundTruth, Predictions] | None = None,
    on_case: Callable[[EvalTiming], None] | None = None,
) -> list[EvalTiming]:
    """Time the evaluator at five thresholds, without reading files.

    Args:
        per_video: Detections a video for each drawn case, on 212 videos with 3,358 instances of 20 classes.
        runs: Repetitions of each case, at least 1.
        given: Name, instances and predictions of a case of the user's, timed first.
        on_case: Called with each case when it is done.
    """
    cases = [given] if given is not None else []
    truth = draw_truth()
    rows: list[EvalTiming] = []
    for name, instances, predictions in [*cases, *(_draw_case(truth, count) for count in per_video)]:
        rows.append(_time_case(name, instances, predictions, runs))
        if on_case is not None:
            on_case(rows[-1])
    return rows


def draw_truth(seed: int = 0) -> GroundTruth:
    """Made-up instances as many as in the THUMOS14 test split: one or two classes a video, skewed lengths."""
    rng = np.random.default_rng(seed)
    videos = np.sort(np.concatenate([np.arange(_VIDEOS), rng.integers(0, _VIDEOS, _INSTANCES - _VIDEOS)]))
    labels = (videos * 7 + (rng.random(_INSTANCES) < 0.1)) % _CLASSES
    start = rng.uniform(0, 1200, _INSTANCES)
    length = np.clip(rng.lognormal(1.1, 0.8, _INSTANCES), 0.3, 90)
    segments = np.stack([start, start + length], axis=1)
    names = tuple(f"class {i}" for i in range(_CLASSES))
    return GroundTruth(videos, labels, segments, tuple(f"video {i}" for i in range(_VIDEOS)), names)


def draw_predictions(truth: GroundTruth, per_video: int, seed: int = 0) -> Predictions:
    """As many detections in each video, scattered around its instances; seven in ten have the right label."""
    rng = np.random.default_rng(seed)
    count = per_video * len(truth.video_ids)
    videos = np.repeat(np.arange(len(truth.video_ids)), per_video)
    low, high = np.searchsorted(truth.videos, videos, "left"), np.searchsorted(truth.videos, videos, "right")
    aimed = low + (rng.random(count) * (high - low)).astype(np.int64)
    segments = np.sort(truth.segments_seconds[aimed] + rng.normal(0, 1.5, (count, 2)), axis=1)
    labels = np.where(rng.random(count) < 0.7, truth.labels[aimed], rng.integers(0, _CLASSES, count))
    return Predictions(videos, labels, segments, rng.random(count))


def _draw_case(truth: GroundTruth, per_video: int) -> tuple[str, GroundTruth, Predictions]:
    predictions = draw_predictions(truth, per_video)
    return f"drawn, {per_video} a video", truth, predictions


def _time_case(name: str, truth: GroundTruth, predictions: Predictions, runs: int) -> EvalTiming:
    seconds: list[float] = []
    average = 0.0
    for _ in range(runs):
        start = time.perf_counter()
        average = evaluate(truth, predictions, TIOUS).average
        seconds.append(time.perf_counter() - start)
    return EvalTiming(name, len(predictions), float(np.median(seconds)), min(seconds), runs, average)
