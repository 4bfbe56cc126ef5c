"""Evaluation while training: detect in the videos of a split with the averaged weights, and score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cltdr_cli import console
from cltdr_cli.commands.scoring import Reference, make_reference, score
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.benchmarks import Benchmark
from cltdr_cli.data.dataset import class_agnostic
from cltdr_cli.data.feature_files import check_feature_file, feature_file, load_sequence
from cltdr_cli.data.findings import found
from cltdr_cli.data.prediction_files import rows_of_results
from cltdr_cli.errors import FeatureError
from cltdr_cli.pipeline import detect_features
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.timeline import FeatureSequence
from cltdr_cli.training.processes import Processes
from cltdr_cli.zoo.load import make_localizer
from cltdr_cli.zoo.preset import Preset


@dataclass(frozen=True)
class _Detector:
    """A localizer and the names of its classes, as ``detect_features`` takes them."""

    labels: tuple[str, ...]
    localizer: Callable[[FeatureSequence], Detections]


@dataclass(frozen=True)
class SplitEvaluation:
    """Scores a network on one split; the videos are shared out among the processes.

    Attributes:
        reference: What is scored.
        paths: Feature file of each video that has one.
        preset: How features are read and detections made.
        class_names: By index.
        device: Where the network runs.
        processes: Who evaluates together.
    """

    reference: Reference
    paths: dict[str, Path]
    preset: Preset
    class_names: tuple[str, ...]
    device: torch.device
    processes: Processes

    @classmethod
    def of(
        cls,
        record: Benchmark,
        annotations: Annotations,
        split: str,
        features: Path,
        preset: Preset,
        class_names: tuple[str, ...],
        device: torch.device,
        processes: Processes,
    ) -> SplitEvaluation:
        """Find the split's feature files; those that are missing are told.

        Raises:
            AnnotationError: There is no such split, or nothing in it to find.
            FeatureError: None of its videos has features, or their sidecars contradict the preset.
        """
        if preset.benchmark.class_agnostic:
            annotations = class_agnostic(annotations)
        reference = make_reference(record, annotations, split, None)
        paths: dict[str, Path] = {}
        for video_id in reference.split.truth.video_ids:
            path = feature_file(features, video_id, preset.features)
            if path is not None:
                check_feature_file(path, annotations.videos[video_id], preset.features)
                paths[video_id] = path
        if not paths:
            raise FeatureError(f"{features} has no features of the split {split}", "use another --eval-split")
        missing = [name for name in reference.split.truth.video_ids if name not in paths]
        text = f"videos of {split} have no feature file"
        for finding in found("missing-features", text, missing, "their instances count as missed"):
            if processes.is_first:
                console.warning(str(finding))
        return cls(reference, paths, preset, class_names, device, processes)

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.reference.split.split

    def __call__(self, network: nn.Module) -> dict[str, Any]:
        """Average mAP as ``score``, and the mAP of each threshold; empty in all processes but the first."""
        own = self._detected(network)
        parts = self.processes.gather(own)
        if not self.processes.is_first:
            return {}
        by_id = {result.video_id: result for part in parts for result in part}
        results = [by_id[name] for name in self.paths]
        rows = rows_of_results(results, "training")
        tious = self.reference.record.thresholds
        evaluation = score(self.reference, rows, tious, "stable", True).evaluation
        by_tiou = {f"mAP@{tiou:.2f}": float(value) for tiou, value in zip(tious, evaluation.mean_ap, strict=True)}
        return {"score": evaluation.average, **by_tiou}

    def _detected(self, network: nn.Module) -> list[VideoResult]:
        files = self.preset.features
        localizer = make_localizer(self.preset, network, self.device)
        detector = _Detector(self.class_names, localizer)
        own = list(self.paths.items())[self.processes.rank :: self.processes.count]
        results: list[VideoResult] = []
        with console.progress(f"evaluating on {self.split}", len(own), "videos") as bar:
            for done, (video_id, path) in enumerate(own, 1):
                sequence = load_sequence(path, self.reference.annotations.videos[video_id], files)
                results.append(detect_features(detector, sequence))
                bar.update(done)
        return results
