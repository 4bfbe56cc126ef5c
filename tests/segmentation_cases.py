"""Frame-wise labels as annotations and results, and a plain form of the segmentation scores to compare with."""

from __future__ import annotations

import gzip
import json
from itertools import groupby
from pathlib import Path

import numpy as np


def published(shared: Path, name: str, split: str) -> dict:
    """Published predictions of one split: ``step_seconds`` and ``videos``."""
    path = shared / "golden" / "segmentation" / name / f"{split}.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def as_lines(labels: list[int]) -> np.ndarray:
    """Published labels, 0 for background, as ours, -1 for background."""
    return np.array(labels, np.int64) - 1


def as_segments(labels: list[int], step_seconds: float) -> list[dict]:
    """Runs of published labels, without background, as items of an ActivityNet file."""
    segments, step = [], 0
    for label, run in groupby(labels):
        end = step + len(list(run))
        if label:
            times = [step * step_seconds, end * step_seconds]
            segments.append({"label": f"action-{label:02d}", "segment": times, "score": 1.0})
        step = end
    return segments


def plain_edit_score(a: list[int], b: list[int]) -> float:
    """The edit score by the textbook's table."""
    if not a or not b:
        return 100.0 if a == b else 0.0
    table = [[i + j if not i * j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            replaced = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, replaced)
    return 100 * (1 - table[-1][-1] / max(len(a), len(b)))
