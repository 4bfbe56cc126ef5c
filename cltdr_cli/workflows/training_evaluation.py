"""Evaluation while training: detect in the videos of a split with the averaged weights, and score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.data.coverage import check_coverage
from cltdr_cli.data.feature_files import check_feature_file, feature_file, load_sequence
from cltdr_cli.data.feature_spans import read_span
from cltdr_cli.data.findings import make_findings
from cltdr_cli.data.prediction_files import collect_rows
from cltdr_cli.data.training_set import class_agnostic
from cltdr_cli.errors import FeatureError
from cltdr_cli.pipeline import detect_features
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.timeline import FeatureSequence
from cltdr_cli.training.processes import Processes
from cltdr_cli.workflows.reference import Reference, make_reference
from cltdr_cli.workflows.scores import score_split
from cltdr_cli.workflows.split import detect_split
from cltdr_cli.workflows.training_data import TrainingData
from cltdr_cli.zoo.load import make_localizer
from cltdr_cli.zoo.preset import Preset


@dataclass(frozen=True)
class _Detector:
    """A localizer and the names of its classes, as ``detect_features`` takes them."""

    labels: tuple[str, ...]
    localizer: Callable[[FeatureSequence], Detections]
    label_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class SplitEvaluation:
    """Scores a network on one split; the videos are shared out among the processes.

    Attributes:
        reference: What is scored.
        paths: Feature file of each video that has one.
        preset: How features are read and detections made.
        class_names: By index.
        tious: Thresholds float64 ``[T]``; None for those of the data set.
        device: Where the network runs.
        processes: Those that evaluate together.
        report: Hears of progress.
    """

    reference: Reference
    paths: dict[str, Path]
    preset: Preset
    class_names: tuple[str, ...]
    tious: NDArray[np.float64] | None
    device: torch.device
    processes: Processes
    report: Reporter = SILENT

    @classmethod
    def of(
        cls, data: TrainingData, features: Path, device: torch.device, processes: Processes, report: Reporter = SILENT
    ) -> SplitEvaluation:
        """Find the feature files of the split that chooses; missing ones are reported.

        Raises:
            AnnotationError: There is no such split, or nothing in it to find.
            FeatureError: None of its videos has features, or their sidecars contradict the preset.
        """
        preset = replace(data.preset, features=data.files)
        annotations = class_agnostic(data.annotations) if preset.benchmark.class_agnostic else data.annotations
        reference = make_reference(data.data_set, annotations, data.eval_split)
        paths: dict[str, Path] = {}
        for video_id in reference.video_ids:
            path = feature_file(features, video_id, preset.features)
            if path is not None:
                check_feature_file(path, annotations.videos[video_id], preset.features)
                paths[video_id] = path
        if not paths:
            raise FeatureError(f"{features} has no features of the split {data.eval_split}", "Use another eval_split=.")
        missing = [name for name in reference.video_ids if name not in paths]
        text = f"videos of {data.eval_split} have no feature file"
        for finding in make_findings("missing-features", text, missing, "their instances count as missed"):
            report.warning(str(finding))
        spans = (read_span(path, annotations.videos[name], preset.features) for name, path in paths.items())
        for finding in check_coverage(spans, preset.features.force_upsampling):
            report.warning(f"{reference.split.split}: {finding}")
        return cls(reference, paths, preset, data.class_names, data.tious, device, processes, report)

    @property
    def split(self) -> str:
        """Name of the split."""
        return self.reference.split.split

    def __call__(self, network: nn.Module) -> dict[str, Any]:
        """Average mAP as ``score``, mAP of each threshold, ``display_score``; empty in all processes but the first."""
        parts = self.processes.gather(self._detect(network))
        if not self.processes.is_first:
            return {}
        by_id = {result.video_id: result for part in parts for result in part}
        rows = collect_rows([by_id[name] for name in self.paths if name in by_id], "training")
        scores = score_split(self.reference, rows, self.tious, "stable")
        by_tiou = {f"mAP@{tiou:.2f}": value for tiou, value in zip(scores.tiou, scores.mean_ap, strict=True)}
        shown = {} if scores.best_f1 is None else {"display_score": scores.best_f1.score}
        return {"score": scores.average, **by_tiou, **shown}

    def _detect(self, network: nn.Module) -> list[VideoResult]:
        """Results of this process's share of the videos."""
        detector = _Detector(self.class_names, make_localizer(self.preset, network, self.device))

        def detect_in(video: AnnotatedVideo) -> VideoResult:
            return detect_features(detector, load_sequence(self.paths[video.video_id], video, self.preset.features))

        own = list(self.paths)[self.processes.rank :: self.processes.count]
        videos = [self.reference.annotations.videos[video_id] for video_id in own]
        results, failures = detect_split(videos, detect_in, f"evaluating on {self.split}", self.report)
        if failures:
            raise failures[0].error
        return results
