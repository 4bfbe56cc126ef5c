"""Annotations in CSV: the tables of EPIC-KITCHENS-100, Charades, AFSD and G-TAD, and our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.data.annotation_table import find_headings, read_own_table
from cltdr_cli.data.annotations import NO_CLASSES, Annotations, Instance, VideoDraft, assemble_annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.tables import Table, read_table
from cltdr_cli.errors import AnnotationError

Row = Mapping[str, str]


@dataclass(frozen=True)
class CsvContext:
    """What is needed besides a row to read it.

    Attributes:
        classes: The known classes; may be empty.
        task: ``verb`` or ``noun``: which column of EPIC-KITCHENS-100 is the class.
        split: Split according to the file name, for tables without a column for it.
    """

    classes: ClassList
    task: str
    split: str


def read_annotation_csv(path: Path, classes: ClassList = NO_CLASSES, task: str = "verb") -> Annotations:
    """Read annotations from a CSV table; its header tells the layout.

    Args:
        path: The table.
        classes: The known classes.
        task: ``verb`` or ``noun``, for EPIC-KITCHENS-100.

    Raises:
        AnnotationError: Unknown header, or a cell that cannot be read.
    """
    table = read_table(path)
    if not table.rows:
        raise AnnotationError(f"{path} holds no annotations: it has no rows")
    split = _find_split(path.stem)
    layout = next((name for name, needed in _COLUMNS.items() if needed <= set(table.columns)), None)
    if layout is None:
        return read_own_table(path, table, _find_own_headings(path, table), split, classes)
    context = CsvContext(classes, task, split)
    drafts: dict[str, VideoDraft] = {}
    for number, row in table.rows:
        try:
            _ROWS[layout](row, drafts, context)
        except (ValueError, KeyError) as error:
            raise AnnotationError(f"{path}: line {number} cannot be read as {layout}: {error}") from error
    return assemble_annotations(drafts, layout, path, classes, table.notes)


def _find_own_headings(path: Path, table: Table) -> dict[str, str]:
    """Our columns in a table of no published layout.

    Raises:
        AnnotationError: It has none of them, or only a start or an end, or other columns may be the times.
    """
    try:
        headings = find_headings(table)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error.message}", error.hint) from error
    is_ours = set(table.columns) >= {"video_id", "start", "end", "label"}
    if "score" in table.columns and not is_ours:
        raise AnnotationError(f"{path} holds results, not annotations", "Give it as predictions=.")
    timed = {"start", "end", "length"} & (headings or {}).keys()
    others = [name for name in table.columns if name not in (headings or {}).values()]
    if headings is None or len(timed) == 1 or (not timed and others):
        raise AnnotationError(
            f"{path} is a CSV table in no known layout (columns: {', '.join(table.columns)})",
            "Our own layout is video_id,start,end,label and optionally subset,duration,fps,label_id; a table without "
            "start and end gives its labels to whole videos.",
        )
    return headings


def _find_split(stem: str) -> str:
    """Find the split in a file name, as in ``EPIC_100_validation`` or ``val_Annotation``."""
    words = stem.lower().replace("-", "_").split("_")
    return next((word for word in words if word in ("train", "training", "val", "validation", "test")), "")


def _add_epic_row(row: Row, drafts: dict[str, VideoDraft], context: CsvContext) -> None:
    number = int(row[f"{context.task}_class"])
    start, end = _parse_clock(row["start_timestamp"]), _parse_clock(row["stop_timestamp"])
    draft = drafts.setdefault(row["video_id"], VideoDraft(split=context.split))
    draft.instances.append(Instance(start, end, context.classes.name(number), number))


def _add_charades_row(row: Row, drafts: dict[str, VideoDraft], context: CsvContext) -> None:
    """The column ``actions`` is like ``c077 12.10 18.00;c079 11.80 17.30``; it may be empty."""
    draft = VideoDraft(split=context.split, duration_seconds=float(row["length"]))
    for action in filter(None, row["actions"].split(";")):
        label, start, end = action.split()
        number = int(label.removeprefix("c"))
        draft.instances.append(Instance(float(start), float(end), context.classes.name(number), number))
    drafts[row["id"]] = draft


def _add_afsd_row(row: Row, drafts: dict[str, VideoDraft], context: CsvContext) -> None:
    draft = drafts.setdefault(row["video"], VideoDraft(split=find_thumos_split(row["video"]) or context.split))
    start, end = float(row["start"]), float(row["end"])
    if row["type"] == "Ambiguous":
        draft.ambiguous.append((start, end))
    else:
        draft.instances.append(Instance(start, end, row["type"], int(row["type_idx"])))


def _add_gtad_row(row: Row, drafts: dict[str, VideoDraft], context: CsvContext) -> None:
    """Classes are numbered alphabetically from 0; -1 means Ambiguous."""
    name = row["video-name"]
    draft = drafts.setdefault(name, VideoDraft(split=find_thumos_split(name) or context.split))
    draft.duration_seconds, draft.fps = float(row["video-duration"]), float(row["frame-rate"])
    start, end, number = float(row["t-init"]), float(row["t-end"]), int(row["label-idx"])
    if number < 0:
        draft.ambiguous.append((start, end))
    else:
        draft.instances.append(Instance(start, end, context.classes.name_at(number, number), number))


def find_thumos_split(video_id: str) -> str:
    """Find the split in the name of a THUMOS14 video: ``video_test_0000004``."""
    words = video_id.split("_")
    return words[1] if len(words) == 3 and words[1] in ("validation", "test") else ""


def _parse_clock(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


_COLUMNS: dict[str, frozenset[str]] = {
    "epic": frozenset({"video_id", "start_timestamp", "stop_timestamp", "verb_class", "noun_class"}),
    "charades-csv": frozenset({"id", "actions", "length"}),
    "afsd-csv": frozenset({"video", "type", "type_idx", "start", "end"}),
    "gtad-csv": frozenset({"video-name", "t-init", "t-end", "label-idx", "video-duration", "frame-rate"}),
}
_ROWS: dict[str, Callable[[Row, dict[str, VideoDraft], CsvContext], None]] = {
    "epic": _add_epic_row,
    "charades-csv": _add_charades_row,
    "afsd-csv": _add_afsd_row,
    "gtad-csv": _add_gtad_row,
}
