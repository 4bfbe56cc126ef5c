"""Reads predictions from files: ActivityNet JSON, our CSV (also as Parquet), and THUMOS rows."""

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
from cltdr_cli.parquet_files import is_parquet, read_parquet
from cltdr_cli.segments import VideoResult


class LabelKey(NamedTuple):
    """The class of a row: a name, a number, or both; neither where a proposal has no class."""

    name: str | None
    number: int | None


NO_LABEL = LabelKey(None, None)


@dataclass(frozen=True, eq=False)
class ResultRows:
    """Predictions in the order of their file.

    Attributes:
        video_ids: The videos, each once.
        label_keys: The classes, each once.
        videos: int64 ``[N]``, indices into ``video_ids``.
        labels: int64 ``[N]``, indices into ``label_keys``.
        segments_seconds: float64 ``[N, 2]``.
        scores: float64 ``[N]``.
        source: The file, or a description of what made them.
        thumos_numbers: Whether class numbers are those of THUMOS result files.
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
    """Collects rows while a file is read, and numbers videos and classes in order of appearance."""

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


def read_predictions(path: Path, needs_labels: bool = True) -> ResultRows:
    """Read predictions from a file in any of the three formats.

    Args:
        path: The file.
        needs_labels: Whether a row without label is an error; the published files of proposals have none.

    Raises:
        AnnotationError: The file is missing, a pickle or in no known format, a row lacks its score or segment, or a
            time or score is not finite.
    """
    if not path.is_file():
        raise AnnotationError(f"{path}: no such file", "Predictions are a JSON, a CSV or a text file of rows.")
    rows = _find_reader(path)(path, needs_labels)
    _refuse_unreadable_numbers(rows)
    return rows


def collect_rows(results: Sequence[VideoResult], source: str) -> ResultRows:
    """Collect fresh detections as if they had been read from a file.

    Args:
        results: One for each video.
        source: Description of where they come from.
    """
    columns = _Columns()
    for result in results:
        columns.video(result.video_id)
        found = result.detections
        rows = zip(found.segments_seconds.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
        for (start, end), score, label in rows:
            number = label if result.label_ids is None else result.label_ids[label]
            columns.add(result.video_id, LabelKey(result.label_names[label], number), start, end, score)
    return columns.finished(source)


def _find_reader(path: Path) -> Callable[[Path, bool], ResultRows]:
    with path.open("rb") as file:
        head = file.read(2)
    suffix = path.suffix.lower()
    if head[:1] == b"\x80" or head == b"PK" or suffix in (".pkl", ".pickle", ".pth", ".pt"):
        raise AnnotationError(f"{path} is a pickle; {_WHY_NO_PICKLE}", _PICKLE_WAY_OUT)
    if suffix == ".json" or head[:1] in (b"{", b"["):
        return _read_json
    return _read_csv if suffix == ".csv" or is_parquet(path) else _read_rows


_WHY_NO_PICKLE = "opening a pickle runs any code in it, so cltdr never does"
_PICKLE_WAY_OUT = (
    "If you trust the file, convert it to CSV in the environment of the program that wrote it:\n"
    "  import pickle, pandas\n"
    '  r = pickle.load(open("eval_results.pkl", "rb"))\n'
    '  pandas.DataFrame({"video_id": r["video-id"], "start": r["t-start"], "end": r["t-end"],\n'
    '                    "label_id": r["label"], "score": r["score"]}).to_csv("results.csv", index=False)'
)


def _read_json(path: Path, needs_labels: bool) -> ResultRows:
    """Read ``{"results": {video: [{label, label_id, score, segment}]}}``; the outer key may be missing."""
    content = load_json(path)
    results = content.get("results", content) if isinstance(content, dict) else None
    if isinstance(content, dict) and "database" in content:
        raise AnnotationError(f"{path} holds annotations, not results", "Give it as annotations=.")
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
                columns.add(
                    video, _make_key(item.get("label"), item.get("label_id"), needs_labels), start, end, item["score"]
                )
            except (KeyError, TypeError, ValueError) as error:
                wrong.append(f"{video}[{place}]: {_explain(error)}")
    _refuse(path, wrong)
    return columns.finished(str(path))


def _make_key(name: Any, number: Any, needs_labels: bool) -> LabelKey:
    if name is None and number is None and needs_labels:
        raise KeyError("label")
    return LabelKey(None if name is None else str(name), None if number is None else int(number))


def _read_csv(path: Path, needs_labels: bool) -> ResultRows:
    """Read ``video_id,start,end,label,label_id,score``; one of label and label_id may be missing."""
    columns, wrong = _Columns(), list[str]()
    for place, row in _read_csv_rows(path, needs_labels):
        try:
            key = _make_key(row.get("label") or None, row.get("label_id") or None, needs_labels)
            columns.add(row["video_id"], key, row["start"], row["end"], row["score"])
        except (KeyError, TypeError, ValueError) as error:
            wrong.append(f"line {place}: {_explain(error)}")
    _refuse(path, wrong)
    return columns.finished(str(path))


def _read_csv_rows(path: Path, needs_labels: bool) -> Iterable[tuple[int, dict[str, str]]]:
    if is_parquet(path):
        head, lines = read_parquet(path)
        _check_head(path, head, needs_labels)
        yield from ((place, dict(zip(head, line, strict=True))) for place, line in enumerate(lines, 1))
        return
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            head = next(lines, [])
            _check_head(path, head, needs_labels)
            yield from ((lines.line_num, dict(zip(head, line, strict=False))) for line in lines if line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{path} cannot be read as CSV: {error}") from error


def _check_head(path: Path, head: Sequence[str], needs_labels: bool) -> None:
    missing = [name for name in ("video_id", "start", "end", "score") if name not in head]
    if missing or (needs_labels and not {"label", "label_id"} & set(head)):
        raise AnnotationError(
            f"{path}: no column {', '.join(missing) or 'label'} (columns: {', '.join(head) or 'none'})",
            "Results are video_id,start,end,label,label_id,score. Give annotations as annotations=.",
        )


def _read_rows(path: Path, needs_labels: bool) -> ResultRows:
    """Read rows of the THUMOS14 kit: ``video start end class-id score``, separated by blanks or tabs."""
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
            f"{path}: {len(wrong)} rows cannot be read:\n{shown}",
            "Every prediction needs a video, a start and end in seconds, a label and a score.",
        )


def _refuse_unreadable_numbers(rows: ResultRows) -> None:
    """Refuse NaN and infinity: NaN cannot be sorted by score and overlaps nothing."""
    finite = np.isfinite(rows.scores) & np.isfinite(rows.segments_seconds).all(axis=1)
    wrong = np.flatnonzero(~finite)
    if len(wrong):
        shown = "\n".join(
            f"{rows.video_ids[rows.videos[i]]}: {rows.segments_seconds[i].tolist()} score {rows.scores[i]}"
            for i in itertools.islice(wrong, 5)
        )
        raise AnnotationError(
            f"{rows.source}: in {len(wrong)} of {len(rows.scores)} rows a time or score is not finite:\n{shown}",
            "Look for a division by zero or an overflow in the program that made them.",
        )
