"""The layouts that this program works with: ActivityNet JSON and CSV, as annotations or, with scores, as results.

They are read by ``data.annotation_layouts`` and ``data.prediction_files``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cltdr_cli.files import write_text
from cltdr_cli.interchange.tracks import Interval, Track, WriteSettings
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
    if _are_detections(tracks):
        rows = [list(COLUMNS)]
        rows += [_make_cells(track, item, COLUMNS) for track in tracks for item in _by_score(track)]
    else:
        cells = [_make_cells(t, i, _ANNOTATION_COLUMNS + _FURTHER_COLUMNS) for t in tracks for i in t.intervals]
        kept = [place for place in range(8) if place < 4 or any(row[place] for row in cells)]
        names = _ANNOTATION_COLUMNS + _FURTHER_COLUMNS
        rows = [[row[place] for place in kept] for row in [list(names), *cells]]
    if empty := [track.video_id for track in tracks if not track.intervals]:
        settings.notices.append(f"{len(empty)} videos without segments are not in the table: {', '.join(empty[:3])}")
    write_text(path, "".join(",".join(map(quote_cell, row)) + "\n" for row in rows))


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


def _make_cells(track: Track, item: Interval, columns: tuple[str, ...]) -> list[str]:
    values = {
        "video_id": track.video_id, "start": item.start, "end": item.end, "label": item.label, "score": item.score,
        "label_id": item.label_id, "subset": track.split, "duration": track.duration_seconds, "fps": track.fps,
    }  # fmt: skip
    return ["" if values[name] is None else str(values[name]) for name in columns]
