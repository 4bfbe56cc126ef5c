"""Scoring of a split, and the result: mean average precision, what it rests on, and the files that tell it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.findings import Finding
from cltdr_cli.data.prediction_files import ResultRows
from cltdr_cli.data.predictions import align_predictions
from cltdr_cli.evaluation.analysis import analyze_predictions, summarize_scores
from cltdr_cli.evaluation.average_precision import Evaluation, count_tied_rows
from cltdr_cli.evaluation.average_precision import evaluate as evaluate_predictions
from cltdr_cli.evaluation.f1 import BestF1, find_best_f1
from cltdr_cli.evaluation.plots import draw_plots
from cltdr_cli.evaluation.proposals import ProposalRecall, compute_proposal_recall
from cltdr_cli.evaluation.recall import compute_recall_at_kx
from cltdr_cli.evaluation.tables import UNKNOWN, Predictions, TieRule
from cltdr_cli.files import write_bytes, write_text
from cltdr_cli.video.named_inputs import FailedInput
from cltdr_cli.workflows.reference import Reference
from cltdr_cli.workflows.segmentation import SplitSegmentation

SHOWN_PROPOSALS = (1, 5, 10, 50, 100)
"""Average numbers of proposals per video whose recall is shown; papers report 1, 10 and 100."""

TIE_RULES: tuple[TieRule, ...] = ("published", "stable")
_SAME_TIOU = 1e-6
_LEAST_PERCENT = 0.005
"""Smaller differences do not show in a table with two digits."""


@dataclass(frozen=True)
class Ties:
    """What predictions of equal score do to the result.

    Attributes:
        rule: In which order they were taken.
        count: Predictions that share their score with another of their label.
        averages: Average mAP by rule, as a fraction; empty where no scores are equal.
    """

    rule: TieRule
    count: int
    averages: dict[str, float] = field(default_factory=dict[str, float])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        averages = {f"average_mAP_{rule}": average for rule, average in self.averages.items()}
        return {"rule": self.rule, "tied_predictions": self.count, **averages}

    def describe(self, predictions: int) -> str:
        """A warning where the order changes the result visibly; else empty."""
        if not self.averages:
            return ""
        published, stable = (100 * self.averages[rule] for rule in TIE_RULES)
        if abs(published - stable) < _LEAST_PERCENT:
            return ""
        return (
            f"{self.count} of {predictions} predictions share their score with another of their label, so the "
            f"number depends on their order: {published:.2f} in that of the published evaluator (which varies "
            f"between CPUs), {stable:.2f} in that of the file. Choose one with ties= published or stable."
        )


@dataclass(frozen=True, eq=False)
class SplitScores:
    """The result of an evaluation. All numbers are fractions, not percent.

    Attributes:
        reference: What the predictions were compared with.
        predictions: The predictions as they were compared.
        evaluation: Average precision of every class at every threshold, and the matches behind it.
        findings: What is odd in the annotation or the predictions.
        tie_rule: In which order predictions of equal score were taken.
        failures: Videos that could not be detected in; their instances count as missed.
        segmentation: Scores of one label per frame; None where nobody asked for them.
        with_proposals: Whether the recall of segments, whatever their label, was asked for.
        average_ranges: First and last threshold of averages that are usual besides that over all.
        made_by: What detected, and how it came about, as plain JSON; empty where the predictions came in a file.
        learning_curve: Loss and score of each epoch, where the log of the detector's training lies beside it.
    """

    reference: Reference
    predictions: Predictions
    evaluation: Evaluation
    findings: tuple[Finding, ...]
    tie_rule: TieRule
    failures: tuple[FailedInput, ...] = ()
    segmentation: SplitSegmentation | None = None
    with_proposals: bool = False
    average_ranges: tuple[tuple[float, float], ...] = ()
    made_by: Mapping[str, Any] = field(default_factory=dict[str, Any])
    learning_curve: tuple[Mapping[str, Any], ...] = ()

    @property
    def tiou(self) -> list[float]:
        """Thresholds of temporal intersection over union."""
        return self.evaluation.tious.tolist()

    @property
    def mean_ap(self) -> list[float]:
        """Mean average precision at each threshold."""
        return self.evaluation.mean_ap.tolist()

    @property
    def average(self) -> float:
        """Mean of ``mean_ap`` over the thresholds: the number that papers report."""
        return self.evaluation.average

    @property
    def averages(self) -> dict[str, float]:
        """Mean of ``mean_ap`` over each of ``average_ranges``, by name such as ``0.1:0.5``."""
        tious, mean_ap = self.evaluation.tious, self.evaluation.mean_ap
        return {
            f"{first:g}:{last:g}": float(mean_ap[(tious > first - _SAME_TIOU) & (tious < last + _SAME_TIOU)].mean())
            for first, last in self.average_ranges
        }

    @property
    def per_class(self) -> dict[str, list[float]]:
        """Average precision at each threshold, by class."""
        return self.to_json()["per_class"]

    @cached_property
    def ties(self) -> Ties:
        """What predictions of equal score do to the result; where there are any, the other rule is tried too."""
        count = count_tied_rows(self.predictions)
        averages = {rule: self._average_by(rule) for rule in TIE_RULES} if count else {}
        return Ties(self.tie_rule, count, averages)

    def _average_by(self, rule: TieRule) -> float:
        if rule == self.tie_rule:
            return self.average
        truth, tious = self.reference.split.truth, self.evaluation.tious
        return evaluate_predictions(truth, self.predictions, tious, rule).average

    @cached_property
    def best_f1(self) -> BestF1 | None:
        """The score from which on predictions are worth showing; None where none is right."""
        return find_best_f1(self.reference.split.truth, self.predictions, self.evaluation)

    @property
    def warnings(self) -> list[str]:
        """What one should know before one compares the number with others."""
        texts = [str(finding) for finding in self.findings]
        texts += [self.reference.check_video_count(), self.ties.describe(len(self.predictions))]
        return [text for text in texts if text]

    def with_failures(self, failures: Sequence[FailedInput]) -> SplitScores:
        """The same scores with the videos that failed."""
        return replace(self, failures=tuple(failures))

    @cached_property
    def recall_at_kx(self) -> dict[str, float]:
        """Recall@kx by multiple (``1x``), for data sets that report it; else empty."""
        record = self.reference.record
        if not record.recall_multiples:
            return {}
        truth, multiples = self.reference.split.truth, record.recall_multiples
        values = compute_recall_at_kx(truth, self.predictions, multiples, record.recall_tiou).tolist()
        return {f"{multiple}x": value for multiple, value in zip(multiples, values, strict=True)}

    @cached_property
    def proposals(self) -> ProposalRecall | None:
        """Average recall of the segments, whatever their label; None where nobody asked for it."""
        if not self.with_proposals:
            return None
        return compute_proposal_recall(self.reference.split.truth, self.predictions, self.tie_rule)

    @property
    def has_labels(self) -> bool:
        """Whether any prediction has a label of the annotation; those of proposals have none."""
        return bool((self.predictions.labels != UNKNOWN).any()) or not len(self.predictions)

    def to_json(self) -> dict[str, Any]:
        """``tiou``, ``mAP``, ``average_mAP``, ``per_class``, ``videos``, ``instances``, and what else was measured.

        ``made_by`` says what detected, where that is known.
        """
        scores = self._summarize()
        recall = {"recall@kx": self.recall_at_kx} if self.recall_at_kx else {}
        labelled = self.segmentation.to_json() if self.segmentation else {}
        proposals = {"proposals": _describe_proposals(self.proposals)} if self.proposals else {}
        return {
            **scores,
            **recall,
            **proposals,
            **labelled,
            **({"made_by": dict(self.made_by)} if self.made_by else {}),
        }

    def _summarize(self) -> dict[str, Any]:
        averages = {"averages": self.averages} if self.average_ranges else {}
        return {**summarize_scores(self.reference.split.truth, self.evaluation), **averages}

    def write_json(self, path: Path) -> None:
        """Write ``to_json()``.

        Raises:
            OutputError: The file cannot be written.
        """
        write_text(path, json.dumps(self.to_json(), indent=1) + "\n")

    def write_predictions(self, path: Path) -> None:
        """Write the detections that were scored, in ActivityNet layout; those outside the split are left out.

        Raises:
            OutputError: The file cannot be written.
        """
        truth, results = self.reference.split.truth, dict[str, list[dict[str, Any]]]()
        rows = self.predictions.select((self.predictions.videos >= 0) & (self.predictions.labels >= 0))
        columns = (rows.videos.tolist(), rows.labels.tolist(), rows.segments_seconds.tolist(), rows.scores.tolist())
        for video, label, segment, score in zip(*columns, strict=True):
            item = {"label": truth.label_names[label], "segment": segment, "score": score}
            results.setdefault(truth.video_ids[video], []).append(item)
        write_text(path, json.dumps({"version": "cltdr", "results": results}) + "\n")

    def write_analysis(self, folder: Path) -> list[Path]:
        """Write an analysis of the errors: ``report.json``, and its plots; returns the files.

        Raises:
            UsageError: matplotlib is not installed.
            OutputError: A file cannot be written.
        """
        record, protocol = self.reference.record, self.reference.protocol
        content: dict[str, Any] = {
            "dataset": record.name,
            "split": self.reference.split.split,
            "protocol": protocol.name if protocol else None,
            **analyze_predictions(
                self.reference.split.truth,
                self.predictions,
                self.evaluation,
                record.length_edges,
                record.count_edges,
            ),
            "ties": self.ties.to_json(),
            "findings": [vars(finding) for finding in self.findings],
            "learning_curve": [dict(record) for record in self.learning_curve],
        }
        plots = draw_plots(content)
        write_text(folder / "report.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        for name, data in plots.items():
            write_bytes(folder / name, data)
        return [folder / "report.json", *(folder / name for name in plots)]


def _describe_proposals(recall: ProposalRecall) -> dict[str, float]:
    """AR@AN and AUC, in percent."""
    return {**{f"AR@{count}": 100 * recall.at(count) for count in SHOWN_PROPOSALS}, "AUC": recall.area_percent}


def score_split(
    reference: Reference,
    rows: ResultRows,
    tious: NDArray[np.float64] | None = None,
    ties: TieRule = "published",
    outside_counts: bool = True,
) -> SplitScores:
    """Score predictions against the annotation.

    Args:
        reference: What they are compared with.
        rows: The predictions.
        tious: Thresholds float64 ``[T]``; None takes those of the data set.
        ties: Order of equal scores: as in the published evaluator, or as in the file.
        outside_counts: Whether predictions in videos that are not scored count as false positives.

    Raises:
        AnnotationError: No prediction is in a video of the split.
    """
    thresholds = reference.record.thresholds if tious is None else tious
    numbers = {number: name for name, number in reference.annotations.label_ids.items()}
    row_classes = reference.record.row_classes or None
    predictions, findings = align_predictions(
        rows, reference.split, numbers, row_classes, outside_counts, reference.annotations.number_conflicts
    )
    evaluation = evaluate_predictions(reference.split.truth, predictions, thresholds, ties)
    return SplitScores(reference, predictions, evaluation, (*reference.split.findings, *findings), ties)
