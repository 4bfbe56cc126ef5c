"""Results of detectors as files hold them: ActivityNet JSON, our CSV, THUMOS rows."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.source_files import load_json
from cltdr_cli.errors import AnnotationError
from cltdr_cli.segments import VideoResult


class LabelKey(NamedTuple):
    """What a row says of its class: a name, a number, or both."""

    name: str | None
    number: int | None


@dataclass(frozen=True, eq=False)
class ResultRows:
    """Predictions as read, in the order of the file.

    Attributes:
        video_ids: Each video once.
        label_keys: Each class once.
        videos: int64 ``[N]``, indices into ``video_ids``.
        labels: int64 ``[N]``, indices into ``label_keys``.
        segments_seconds: float64 ``[N, 2]``.
        scores: float64 ``[N]``.
        source: Where they were read from.
        thumos_numbers: Whether class numbers are those of THUMOS rows.
    """

    video_ids: tuple[str, ...]
    label_keys: tuple[LabelKey, ...]
    videos: NDArray[np.int64]
    labels: NDArray[np.int64]
    segments_seconds: NDArray[np.float64]
    scores: NDArray[np.float64]
    source: str
    thumos_numbers: bool = False


class _Columns:
    """Rows while they are being read; numbers the videos and classes as they come."""

    def __init__(self) -> None:
        self.videos: dict[str, int] = {}
        self.labels: dict[LabelKey, int] = {}
        self.rows: list[tuple[int, int, float, float, float]] = []

    def add(self, video: str, key: LabelKey, start: Any, end: Any, score: Any) -> None:
        self.rows.append((self.video(video), self._label(key), float(start), float(end), float(score)))

    def video(self, video_id: str) -> int:
        return self.videos.setdefault(video_id, len(self.videos))

    def _label(self, key: LabelKey) -> int:
        return self.labels.setdefault(key, len(self.labels))

    def finished(self, source: str, thumos_numbers: bool = False) -> ResultRows:
        table = np.array(self.rows, np.float64).reshape(-1, 5)
        return ResultRows(
            tuple(self.videos),
            tuple(self.labels),
            table[:, 0].astype(np.int64),
            table[:, 1].astype(np.int64),
            table[:, 2:4].copy(),
            table[:, 4].copy(),
            source,
            thumos_numbers,
        )


def read_predictions(path: Path) -> ResultRows:
    """Results of a file, in whichever of the three formats it is.

    Raises:
        AnnotationError: Not there, a pickle, of no format known here, a row without its score or segment, or
            a time or score that is no number.
    """
    if not path.is_file():
        raise AnnotationError(f"{path}: no such file", "--predictions takes a JSON, a CSV or a text file of rows.")
    rows = _find_reader(path)(path)
    _refuse_unreadable_numbers(rows)
    return rows


def collect_rows(results: Sequence[VideoResult], source: str) -> ResultRows:
    """What was just detected, as if read from a file.

    Args:
        results: One for each video.
        source: Where they were detected in.
    """
    columns = _Columns()
    for result in results:
        columns.video(result.video_id)
        found = result.detections
        rows = zip(found.segments_seconds.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
        for (start, end), score, label in rows:
            columns.add(result.video_id, LabelKey(result.label_names[label], label), start, end, score)
    return columns.finished(source)


def _find_reader(path: Path) -> Callable[[Path], ResultRows]:
    with path.open("rb") as file:
        head = file.read(2)
    suffix = path.suffix.lower()
    if head[:1] == b"\x80" or head == b"PK" or suffix in (".pkl", ".pickle", ".pth", ".pt"):
        raise AnnotationError(f"{path} is a pickle; {_WHY_NO_PICKLE}", _PICKLE_WAY_OUT)
    if suffix == ".json" or head[:1] in (b"{", b"["):
        return _read_json
    return _read_csv if suffix == ".csv" else _read_rows


_WHY_NO_PICKLE = "opening one runs whatever code it holds, so cltdr never does"
_PICKLE_WAY_OUT = (
    "Where you trust the file, turn it into a CSV with the program that wrote it:\n"
    "  import pickle, pandas\n"
    '  r = pickle.load(open("eval_results.pkl", "rb"))\n'
    '  pandas.DataFrame({"video_id": r["video-id"], "start": r["t-start"], "end": r["t-end"],\n'
    '                    "label_id": r["label"], "score": r["score"]}).to_csv("results.csv", index=False)'
)


def _read_json(path: Path) -> ResultRows:
    """``{"results": {video: [{label, label_id, score, segment}]}}``; the outer key may be absent."""
    content = load_json(path)
    results = content.get("results", content) if isinstance(content, dict) else None
    if isinstance(content, dict) and "database" in content:
        raise AnnotationError(f"{path} holds annotations, not results", "Give it to --annotations.")
    if not isinstance(results, dict) or not all(isinstance(items, list) for items in results.values()):
        raise AnnotationError(
            f"{path} is JSON, but not results", 'Known: {"results": {video_id: [{label, score, segment}, …]}}.'
        )
    columns, wrong = _Columns(), list[str]()
    for video, items in results.items():
        columns.video(video)
        for place, item in enumerate(items):
            try:
                start, end = item["segment"]
                columns.add(video, _read_json_key(item), start, end, item["score"])
            except (KeyError, TypeError, ValueError) as error:
                wrong.append(f"{video}[{place}]: {_explain(error)}")
    _refuse(path, wrong)
    return columns.finished(str(path))


def _read_json_key(item: dict[str, Any]) -> LabelKey:
    name, number = item.get("label"), item.get("label_id")
    if name is None and number is None:
        raise KeyError("label")
    return LabelKey(None if name is None else str(name), None if number is None else int(number))


def _read_csv(path: Path) -> ResultRows:
    """``video_id,start,end,label,label_id,score``; one of label and label_id may be absent."""
    columns, wrong = _Columns(), list[str]()
    for place, row in _read_csv_rows(path):
        try:
            name, number = row.get("label") or None, row.get("label_id") or None
            if name is None and number is None:
                raise KeyError("label")
            key = LabelKey(name, None if number is None else int(number))
            columns.add(row["video_id"], key, row["start"], row["end"], row["score"])
        except (KeyError, TypeError, ValueError) as error:
            wrong.append(f"line {place}: {_explain(error)}")
    _refuse(path, wrong)
    return columns.finished(str(path))


def _read_csv_rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            head = next(lines, [])
            missing = [name for name in ("video_id", "start", "end", "score") if name not in head]
            if missing or not {"label", "label_id"} & set(head):
                raise AnnotationError(
                    f"{path}: no column {', '.join(missing) or 'label'} (columns: {', '.join(head) or 'none'})",
                    "Results are video_id,start,end,label,label_id,score. Annotations belong to --annotations.",
                )
            yield from ((lines.line_num, dict(zip(head, line, strict=False))) for line in lines if line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{path} cannot be read as CSV: {error}") from error


def _read_rows(path: Path) -> ResultRows:
    """Rows of the THUMOS14 kit: ``video start end class-id score``, parted by blanks or tabs."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path} cannot be read as text: {error}") from error
    columns, wrong = _Columns(), list[str]()
    for place, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        try:
            video, start, end, number, score = words
            columns.add(video, LabelKey(None, int(number)), start, end, score)
        except ValueError as error:
            wrong.append(f"line {place}: {_explain(error)}")
    _refuse(path, wrong)
    return columns.finished(str(path), thumos_numbers=True)


def _explain(error: Exception) -> str:
    return f"no {error.args[0]}" if isinstance(error, KeyError) else str(error)


def _refuse(path: Path, wrong: list[str]) -> None:
    if wrong:
        shown = "\n".join(wrong[:5] + (["…"] if len(wrong) > 5 else []))
        raise AnnotationError(
            f"{path}: {len(wrong)} rows do not read:\n{shown}",
            "Every prediction needs a video, a start and an end in seconds, a label and a score.",
        )


def _refuse_unreadable_numbers(rows: ResultRows) -> None:
    """NaN has no place in an order by score, and no overlap."""
    finite = np.isfinite(rows.scores) & np.isfinite(rows.segments_seconds).all(axis=1)
    wrong = np.flatnonzero(~finite)
    if len(wrong):
        shown = "\n".join(
            f"{rows.video_ids[rows.videos[i]]}: {rows.segments_seconds[i].tolist()} score {rows.scores[i]}"
            for i in itertools.islice(wrong, 5)
        )
        raise AnnotationError(
            f"{rows.source}: in {len(wrong)} of {len(rows.scores)} rows a time or score is no number:\n{shown}",
            "Look for a division by zero or an overflow where they were made.",
        )
