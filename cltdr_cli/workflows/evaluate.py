"""Evaluation: the function behind ``cltdr eval``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.ambiguous import drop_ambiguous
from cltdr_cli.data.coverage import check_coverage
from cltdr_cli.data.datasets import find_dataset
from cltdr_cli.data.feature_files import feature_file
from cltdr_cli.data.feature_spans import read_span
from cltdr_cli.data.prediction_files import ResultRows, collect_rows, read_predictions
from cltdr_cli.data.video_info import find_unusual_rates
from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.evaluation.step_labels import LabellingRule
from cltdr_cli.evaluation.tables import TieRule
from cltdr_cli.evaluation.thresholds import parse_tious
from cltdr_cli.methods import find_method
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.named_inputs import FailedInput
from cltdr_cli.workflows.detector import InputDetector, make_input_detector, prepare_detector
from cltdr_cli.workflows.feature_scan import look_through, warn_of_faults
from cltdr_cli.workflows.models import find_models, load_reported_detector
from cltdr_cli.workflows.provenance import describe_detector, read_learning_curve
from cltdr_cli.workflows.reference import Reference, make_reference, read_dataset_annotations
from cltdr_cli.workflows.scores import SplitScores, score_split
from cltdr_cli.workflows.segmentation import (
    check_segmentation,
    choose_rule,
    score_as_segmentation,
)
from cltdr_cli.workflows.split import detect_in_features, detect_in_videos, detect_split
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.load import LoadedDetector

_DATA_ROOT_VARIABLE = "CLTDR_DATA"

_FindRows = Callable[[Reference], tuple[ResultRows, list[FailedInput]]]
"""Part of an annotation -> detections in its videos, and the videos that failed."""


def evaluate(
    dataset: str,
    *,
    predictions: str | Path | None = None,
    features: str | Path | None = None,
    videos: str | Path | None = None,
    preset: str | Path = "auto",
    checkpoint: str | Path | None = None,
    flow: str | None = None,
    force: bool = False,
    video_scores: str | Path | None = None,
    annotations: str | Path | None = None,
    data_root: str | Path | None = None,
    split: str | None = None,
    protocol: str | None = None,
    tiou: str | None = None,
    ties: TieRule = "published",
    outside: Literal["count", "ignore"] = "count",
    ambiguous: Literal["count", "drop"] = "count",
    labels: str | Path | None = None,
    video_info: Sequence[str | Path] = (),
    fps: float | None = None,
    background: Sequence[str] = (),
    proposals: bool = False,
    segmentation: bool = False,
    segmentation_min_score: float = 0.0,
    segmentation_min_share: float = 0.0,
    segmentation_choose_on: str | None = None,
    device: str = "auto",
    report: Reporter = SILENT,
) -> SplitScores:
    """Score detections: mean average precision over temporal IoU thresholds, to the published evaluators' digits.

    Args:
        dataset: Name of a data set (``cltdr datasets`` lists them), or ``custom``.
        predictions: File of detections to score: ActivityNet JSON, our CSV, or rows of THUMOS14.
        features: Folder of feature files to detect in, in place of predictions.
        videos: Folder of videos to detect in, in place of predictions.
        preset: Detector for features or videos, as for ``detect``; so are the next four.
        checkpoint: Checkpoint in place of a preset.
        flow: Optical flow in place of the preset's.
        force: Whether features of another extractor or flow are taken, if width and grid fit.
        video_scores: File with class scores of whole videos, for presets that name no classes.
        annotations: JSON, CSV or THUMOS folder; None looks for the usual one under ``data_root``.
        data_root: Folder of data sets; by default ``$CLTDR_DATA``.
        split: Split to score; None takes the one that the data set is scored on.
        protocol: Choice of THUMOS14 videos: ``actionformer``, ``opentad``, ``gtad`` or ``full``.
        tiou: Thresholds such as ``0.3:0.7:0.1`` or ``0.5,0.75``; None takes those of the data set, or those that the
            detector's family of methods reports on it.
        ties: Order of equal scores: as the ``published`` evaluator takes them, or ``stable``, as in the file.
        outside: Whether predictions in videos that are not scored ``count`` as false positives.
        ambiguous: Whether detections at actions marked Ambiguous ``count``, as in most evaluators, or are dropped
            (``drop``), as some programs for learning from video labels do on THUMOS14.
        labels: File of class names, one a line, in place of the data set's.
        video_info: CSV files of durations, rates or subsets.
        fps: Frames per second of the videos, where the annotation does not say it.
        background: Labels that are no action, where the annotation has one label per frame.
        proposals: Whether to score segments whatever their label too: average recall AR@AN and its area AUC, as
            ActivityNet's proposal task; predictions may then lack labels.
        segmentation: Whether to score one label per frame too.
        segmentation_min_score: Detections below it give no label to a frame.
        segmentation_min_share: Detections give none either if better ones leave them a smaller share of their frames.
        segmentation_choose_on: Split to choose the least score on, other than the scored one.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        report: Hears of progress and warnings, and of videos that fail.

    Returns:
        The scores. Videos that failed are among its ``failures``; their instances count as missed.

    Raises:
        UsageError: The arguments contradict each other, or name something unknown.
        AnnotationError: The annotation or the predictions cannot be read, or nothing could be scored.
        CltdrError: The detector cannot be loaded.
    """
    _check_sources(predictions, features, videos)
    record = find_dataset(dataset)
    tious = None if tiou is None else parse_tious(tiou)
    root = data_root or os.environ.get(_DATA_ROOT_VARIABLE)
    read = read_dataset_annotations(
        record, _to_path(annotations), _to_path(root), _to_path(labels), [Path(file) for file in video_info],
        fps, background,
    )  # fmt: skip
    for note in read.notes:
        report.notice(f"{read.source.name}: {note}")
    for finding in find_unusual_rates(read, record.fps, record.name):
        report.warning(str(finding))
    reference = make_reference(record, read, split, protocol)
    choosing = None if segmentation_choose_on is None else make_reference(record, read, segmentation_choose_on)
    if segmentation:
        check_segmentation(reference, choosing)
    elif choosing is not None:
        raise UsageError("segmentation_choose_on= needs segmentation=", "Give both, or none.")
    if predictions is not None:
        source = _Source(_take_rows(read_predictions(Path(predictions), not proposals)))
    else:
        models = find_models(device, flow=flow, force=force, report=report)
        loaded = load_reported_detector(preset, checkpoint, models, report)
        place = _Place(_to_path(features), _to_path(videos), proposals)
        detector = _prepare(loaded, models, reference, place, _to_path(video_scores), report)
        source = _Source.of(loaded, partial(_detect, detector, place, report), reference, _to_path(checkpoint))
    rows, failures = source.find_rows(reference)
    if ambiguous == "drop":
        rows = _drop_ambiguous(rows, reference, report)
    scores = replace(
        score_split(reference, rows, source.tious if tious is None else tious, ties, outside == "count"),
        failures=tuple(failures),
        with_proposals=proposals,
        average_ranges=source.averages if tious is None else (),
        made_by=source.made_by,
        learning_curve=source.learning_curve,
    )
    if segmentation:
        rule = LabellingRule(segmentation_min_score, segmentation_min_share)
        if choosing is not None:
            rule = choose_rule(choosing, source.find_rows(choosing)[0], segmentation_min_share)
        labelled = score_as_segmentation(reference, scores.predictions, rule, segmentation_choose_on or "")
        scores = replace(scores, segmentation=labelled)
    for text in scores.warnings:
        report.warning(text)
    return scores


def _check_sources(predictions: object, features: object, videos: object) -> None:
    """Refuse anything but exactly one source of detections."""
    sources = {"predictions=": predictions, "features=": features, "videos=": videos}
    given = [name for name, source in sources.items() if source is not None]
    if len(given) != 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other" if given else "nothing to score",
            "Give a file as predictions=, or a folder as features= or videos= with preset= or checkpoint=.",
        )


def _to_path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


@dataclass(frozen=True)
class _Source:
    """Where detections come from.

    Attributes:
        find_rows: Finds those of a split.
        made_by: What detected, as plain JSON; empty where the detections came in a file.
        tious: Thresholds that the method reports on this data set; None for those of the data set.
        averages: First and last threshold of averages that it reports besides.
        learning_curve: Of the detector's training, where its log lies beside it.
    """

    find_rows: _FindRows
    made_by: dict[str, Any] = field(default_factory=dict[str, Any])
    tious: NDArray[np.float64] | None = None
    averages: tuple[tuple[float, float], ...] = ()
    learning_curve: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, loaded: LoadedDetector, find_rows: _FindRows, reference: Reference, checkpoint: Path | None) -> _Source:
        """A detector."""
        method = find_method(loaded.preset.method)
        tious = method.find_tious(reference.record.name)
        made_by = describe_detector(loaded, checkpoint)
        made_by |= {"annotations": str(reference.annotations.source), "split": reference.split.split}
        curve = () if checkpoint is None else read_learning_curve(checkpoint.parent)
        return cls(find_rows, made_by, tious, () if tious is None else method.averages, curve)


def _drop_ambiguous(rows: ResultRows, reference: Reference, report: Reporter) -> ResultRows:
    videos = reference.annotations.videos
    if not any(video.ambiguous for video in videos.values()):
        report.warning(f"{reference.annotations.source} marks nothing as Ambiguous, so no detection is dropped")
    return drop_ambiguous(rows, videos)


@dataclass(frozen=True)
class _Place:
    """Where to detect, a folder of features or else of videos, and whether segments without labels will do."""

    features: Path | None
    videos: Path | None
    takes_proposals: bool

    @property
    def folder(self) -> Path:
        return self.features or self.videos or Path()


def _prepare(
    loaded: LoadedDetector,
    models: ModelSources,
    reference: Reference,
    place: _Place,
    video_scores: Path | None,
    report: Reporter,
) -> InputDetector:
    """The detector for all videos; everything that is wrong with it is found out before the first one."""
    if video_scores is None and loaded.preset.benchmark.class_agnostic and not place.takes_proposals:
        raise UsageError(
            f"preset {loaded.preset.name} finds actions without naming them: there is nothing to score by class",
            "Give a file with class scores of whole videos as video_scores=, or score only proposals=.",
        )
    detector = make_input_detector(
        loaded, VideoOptions(), force=models.any_kind, video_scores=video_scores, report=report
    )
    found: dict[str, Path] = {}
    if place.features is not None:
        files = {name: feature_file(place.features, name, detector.features) for name in reference.video_ids}
        found = {name: path for name, path in files.items() if path is not None}
        warn_of_faults(look_through(list(found.values()), detector.features, report), report)
    prepare_detector(loaded, models, has_videos=place.features is None, feature_files=found.values(), report=report)
    spans = (read_span(path, reference.annotations.videos[name], detector.features) for name, path in found.items())
    for finding in check_coverage(spans, detector.features.force_upsampling):
        report.warning(str(finding))
    return detector


def _take_rows(rows: ResultRows) -> _FindRows:
    """Rows of a file, whatever part of the annotation they are compared with."""
    return lambda reference: (rows, [])


def _detect(
    detector: InputDetector, place: _Place, report: Reporter, reference: Reference
) -> tuple[ResultRows, list[FailedInput]]:
    """Detect in every video that is scored.

    Raises:
        AnnotationError: Not one of them could be detected in.
    """
    if place.features is not None:
        detect_in = detect_in_features(detector, place.features)
    else:
        detect_in = detect_in_videos(detector, place.folder, report)
    annotated = [reference.annotations.videos[video_id] for video_id in reference.video_ids]
    results, failures = detect_split(annotated, detect_in, report=report)
    if not results:
        raise AnnotationError(f"no video of the split could be detected in: {place.folder}", "See above.")
    return collect_rows(results, str(place.folder)), failures
