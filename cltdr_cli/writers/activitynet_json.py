"""Results as JSON in the layout of the ActivityNet challenge, which all evaluators read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from cltdr_cli import __version__
from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.writers.numbers import check_distinct, sort_segments

LAYOUT = "VERSION 1.3"
"""The version that the published result files of ActivityNet have."""


def write_json(results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write ``{"version", "results", "external_data"}``; segments by falling score, times in seconds.

    ``external_data`` is ``external`` with the version of cltdr and, under ``videos``, each result's provenance.

    Raises:
        OutputError: Two results have the same id, a number is not finite, or the file cannot be written.
    """
    check_distinct(results)
    videos = {result.video_id: result.provenance for result in results}
    content = {
        "version": LAYOUT,
        "results": {result.video_id: make_rows(result) for result in results},
        "external_data": to_plain_json({**external, "cltdr_version": __version__, "videos": videos}),
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Detections]:
    """Read a file of ``write_json``: detections by video id.

    Raises:
        AnnotationError: The file is something else.
    """
    try:
        results = json.loads(path.read_bytes())["results"]
        return {video_id: _make_detections(rows) for video_id, rows in results.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AnnotationError(f"{path}: not a results file of cltdr: {error!r}") from error


def to_plain_json(value: Any) -> Any:
    """Convert facts to JSON types: numpy values, paths and fractions become plain ones, NaN and infinity null."""
    if isinstance(value, Mapping):
        return {str(key): to_plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain_json(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return to_plain_json(value.tolist())
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def make_rows(result: VideoResult) -> list[dict[str, object]]:
    """Segments as rows of results files, by falling score.

    Raises:
        OutputError: A number is not finite.
    """
    return [
        {"label": s.label, "label_id": s.label_id, "score": s.score, "segment": [s.start, s.end]}
        for s in sort_segments(result)
    ]


def _make_detections(rows: list[dict[str, Any]]) -> Detections:
    segments = np.array([row["segment"] for row in rows], np.float64).reshape(-1, 2)
    scores = np.array([row["score"] for row in rows], np.float32)
    return Detections(segments, scores, np.array([row["label_id"] for row in rows], np.int64))
