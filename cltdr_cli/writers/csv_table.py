"""One row per segment. Cells say exactly what the data says: a label that begins with ``=`` is not altered.

(Spreadsheets may take such a cell for a formula. Changing it in silence would give a file that no longer names the
label, so it is left to whoever opens a stranger's file in a spreadsheet; quoting is as RFC 4180 has it.)
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
    """Write the segment table: videos in their order, segments by falling score. ``external`` is not in it.

    Raises:
        OutputError: Two results have the same id, a number is not finite, or the file cannot be written.
    """
    check_distinct(results)
    lines = [",".join(COLUMNS)]
    for result in results:
        for s in sort_segments(result):
            lines.append(",".join(map(_quote, (result.video_id, s.start, s.end, s.label, s.label_id, s.score))))
    write_text(path, "\n".join(lines) + "\n", "surrogateescape")  # file names that are not UTF-8 keep their bytes


def read_csv(path: Path) -> dict[str, Detections]:
    """Read back what ``write_csv`` wrote: detections by video id; videos without segments are not in the table.

    Raises:
        AnnotationError: It is no such table.
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


def _quote(value: object) -> str:
    """As RFC 4180 quotes it; csv.writer of older Pythons leaves a lone carriage return unquoted."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text


def _make_detections(rows: list[dict[str, str]]) -> Detections:
    segments = np.array([(float(row["start"]), float(row["end"])) for row in rows], np.float64)
    scores = np.array([float(row["score"]) for row in rows], np.float32)
    return Detections(segments, scores, np.array([int(row["label_id"]) for row in rows], np.int64))
