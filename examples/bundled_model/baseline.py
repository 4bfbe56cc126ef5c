"""The baseline that the localizer is compared with: the extractor's own classifier on the same features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.datasets import DatasetRecord, find_dataset
from cltdr_cli.data.ground_truth import ScoredSplit, select_scored_split
from cltdr_cli.data.prediction_files import collect_rows
from cltdr_cli.data.predictions import align_predictions
from cltdr_cli.demo.actions import LABELS
from cltdr_cli.evaluation.analysis import summarize_scores
from cltdr_cli.evaluation.average_precision import evaluate
from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.localize import NetworkLocalizer
from cltdr_cli.methods.sliding import adopt, decode
from cltdr_cli.methods.sliding.config import SlidingConfig
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.timeline import FeatureSequence

if TYPE_CHECKING:
    from torch import nn

START = SlidingConfig(
    num_classes=9,
    smoothing_seconds=0.4,
    thresholds=(0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    merge_gap_seconds=0.2,
    min_duration_seconds=0.3,
    top_classes=9,
    outer_context=0.25,
)

SEARCHED: dict[str, tuple[Any, ...]] = {
    "smoothing_seconds": (0.3, 0.5, 0.8, 1.1, 1.5),
    "merge_gap_seconds": (0.0, 0.3),
    "outer_context": (0.0, 0.25),
    "thresholds": ((0.3, 0.5, 0.7), (0.5,), (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
    "nms_sigma": (0.1, 0.3),
}
"""Settings tried on the validation split, in every combination."""


def list_choices() -> Iterator[tuple[SlidingConfig, InferenceConfig]]:
    """Every combination of the searched settings."""
    for values in product(*SEARCHED.values()):
        chosen = dict(zip(SEARCHED, values, strict=True))
        sigma = float(chosen.pop("nms_sigma"))
        yield replace(START, **chosen), InferenceConfig(nms_method="soft", nms_sigma=sigma, max_seg_num=200)


def build_baseline(head: nn.Module, config: SlidingConfig, inference: InferenceConfig) -> NetworkLocalizer:
    """Build the baseline of an extractor's class head, whose weights are ``[9, 256]``."""
    import torch

    return NetworkLocalizer(
        adopt(config, head),
        lambda outputs, grid: decode(outputs, config, inference, grid),
        inference,
        torch.device("cpu"),
    )


def detect_actions(localizer: NetworkLocalizer, sequences: Mapping[str, FeatureSequence]) -> list[VideoResult]:
    """Detect in every video. Segments of the class "idle" are dropped."""
    return [
        VideoResult(name, _drop_idle(localizer(sequence)), LABELS, sequence.duration_seconds, {})
        for name, sequence in sequences.items()
    ]


def _drop_idle(found: Detections) -> Detections:
    return found.selected(np.flatnonzero(found.labels < len(LABELS)))


def describe_choice(config: SlidingConfig, inference: InferenceConfig) -> dict[str, Any]:
    """The settings as plain JSON."""
    return {**asdict(config), "nms_sigma": inference.nms_sigma}


def load_sequences(folder: Path, video_ids: tuple[str, ...]) -> dict[str, FeatureSequence]:
    """Load the features of these videos, with their times from the sidecars."""
    from cltdr_cli.features.store import load_features

    return {name: load_features(folder / f"{name}.npy") for name in video_ids}


def measure_baseline(annotations: Annotations, features: Path, weights: Path) -> dict[str, Any]:
    """Tune the baseline on the validation split, then score it on the test split.

    Args:
        annotations: Annotations of all splits.
        features: Folder of feature files.
        weights: Weights file of the extractor.

    Returns:
        ``chosen`` settings, number of ``tried`` combinations, and the ``validation`` and ``test`` scores.
    """
    from cltdr_cli.zoo.extractors import ModelSources, load_extractor

    head = load_extractor("demo", ModelSources(files={"demo": weights})).extractor.class_head()
    assert head is not None, "a demo network has a class head"
    validation = BaselineSplit.read(annotations, "validation", features)
    choices = list(list_choices())
    config, inference = max(choices, key=lambda choice: validation.score(build_baseline(head, *choice))["average_mAP"])
    best = build_baseline(head, config, inference)
    return {
        "chosen": describe_choice(config, inference),
        "tried": len(choices),
        "validation": validation.score(best),
        "test": BaselineSplit.read(annotations, "test", features).score(best),
    }


@dataclass(frozen=True, eq=False)
class BaselineSplit:
    """The features of a split, and what predictions on it are scored against."""

    sequences: dict[str, FeatureSequence]
    truth: ScoredSplit
    numbers: dict[int, str]
    record: DatasetRecord

    @classmethod
    def read(cls, annotations: Annotations, split: str, features: Path) -> BaselineSplit:
        """Read the features of a split and prepare its ground truth."""
        record = find_dataset("custom")
        truth = select_scored_split(annotations, record, split, record.find_protocol(None))
        sequences = load_sequences(features, tuple(truth.truth.video_ids))
        return cls(sequences, truth, {number: name for name, number in annotations.label_ids.items()}, record)

    def score(self, localizer: NetworkLocalizer) -> dict[str, Any]:
        """Detect in the split and score as ``cltdr eval`` does."""
        rows = collect_rows(detect_actions(localizer, self.sequences), "the sliding baseline")
        predictions, _ = align_predictions(rows, self.truth, self.numbers, None, True)
        return summarize_scores(
            self.truth.truth, evaluate(self.truth.truth, predictions, self.record.thresholds, "published")
        )
