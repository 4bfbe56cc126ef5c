"""Curves of precision over recall for each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.evaluation.average_precision import Evaluation, compute_envelope, compute_precision_recall
from cltdr_cli.evaluation.tables import UNKNOWN

RECALL_GRID = np.linspace(0, 1, 101)
"""Recalls at which the curves are sampled."""


def compute_precision_at_recall(evaluation: Evaluation) -> NDArray[np.float64]:
    """Interpolated precision of each class at each recall of ``RECALL_GRID``, float64 ``[T, K, 101]``."""
    curves = np.zeros((len(evaluation.tious), len(evaluation.classes), len(RECALL_GRID)))
    for k, (rows, instances) in enumerate(zip(evaluation.order, evaluation.instance_counts, strict=True)):
        if len(rows):
            recall, precision = compute_precision_recall(evaluation.matches[:, rows] != UNKNOWN, int(instances))
            for t, curve in enumerate(compute_envelope(precision)):
                place = np.searchsorted(recall[t], RECALL_GRID - 1e-12, "left")
                curves[t, k] = np.append(curve, 0.0)[place]
    return curves
