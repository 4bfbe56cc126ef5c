"""The layouts that this program works with: ActivityNet JSON, CSV and Parquet.

They hold annotations or, with scores, results; ``data.annotation_layouts`` and ``data.prediction_files`` read them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cltdr_cli.files import write_text
from cltdr_cli.interchange.tracks import Interval, Track, WriteSettings
from cltdr_cli.parquet_files import write_parquet
from cltdr_cli.writers.csv_table import COLUMNS, quote_cell

_ANNOTATION_COLUMNS = ("video_id", "start", "end", "label")
_FURTHER_COLUMNS = ("subset", "duration", "fps", "label_id")


def write_activitynet(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write all videos under ``database``, or under ``results`` where every segment has a score."""
    content: dict[str, Any] = {"version": "VERSION 1.3"}
    if _are_detections(tracks):
        content["results"] = {track.video_id: [_make_result(item) for item in _by_score(track)] for track in tracks}
        content["external_data"] = {}
    else:
        content["database"] = {track.video_id: _make_record(track) for track in tracks}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_csv(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write a row for each segment; a video without any is not in the table, and a notice says so."""
    columns = _make_columns(tracks, settings)
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    text = "".join(",".join(quote_cell("" if value is None else value) for value in row) + "\n" for row in rows)
    write_text(path, text)


def write_parquet_table(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write the same table as Parquet."""
    write_parquet(path, _make_columns(tracks, settings))


def _make_columns(tracks: list[Track], settings: WriteSettings) -> dict[str, list[Any]]:
    """Values by heading; columns that say nothing are left out of annotations."""
    if empty := [track.video_id for track in tracks if not track.intervals]:
        settings.notices.append(f"{len(empty)} videos without segments are not in the table: {', '.join(empty[:3])}")
    is_detected = _are_detections(tracks)
    items = [(t, i) for t in tracks for i in (_by_score(t) if is_detected else t.intervals)]
    names = COLUMNS if is_detected else _ANNOTATION_COLUMNS + _FURTHER_COLUMNS
    columns = {name: [_VALUES[name](track, item) for track, item in items] for name in names}
    needed = COLUMNS if is_detected else _ANNOTATION_COLUMNS
    return {name: values for name, values in columns.items() if name in needed or any(v is not None for v in values)}


def _are_detections(tracks: list[Track]) -> bool:
    items = [item for track in tracks for item in track.intervals]
    return bool(items) and all(item.score is not None for item in items)


def _by_score(track: Track) -> list[Interval]:
    return sorted(track.intervals, key=lambda item: -(item.score or 0.0))


def _make_result(item: Interval) -> dict[str, Any]:
    return {**_make_instance(item), "score": item.score}


def _make_instance(item: Interval) -> dict[str, Any]:
    number = {} if item.label_id is None else {"label_id": item.label_id}
    return {"label": item.label, **number, "segment": [item.start, item.end]}


def _make_record(track: Track) -> dict[str, Any]:
    facts = {"subset": track.split or None, "duration": track.duration_seconds, "fps": track.fps}
    known = {name: value for name, value in facts.items() if value is not None}
    return {**known, "annotations": [_make_instance(item) for item in track.intervals]}


_VALUES: dict[str, Callable[[Track, Interval], Any]] = {
    "video_id": lambda track, item: track.video_id,
    "start": lambda track, item: item.start,
    "end": lambda track, item: item.end,
    "label": lambda track, item: item.label,
    "label_id": lambda track, item: item.label_id,
    "score": lambda track, item: item.score,
    "subset": lambda track, item: track.split or None,
    "duration": lambda track, item: track.duration_seconds,
    "fps": lambda track, item: track.fps,
}
"""What stands under each heading."""
