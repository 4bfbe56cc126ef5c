"""The baseline that the localizer is held against: the extractor's own classifier, slid over the same features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.benchmarks import Benchmark, benchmark
from cltdr_cli.data.ground_truth import ScoredSplit, scored_split
from cltdr_cli.data.prediction_files import rows_of_results
from cltdr_cli.data.predictions import aligned
from cltdr_cli.demo.actions import LABELS
from cltdr_cli.evaluation.analysis import scores
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
"""The numbers tried on the validation split, every combination."""


def baseline_choices() -> Iterator[tuple[SlidingConfig, InferenceConfig]]:
    """Every combination of the searched numbers."""
    for values in product(*SEARCHED.values()):
        chosen = dict(zip(SEARCHED, values, strict=True))
        sigma = float(chosen.pop("nms_sigma"))
        yield replace(START, **chosen), InferenceConfig(nms_method="soft", nms_sigma=sigma, max_seg_num=200)


def sliding(head: nn.Linear, config: SlidingConfig, inference: InferenceConfig) -> NetworkLocalizer:
    """The baseline of an extractor's class head ``[9, 256]``."""
    import torch

    return NetworkLocalizer(
        adopt(config, head),
        lambda outputs, grid: decode(outputs, config, inference, grid),
        inference,
        torch.device("cpu"),
    )


def baseline_results(localizer: NetworkLocalizer, sequences: Mapping[str, FeatureSequence]) -> list[VideoResult]:
    """Detections in every video; runs of idle are no actions."""
    return [
        VideoResult(name, _actions(localizer(sequence)), LABELS, sequence.duration_seconds, {})
        for name, sequence in sequences.items()
    ]


def _actions(found: Detections) -> Detections:
    return found.selected(np.flatnonzero(found.labels < len(LABELS)))


def described(config: SlidingConfig, inference: InferenceConfig) -> dict[str, Any]:
    """The chosen numbers as plain JSON."""
    return {**asdict(config), "nms_sigma": inference.nms_sigma}


def feature_files(folder: Path, video_ids: tuple[str, ...]) -> dict[str, FeatureSequence]:
    """Features of these videos, with their times from the sidecars."""
    from cltdr_cli.features.store import load_features

    return {name: load_features(folder / f"{name}.npy") for name in video_ids}


def measured_baseline(annotations: Annotations, features: Path, weights: Path) -> dict[str, Any]:
    """Tune the baseline on the validation split, then score it on the test split.

    Args:
        annotations: Of all splits.
        features: Folder of feature files.
        weights: The extractor's.

    Returns:
        ``chosen`` numbers, ``tried`` combinations, and the ``validation`` and ``test`` scores.
    """
    from cltdr_cli.zoo.extractors import ModelSources, load_extractor

    head = load_extractor("demo", ModelSources(files={"demo": weights})).extractor.class_head()
    assert head is not None, "a demo network has a class head"
    validation = BaselineSplit.of(annotations, "validation", features)
    choices = list(baseline_choices())
    config, inference = max(choices, key=lambda choice: validation.score(sliding(head, *choice))["average_mAP"])
    best = sliding(head, config, inference)
    return {
        "chosen": described(config, inference),
        "tried": len(choices),
        "validation": validation.score(best),
        "test": BaselineSplit.of(annotations, "test", features).score(best),
    }


@dataclass(frozen=True, eq=False)
class BaselineSplit:
    """The features of a split and what happens in it."""

    sequences: dict[str, FeatureSequence]
    truth: ScoredSplit
    numbers: dict[int, str]
    record: Benchmark

    @classmethod
    def of(cls, annotations: Annotations, split: str, features: Path) -> BaselineSplit:
        """Read the features of a split."""
        record = benchmark("custom")
        truth = scored_split(annotations, record, split, record.protocol(None))
        sequences = feature_files(features, tuple(truth.truth.video_ids))
        return cls(sequences, truth, {number: name for name, number in annotations.label_ids.items()}, record)

    def score(self, localizer: NetworkLocalizer) -> dict[str, Any]:
        """What ``cltdr eval`` would say of the detections."""
        rows = rows_of_results(baseline_results(localizer, self.sequences), "the sliding baseline")
        predictions, _ = aligned(rows, self.truth, self.numbers, None, True)
        return scores(
            self.truth.truth, evaluate(self.truth.truth, predictions, self.record.thresholds, "published")
        )
