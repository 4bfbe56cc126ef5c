"""BORIS event tables (CSV or TSV): aggregated events, one row each; or tabular events, with START and STOP rows.

Projects are read by ``boris_project``.

The form is that of BORIS's own test files (versions 4 to 8). Behaviours are labels, subjects are tiers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.interchange.boris_project import is_project, read_boris_project
from cltdr_cli.interchange.sources import parse_seconds, read_table, read_text
from cltdr_cli.interchange.tracks import Found, Interval, ReadSettings, Track, WriteSettings, media_stem

NO_SUBJECT = "No focal subject"

_MEDIA_COLUMNS = ("Media file", "Media file name", "Media file path")
_KIND_COLUMNS = ("Status", "Behavior type")
_COLUMNS = (
    "Observation id", "Observation date", "Description", "Media file", "Total length", "FPS", "Subject", "Behavior",
    "Behavioral category", "Modifiers", "Behavior type", "Start (s)", "Stop (s)", "Duration (s)", "Comment start",
    "Comment stop",
)  # fmt: skip

Row = tuple[int, dict[str, str]]


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row is the header of one of the two kinds of tables."""
    names = {cell.strip() for cell in cells}
    aggregated = {"Behavior", "Start (s)", "Stop (s)"} <= names
    return aggregated or ({"Behavior", "Time"} <= names and bool(names & set(_KIND_COLUMNS)))


def read_boris(path: Path, settings: ReadSettings) -> Found:
    """Read a project, or a table of events; each media file is a video.

    A tabular export may begin with facts of its observation.

    Raises:
        AnnotationError: There is no header, a row is damaged, or a state is started and never stopped.
    """
    if is_project(read_text(path)):
        return read_boris_project(path)
    table = read_table(path)
    at = next((place for place, (_, cells) in enumerate(table) if is_header(cells)), None)
    if at is None:
        raise AnnotationError(
            f"{path} has no header of a BORIS table of events",
            "Export from BORIS with Observations > Export events > Aggregated events.",
        )
    names = [name.strip() for name in table[at][1]]
    rows = list(_name_cells(path, names, table[at + 1 :]))
    drafts: dict[str, _Draft] = {}
    read = _read_aggregated if "Start (s)" in names else _read_paired
    for line, row, interval in read(path, rows):
        media = next((row[name] for name in _MEDIA_COLUMNS if row.get(name)), "")
        draft = drafts.setdefault(media_stem(media) or settings.video_id, _Draft(media))
        draft.add_facts(path, line, row)
        draft.intervals.append(interval)
    tracks = [Track(name, tuple(d.intervals), d.media, d.duration, d.fps) for name, d in drafts.items()]
    return Found(tracks or [Track(settings.video_id, ())])


@dataclass
class _Draft:
    media: str
    intervals: list[Interval] = field(default_factory=list[Interval])
    duration: float | None = None
    fps: float | None = None

    def add_facts(self, path: Path, line: int, row: dict[str, str]) -> None:
        """The length is that of all media of an observation together, so it counts for a single one only."""
        try:
            self.fps = parse_seconds(row["FPS"]) if _is_given(row.get("FPS")) else self.fps
            if _is_given(row.get("Total length")):
                self.duration = parse_seconds(row["Total length"])
        except ValueError as error:
            raise AnnotationError(f"{path}: line {line}: {error}") from error


def _name_cells(path: Path, names: Sequence[str], table: Sequence[tuple[int, list[str]]]) -> Iterator[Row]:
    for line, cells in table:
        if len(cells) < len(names):
            raise AnnotationError(f"{path}: line {line} has {len(cells)} cells, and the header {len(names)}")
        yield line, {name: cell.strip() for name, cell in zip(names, cells, strict=False)}


def _read_aggregated(path: Path, rows: Sequence[Row]) -> Iterator[tuple[int, dict[str, str], Interval]]:
    for line, row in rows:
        try:
            start = parse_seconds(row["Start (s)"])
            end = parse_seconds(row["Stop (s)"]) if _is_given(row["Stop (s)"]) else start
        except ValueError as error:
            raise AnnotationError(f"{path}: line {line}: {error}") from error
        if end < start:
            raise AnnotationError(f"{path}: line {line}: the event stops at {end:g} s, before it starts at {start:g} s")
        yield line, row, _make_interval(path, line, row, start, end)


def _read_paired(path: Path, rows: Sequence[Row]) -> Iterator[tuple[int, dict[str, str], Interval]]:
    """Join START and STOP rows of the same subject, behaviour and media file."""
    running: dict[tuple[str, ...], tuple[int, float]] = {}
    for line, row in rows:
        kind = next((row[name].upper() for name in _KIND_COLUMNS if row.get(name)), "POINT")
        try:
            seconds = parse_seconds(row["Time"])
        except ValueError as error:
            raise AnnotationError(f"{path}: line {line}: {error}") from error
        key = tuple(row.get(name, "") for name in ("Observation id", "Subject", "Behavior"))
        if kind == "START" and key in running:
            raise AnnotationError(
                f"{path}: line {line}: {key[-1]!r} starts again; it runs since line {running[key][0]}"
            )
        if kind == "START":
            running[key] = (line, seconds)
            continue
        if kind == "STOP" and key not in running:
            raise AnnotationError(f"{path}: line {line}: {key[-1]!r} stops, and was not started")
        start = running.pop(key)[1] if kind == "STOP" else seconds
        if seconds < start:
            raise AnnotationError(f"{path}: line {line}: {key[-1]!r} stops before it starts")
        yield line, row, _make_interval(path, line, row, start, seconds)
    if running:
        key, (line, _) = next(iter(running.items()))
        raise AnnotationError(f"{path}: line {line}: {key[-1]!r} is started and never stopped", "Stop it in BORIS.")


def _make_interval(path: Path, line: int, row: dict[str, str], start: float, end: float) -> Interval:
    if not row["Behavior"]:
        raise AnnotationError(f"{path}: line {line}: the event has no behaviour")
    subject = row.get("Subject", "")
    return Interval(start, end, row["Behavior"], "" if subject == NO_SUBJECT else subject)


def _is_given(cell: str | None) -> bool:
    return bool(cell) and cell not in ("NA", "None", "nan")


def write_boris(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write aggregated events; as TSV where the file is called ``.tsv``. Each video is an observation."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", lineterminator="\n")
    writer.writerow(_COLUMNS)
    for track in tracks:
        for item in sorted(track.intervals, key=lambda i: (i.start, i.end)):
            writer.writerow(_make_row(track, item, settings))
    write_text(path, text.getvalue())


def _make_row(track: Track, item: Interval, settings: WriteSettings) -> list[str]:
    is_point = f"{item.start:.3f}" == f"{item.end:.3f}"
    rate = settings.fps or track.fps
    length = "" if track.duration_seconds is None else f"{track.duration_seconds:.3f}"
    cells = {
        "Observation id": track.video_id,
        "Observation date": "",
        "Media file": track.media or track.video_id,
        "Total length": length,
        "FPS": "" if rate is None else f"{float(rate):.6g}",
        "Subject": item.tier or NO_SUBJECT,
        "Behavior": " ".join(item.label.split()),
        "Behavior type": "POINT" if is_point else "STATE",
        "Start (s)": f"{item.start:.3f}",
        "Stop (s)": f"{item.end:.3f}",
        "Duration (s)": "NA" if is_point else f"{item.end - item.start:.3f}",
    }
    return [cells.get(name, "") for name in _COLUMNS]
