"""Our own table of annotations, ``video_id,start,end,label``, also under the headings that other programs use."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cltdr_cli.data.annotations import (
    NO_CLASSES,
    Annotations,
    Instance,
    VideoDraft,
    assemble_annotations,
    normalize_split,
)
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.tables import Table
from cltdr_cli.errors import AnnotationError

HEADINGS: dict[str, tuple[str, ...]] = {
    "video_id": ("video_id", "video", "videoid", "video_name", "filename", "file_name", "file", "media", "clip_id"),
    "start": ("start", "start_time", "t_start", "starttime", "begin", "begin_time", "onset", "from"),
    "end": ("end", "end_time", "t_end", "endtime", "stop", "stop_time", "offset", "to"),
    "label": ("label", "class", "action", "name", "class_name", "label_name", "category", "activity", "event"),
    "label_id": ("label_id", "class_id", "label_index", "class_index", "category_id"),
    "subset": ("subset", "split", "partition"),
    "duration": ("duration", "video_duration"),
    "fps": ("fps", "frame_rate", "framerate"),
}
"""Our columns, and the headings that mean them; case, blanks and a unit of seconds do not matter."""

_MEANINGS = {"length": "duration of each action, in place of an end"}
"""Columns that tables have in place of ours, and what they are."""

_UNIT = re.compile(r"[_ ]*(\(s\)|\[s\]|\(sec\)|\[sec\]|_s|_sec|_secs|_seconds|\(seconds\)|\[seconds\])$")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:[.,]\d*)?)")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")


@dataclass
class _Stated:
    """What rows said of their videos, and where: rows of one video must agree."""

    path: Path
    values: dict[tuple[str, str], tuple[object, int, str]] = field(
        default_factory=dict[tuple[str, str], tuple[object, int, str]]
    )

    def take(self, video_id: str, column: str, value: object, cell: str, place: int) -> None:
        first, line, text = self.values.setdefault((video_id, column), (value, place, cell))
        if not _is_same(first, value):
            raise AnnotationError(
                f"{self.path}: the {column} of {video_id} is {text!r} in line {line} and {cell!r} in line {place}",
                f"All rows of a video tell of the same one: correct one of the cells. The {column} is that of the "
                "whole video, not of the action.",
            )


def find_headings(table: Table) -> dict[str, str] | None:
    """The table's heading of each of our columns; None where the table has no video or no label.

    Raises:
        AnnotationError: Two headings mean the same column.
    """
    found: dict[str, str] = {}
    for ours, names in HEADINGS.items():
        # A heading that is the name itself goes before one that only means the same.
        ordered = sorted(table.columns, key=lambda heading: heading == _simplify(heading))
        headings = {_simplify(heading): heading for heading in ordered}
        meant = [headings[name] for name in names if name in headings]
        if ours not in headings and len(meant) > 1:
            raise AnnotationError(
                f"the columns {' and '.join(map(repr, meant))} may both be the {ours}", f"Call one of them {ours!r}."
            )
        if meant:
            found[ours] = meant[0]
    if "start" in found and "end" not in found and _simplify(found.get("duration", "")) == "duration":
        found["length"] = found.pop("duration")  # without an end it is the action that lasts so long
    return found if {"video_id", "label"} <= found.keys() else None


def read_own_table(
    path: Path, table: Table, headings: Mapping[str, str], split: str, classes: ClassList = NO_CLASSES
) -> Annotations:
    """Read our own layout.

    Args:
        path: The file, for messages.
        table: Its content.
        headings: The table's heading of each of our columns, see ``find_headings``.
        split: Split of videos where the table has no column for it.
        classes: The known classes.

    Raises:
        AnnotationError: A cell cannot be read, or rows of one video contradict each other; both are named.
    """
    drafts: dict[str, VideoDraft] = {}
    stated = _Stated(path)
    for place, cells in table.rows:
        row = {ours: cells[heading] for ours, heading in headings.items()}
        _add_row(_Row(path, place, row, headings, table.delimiter), drafts, stated, split)
    renamed = [f"{theirs!r} is the {_MEANINGS.get(ours, ours)}" for ours, theirs in headings.items() if ours != theirs]
    notes = (*table.notes, *renamed)
    layout = "csv" if "start" in headings else "csv-labels"
    return assemble_annotations(drafts, layout, path, classes, notes)


@dataclass(frozen=True)
class _Row:
    """One row under our headings."""

    path: Path
    place: int
    cells: Mapping[str, str]
    headings: Mapping[str, str]
    delimiter: str

    def text(self, column: str) -> str:
        return self.cells.get(column, "")

    def number(self, column: str) -> float:
        return self._read(column, lambda cell: parse_number(cell, self.delimiter), "a number")

    def seconds(self, column: str) -> float:
        return self._read(column, lambda cell: parse_seconds(cell, self.delimiter), "a time")

    def read_times(self) -> tuple[float, float]:
        """Start and end of the action, in seconds."""
        start = self.seconds("start")
        return start, start + self.seconds("length") if "length" in self.headings else self.seconds("end")

    def count(self, column: str) -> int:
        return int(self._read(column, _parse_count, "a whole number"))

    def _read(self, column: str, read: Callable[[str], float], what: str) -> float:
        try:
            return read(self.text(column))
        except ValueError as error:
            reason = "" if str(error).startswith(("could not", "invalid")) else f": {error}"
            place = f"line {self.place}, column {self.headings[column]!r}"
            raise AnnotationError(
                f"{self.path}: {place}: {self.text(column)!r} is not {what}{reason}",
                "Times are seconds (12.5) or clock times (0:12.5, 1:02:03.25), and numbers have a decimal point.",
            ) from error


def _add_row(row: _Row, drafts: dict[str, VideoDraft], stated: _Stated, split: str) -> None:
    """A row without times gives its label to the whole video; without a label too it only says that there is one."""
    video_id, label = row.text("video_id"), row.text("label")
    if not video_id:
        raise AnnotationError(f"{row.path}: line {row.place} has no video")
    draft = drafts.setdefault(video_id, VideoDraft(split=split))
    _add_facts(row, draft, stated, video_id)
    number = row.count("label_id") if row.text("label_id") else None
    if row.text("start") or row.text("end") or row.text("length"):
        draft.instances.append(Instance(*row.read_times(), label, number))
    elif label:
        draft.add_video_label(label, number)


def _add_facts(row: _Row, draft: VideoDraft, stated: _Stated, video_id: str) -> None:
    """Subset, duration and rate of the video, as far as the row says them."""
    if cell := row.text("subset"):
        stated.take(video_id, "subset", normalize_split(cell), cell, row.place)
        draft.split = cell
    if cell := row.text("duration"):
        draft.duration_seconds = row.seconds("duration")
        stated.take(video_id, "duration", draft.duration_seconds, cell, row.place)
    if cell := row.text("fps"):
        draft.fps = row.number("fps")
        stated.take(video_id, "fps", draft.fps, cell, row.place)


def parse_seconds(cell: str, delimiter: str = ",") -> float:
    """A time in seconds: a number, or a clock time ``m:ss.s`` or ``h:mm:ss.s``.

    Raises:
        ValueError: It is neither.
    """
    clock = _CLOCK.fullmatch(cell)
    if clock is None:
        return parse_number(cell, delimiter)
    hours, minutes, seconds = int(clock[1] or 0), int(clock[2]), float(clock[3].replace(",", "."))
    if seconds >= 60 or (clock[1] is not None and minutes >= 60):
        raise ValueError("minutes and seconds of a clock time go up to 59")
    return 3600 * hours + 60 * minutes + seconds


def parse_number(cell: str, delimiter: str = ",") -> float:
    """A number; with a decimal comma only where cells are not separated by commas.

    Raises:
        ValueError: It is none, or its comma may mean two things.
    """
    if "," not in cell:
        return float(cell)
    if delimiter == "," or not _DECIMAL_COMMA.fullmatch(cell):
        raise ValueError("a comma may be a decimal sign or stand between thousands: write a point, as in 1234.5")
    return float(cell.replace(",", "."))


def _parse_count(cell: str) -> int:
    """A whole number; pandas writes 3 as 3.0 where other rows have none."""
    return int(cell.removesuffix(".0"))


def _is_same(first: object, second: object) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-6)
    return first == second


def _simplify(heading: str) -> str:
    plain = _UNIT.sub("", heading.strip().casefold())
    return re.sub(r"[\s\-]+", "_", plain.strip())
