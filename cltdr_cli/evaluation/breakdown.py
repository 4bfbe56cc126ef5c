"""Average precision on parts of the instances: by length, and by the number of instances in the video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.evaluation.average_precision import Evaluation, compute_envelope
from cltdr_cli.evaluation.tables import UNKNOWN, GroundTruth


@dataclass(frozen=True, eq=False)
class Bucket:
    """How well one group of instances is detected.

    Attributes:
        name: Such as ``3-6 s``.
        instances: Number of instances in the group.
        classes: Number of classes with such instances.
        mean_ap: float64 ``[T]``, mean over those classes.
        normalized: float64 ``[T]``, the same with precision computed as if every class had equally many instances,
            so that groups can be compared (Hoiem et al. 2012, as in DETAD).
        recall: float64 ``[T]``, share of the instances detected at any score.
    """

    name: str
    instances: int
    classes: int
    mean_ap: NDArray[np.float64]
    normalized: NDArray[np.float64]
    recall: NDArray[np.float64]


def split_by_length(truth: GroundTruth, evaluation: Evaluation, edges: Sequence[float]) -> list[Bucket]:
    """Group instances by length: up to the first edge, up to the second, …, longer than the last.

    Args:
        truth: The instances.
        evaluation: The evaluation.
        edges: Seconds, rising.
    """
    lengths = truth.segments_seconds[:, 1] - truth.segments_seconds[:, 0]
    middle = [f"{low:g}-{high:g} s" for low, high in pairwise(edges)]
    return _make_buckets(truth, evaluation, lengths, edges, [f"≤ {edges[0]:g} s", *middle, f"> {edges[-1]:g} s"])


def split_by_count(truth: GroundTruth, evaluation: Evaluation, edges: Sequence[float]) -> list[Bucket]:
    """Group instances by the number of instances of their class in their video, as in DETAD.

    Args:
        truth: The instances.
        evaluation: The evaluation.
        edges: Counts, rising.
    """
    keys = truth.videos * len(truth.label_names) + truth.labels
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    first = f"{edges[0]:g}" if edges[0] == 1 else f"1-{edges[0]:g}"
    middle = [f"{low + 1:g}-{high:g}" for low, high in pairwise(edges)]
    return _make_buckets(truth, evaluation, counts[place], edges, [first, *middle, f"> {edges[-1]:g}"])


def compute_normalized_mean_ap(truth: GroundTruth, evaluation: Evaluation) -> NDArray[np.float64]:
    """Normalised mAP over all instances, float64 ``[T]``: what those of the groups are compared with."""
    return _make_bucket(truth, evaluation, np.ones(len(truth), bool), "all").normalized


def _make_buckets(
    truth: GroundTruth,
    evaluation: Evaluation,
    values: NDArray[np.float64] | NDArray[np.int64],
    edges: Sequence[float],
    names: Sequence[str],
) -> list[Bucket]:
    place = np.searchsorted(np.asarray(edges, np.float64), values, "left")
    return [_make_bucket(truth, evaluation, place == i, name) for i, name in enumerate(names)]


def _make_bucket(truth: GroundTruth, evaluation: Evaluation, inside: NDArray[np.bool_], name: str) -> Bucket:
    """Score one group. Predictions that match an instance of another group are ignored; all others count."""
    columns: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    usual = float(evaluation.instance_counts.mean()) if len(evaluation.classes) else 0.0
    for label, rows in zip(evaluation.classes, evaluation.order, strict=True):
        instances = int((inside & (truth.labels == label)).sum())
        if instances:
            columns.append(_compute_class_ap(evaluation.matches[:, rows], inside, instances, usual))
    zero = np.zeros(len(evaluation.tious))
    ap, normalized = (np.mean(part, axis=0) for part in zip(*columns, strict=True)) if columns else (zero, zero)
    found = np.zeros((len(evaluation.tious), len(truth) + 1), bool)
    np.put_along_axis(found, np.where(evaluation.matches == UNKNOWN, len(truth), evaluation.matches), True, axis=1)
    recall = found[:, :-1][:, inside].mean(axis=1) if inside.any() else zero
    return Bucket(name, int(inside.sum()), len(columns), ap, normalized, recall)


def _compute_class_ap(
    matches: NDArray[np.int64], inside: NDArray[np.bool_], instances: int, usual: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average precision of one class on the instances inside, plain and normalised, float64 ``[T]`` each."""
    miss = matches == UNKNOWN
    hits = ~miss & inside[np.where(miss, 0, matches)]
    found, wrong = np.cumsum(hits, axis=1, dtype=np.float64), np.cumsum(miss, axis=1, dtype=np.float64)
    share = found / instances
    plain = found / np.maximum(found + wrong, 1)
    normal = share * usual / np.maximum(share * usual + wrong, np.finfo(np.float64).tiny)
    ap, normalized = ((compute_envelope(precision) * hits).sum(axis=1) / instances for precision in (plain, normal))
    return ap, normalized
