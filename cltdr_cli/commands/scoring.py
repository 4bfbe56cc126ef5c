"""The steps behind cltdr eval: what is scored, what it is compared with, and how the result is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli import console
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.benchmarks import Benchmark, Protocol
from cltdr_cli.data.class_lists import read_class_list
from cltdr_cli.data.findings import Finding
from cltdr_cli.data.ground_truth import ScoredSplit, scored_split
from cltdr_cli.data.locations import annotation_path
from cltdr_cli.data.prediction_files import ResultRows
from cltdr_cli.data.predictions import aligned
from cltdr_cli.evaluation.analysis import analysis, scores
from cltdr_cli.evaluation.average_precision import Evaluation, evaluate, tied_rows
from cltdr_cli.evaluation.plots import drawn
from cltdr_cli.evaluation.tables import Predictions, TieRule
from cltdr_cli.files import write_bytes, write_text

TIE_RULES: tuple[TieRule, ...] = ("published", "stable")


@dataclass(frozen=True)
class Reference:
    """What predictions are compared with.

    Attributes:
        record: The benchmark.
        annotations: All that the annotation says.
        split: What of it is scored.
        protocol: Choice of videos; None where there is but one.
    """

    record: Benchmark
    annotations: Annotations
    split: ScoredSplit
    protocol: Protocol | None

    @property
    def title(self) -> str:
        """Data set, split, protocol and counts in one line."""
        truth = self.split.truth
        named = f", protocol {self.protocol.name}" if self.protocol else ""
        return (
            f"{self.record.name} {self.split.split}{named}: {len(truth.video_ids)} videos, {len(truth)} instances"
        )


@dataclass(frozen=True, eq=False)
class Scored:
    """Predictions and their evaluation.

    Attributes:
        predictions: As compared.
        evaluation: The result.
        findings: What was noticed of annotation and predictions.
        ties: What equal scores do to the result.
    """

    predictions: Predictions
    evaluation: Evaluation
    findings: tuple[Finding, ...]
    ties: dict[str, Any]


def read_benchmark_annotations(
    record: Benchmark, given: Path | None, data_root: Path | None, labels: Path | None, video_info: list[Path]
) -> Annotations:
    """The annotation given or found, with the benchmark's classes or those of ``--labels``."""
    names = read_class_list(labels) if labels is not None else record.class_names
    return read_annotations(
        annotation_path(record, given, data_root),
        names,
        first_id=record.first_id,
        task=record.task,
        video_info=video_info or None,
    )


def make_reference(
    record: Benchmark, annotations: Annotations, split: str | None, protocol_name: str | None
) -> Reference:
    """The part of the annotation that is scored."""
    protocol = record.protocol(protocol_name)
    return Reference(record, annotations, scored_split(annotations, record, split, protocol), protocol)


def score(
    reference: Reference, rows: ResultRows, tious: NDArray[np.float64], ties: TieRule, outside_counts: bool
) -> Scored:
    """Align predictions with the reference and evaluate them."""
    numbers = {number: name for name, number in reference.annotations.label_ids.items()}
    row_classes = reference.record.row_classes or None
    predictions, noticed = aligned(rows, reference.split, numbers, row_classes, outside_counts)
    evaluation = evaluate(reference.split.truth, predictions, tious, ties)
    findings = (*reference.split.findings, *noticed)
    return Scored(predictions, evaluation, findings, _tie_facts(reference, predictions, evaluation, ties))


def tell(reference: Reference, scored: Scored, per_class: bool) -> None:
    """Findings on stderr, the table on stdout."""
    for finding in scored.findings:
        console.warning(str(finding))
    _tell_videos(reference)
    _tell_ties(scored)
    columns = ["", *(f"{tiou:.2f}" for tiou in scored.evaluation.tious), "average"]
    rows = [_row("mAP (%)", [*scored.evaluation.mean_ap, scored.evaluation.average])]
    if per_class:
        by_class = scores(reference.split.truth, scored.evaluation)["per_class"]
        rows = [*(_row(name, [*ap, float(np.mean(ap))]) for name, ap in by_class.items()), *rows]
    console.table(f"{reference.title}, {len(scored.predictions)} predictions", columns, rows)


def write_scores(path: Path, reference: Reference, scored: Scored) -> None:
    """The file of ``--json-out``."""
    write_text(path, json.dumps(scores(reference.split.truth, scored.evaluation), indent=1) + "\n")


def write_report(folder: Path, reference: Reference, scored: Scored) -> list[Path]:
    """The analysis as ``report.json``, and its pictures; returns what was written."""
    record = reference.record
    content: dict[str, Any] = {
        "dataset": record.name,
        "split": reference.split.split,
        "protocol": reference.protocol.name if reference.protocol else None,
        **analysis(
            reference.split.truth, scored.predictions, scored.evaluation, record.length_edges, record.count_edges
        ),
        "ties": scored.ties,
        "findings": [vars(finding) for finding in scored.findings],
    }
    pictures = drawn(content)
    write_text(folder / "report.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for name, data in pictures.items():
        write_bytes(folder / name, data)
    return [folder / "report.json", *(folder / name for name in pictures)]


def _row(name: str, fractions: list[float]) -> list[str]:
    return [name, *(f"{100 * value:.2f}" for value in fractions)]


def _tell_videos(reference: Reference) -> None:
    protocol, count = reference.protocol, len(reference.split.truth.video_ids)
    if protocol is not None and reference.split.split == "test" and count != protocol.videos:
        console.warning(
            f"protocol {protocol.name} scores {protocol.videos} videos, but {reference.annotations.source} has "
            f"{count}: the number compares with results on the same annotation only"
        )


def _tie_facts(
    reference: Reference, predictions: Predictions, evaluation: Evaluation, ties: TieRule
) -> dict[str, Any]:
    """How many scores are equal; what each rule for them gives, where there are any."""
    tied = tied_rows(predictions)
    facts: dict[str, Any] = {"rule": ties, "tied_predictions": tied}
    if tied:
        for rule in TIE_RULES:
            same = rule == ties
            found = evaluation if same else evaluate(reference.split.truth, predictions, evaluation.tious, rule)
            facts[f"average_mAP_{rule}"] = found.average
    return facts


def _tell_ties(scored: Scored) -> None:
    facts = scored.ties
    if not facts["tied_predictions"]:
        return
    published, stable = (100 * facts[f"average_mAP_{rule}"] for rule in TIE_RULES)
    if abs(published - stable) >= 0.005:
        console.warning(
            f"{facts['tied_predictions']} of {len(scored.predictions)} predictions share their score with another "
            f"of their label, so the number depends on their order: {published:.2f} in the order of the published "
            f"evaluator (which varies between CPUs; --ties published), {stable:.2f} in that of the file "
            "(--ties stable)"
        )
