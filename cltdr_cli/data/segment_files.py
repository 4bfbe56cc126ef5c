"""Segments of results files, video by video, with all that the files say of them: what reports and reviews show."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cltdr_cli.data.prediction_files import LabelKey, ResultRows, read_predictions
from cltdr_cli.data.reviewed import REVIEWED_SUFFIX
from cltdr_cli.data.source_files import load_json
from cltdr_cli.data.tables import read_headings
from cltdr_cli.errors import AnnotationError

_SUFFIXES = (".json", ".csv", ".parquet")


@dataclass(frozen=True)
class VideoSegments:
    """The segments of one video.

    Attributes:
        video_id: Its name in the file.
        rows: As in results files: ``label``, ``label_id``, ``score``, ``segment``; ``reviewed`` where a person
            corrected the segment. By falling score.
        facts: What ``external_data`` says of this video.
        run: The rest of ``external_data``.
        source: The file.
        digest: SHA-256 of the file.
    """

    video_id: str
    rows: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any]
    run: Mapping[str, Any]
    source: Path
    digest: str


def read_segments(path: Path) -> list[VideoSegments]:
    """Read a results file (ActivityNet JSON, CSV or THUMOS rows), or all such files of a folder.

    In a folder, ``*.reviewed.json`` is left out: it belongs to the file that was corrected.

    Raises:
        AnnotationError: There is no such file, or it cannot be read as results.
    """
    if not path.is_dir():
        return _read_file(path)
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in _SUFFIXES]
    found = [video for file in files if _is_results(file) for video in _read_file(file)]
    # One video in two formats is one video: JSON, which says more, comes first.
    by_id: dict[str, VideoSegments] = {}
    for video in sorted(found, key=lambda video: video.source.suffix.lower() != ".json"):
        by_id.setdefault(video.video_id, video)
    if not by_id:
        raise AnnotationError(
            f"{path} holds no results file", "Results are .json, .csv or .parquet files of `cltdr detect`."
        )
    return sorted(by_id.values(), key=lambda video: video.video_id)


def reviewed_path(source: Path) -> Path:
    """Where corrections of a results file are saved: beside it, never over it."""
    if source.name.endswith(REVIEWED_SUFFIX):
        return source
    return source.with_name(source.stem + REVIEWED_SUFFIX)


def _is_results(file: Path) -> bool:
    """Whether a file of a folder holds results; sidecars, annotations and reviewed files lie there, too."""
    if file.name.endswith(REVIEWED_SUFFIX):
        return False
    if file.suffix.lower() == ".json":
        content = load_json(file)
        return isinstance(content, dict) and "results" in content
    return {"video_id", "start", "end", "score"} <= set(read_headings(file))


def _read_file(path: Path) -> list[VideoSegments]:
    table = read_predictions(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    content: dict[str, Any] = load_json(path) if path.suffix.lower() == ".json" else {}
    external = content.get("external_data")
    run = dict(external) if isinstance(external, dict) else {}
    facts = run.pop("videos", None)
    facts = facts if isinstance(facts, dict) else {}
    results = content.get("results", content)
    return [
        VideoSegments(
            video_id,
            _make_rows(table, number, results.get(video_id)),
            _as_dict(facts.get(video_id)),
            run,
            path,
            digest,
        )
        for number, video_id in enumerate(table.video_ids)
    ]


def _make_rows(table: ResultRows, video: int, in_file: Any) -> list[dict[str, Any]]:
    """Rows of one video; ``in_file`` are the same rows as the JSON file has them, for what a person noted there."""
    rows: list[dict[str, Any]] = []
    for place, index in enumerate((table.videos == video).nonzero()[0].tolist()):
        row = _name_label(table.label_keys[table.labels[index]])
        row |= {"score": float(table.scores[index]), "segment": table.segments_seconds[index].tolist()}
        noted = in_file[place].get("reviewed") if isinstance(in_file, list) else None
        rows.append(row | ({"reviewed": noted} if isinstance(noted, dict) else {}))
    return sorted(rows, key=lambda row: -row["score"])


def _name_label(key: LabelKey) -> dict[str, Any]:
    name = key.name if key.name is not None else f"class {key.number}"
    return {"label": name} if key.number is None else {"label": name, "label_id": key.number}


def _as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
