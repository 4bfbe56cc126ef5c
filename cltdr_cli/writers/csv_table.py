"""Results as CSV, one row per segment, quoted as in RFC 4180.

Labels are written unchanged, even if they begin with ``=``, which spreadsheets take for a formula: a changed label
would no longer be the label. Be careful with files of strangers in spreadsheets.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.writers.numbers import check_distinct, sort_segments

COLUMNS = ("video_id", "start", "end", "label", "label_id", "score")
"""Times in seconds."""


def write_csv(results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write the table: videos in their order, segments by falling score. ``external`` is not written.

    Raises:
        OutputError: Two results have the same id, a number is not finite, or the file cannot be written.
    """
    check_distinct(results)
    lines = [",".join(COLUMNS)]
    for result in results:
        for s in sort_segments(result):
            lines.append(",".join(map(quote_cell, (result.video_id, s.start, s.end, s.label, s.label_id, s.score))))
    write_text(path, "\n".join(lines) + "\n")


def read_csv(path: Path) -> dict[str, Detections]:
    """Read a file of ``write_csv``: detections by video id. Videos without segments are not in it.

    Raises:
        AnnotationError: The file is something else.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file, strict=True))
        by_video: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            by_video.setdefault(row["video_id"], []).append(row)
        return {video_id: _make_detections(rows) for video_id, rows in by_video.items()}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise AnnotationError(f"{path}: not a segment table of cltdr: {error!r}") from error


def quote_cell(value: object) -> str:
    """Quote as in RFC 4180; csv.writer of older Pythons leaves a lone carriage return unquoted."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text


def _make_detections(rows: list[dict[str, str]]) -> Detections:
    segments = np.array([(float(row["start"]), float(row["end"])) for row in rows], np.float64)
    scores = np.array([float(row["score"]) for row in rows], np.float32)
    return Detections(segments, scores, np.array([int(row["label_id"]) for row in rows], np.int64))
