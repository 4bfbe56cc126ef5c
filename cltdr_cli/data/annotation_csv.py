"""Annotations in CSV: the tables of EPIC-KITCHENS-100, Charades, AFSD and G-TAD, and our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.data.annotations import NO_CLASSES, Annotations, Instance, VideoDraft, assemble_annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.source_files import read_csv_rows
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
    rows = read_csv_rows(path)
    layout = _find_layout(path, rows)
    context = CsvContext(classes, task, _find_split(path.stem))
    drafts: dict[str, VideoDraft] = {}
    for number, row in enumerate(rows, 2):
        try:
            _ROWS[layout](row, drafts, context)
        except (ValueError, KeyError) as error:
            raise AnnotationError(f"{path}: line {number} cannot be read as {layout}: {error}") from error
    return assemble_annotations(drafts, layout, path, classes)


def _find_layout(path: Path, rows: Sequence[Row]) -> str:
    if not rows:
        raise AnnotationError(f"{path} holds no annotations: it has no rows")
    columns = set(rows[0])
    for layout, needed in _COLUMNS.items():
        if needed <= columns and (layout != "csv-labels" or columns <= needed | _OPTIONAL_COLUMNS):
            return layout
    if "score" in columns:
        raise AnnotationError(f"{path} holds results, not annotations", "Give it as predictions=.")
    raise AnnotationError(
        f"{path} is a CSV table in no known layout (columns: {', '.join(rows[0])})",
        "Our own layout is video_id,start,end,label and optionally subset,duration,fps,label_id; a row without times "
        "gives its label to the whole video.",
    )


def _find_split(stem: str) -> str:
    """Find the split in a file name, as in ``EPIC_100_validation`` or ``val_Annotation``."""
    words = stem.lower().replace("-", "_").split("_")
    return next((word for word in words if word in ("train", "training", "val", "validation", "test")), "")


def _add_own_row(row: Row, drafts: dict[str, VideoDraft], context: CsvContext) -> None:
    """A row without times gives its label to the whole video; without a label too it only says that there is one."""
    draft = drafts.setdefault(row["video_id"], VideoDraft(split=row.get("subset") or context.split))
    draft.duration_seconds = float(row["duration"]) if row.get("duration") else draft.duration_seconds
    draft.fps = float(row["fps"]) if row.get("fps") else draft.fps
    label, number = row["label"], int(row["label_id"]) if row.get("label_id") else None
    start, end = row.get("start", ""), row.get("end", "")
    if start or end:
        draft.instances.append(Instance(float(start), float(end), label, number))
    elif label:
        draft.add_video_label(label, number)


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
    "csv": frozenset({"video_id", "start", "end", "label"}),
    "csv-labels": frozenset({"video_id", "label"}),
}
_OPTIONAL_COLUMNS = frozenset({"subset", "duration", "fps", "label_id"})
"""With any other column, a table without times may have them under names that we do not know."""

_ROWS: dict[str, Callable[[Row, dict[str, VideoDraft], CsvContext], None]] = {
    "epic": _add_epic_row,
    "charades-csv": _add_charades_row,
    "afsd-csv": _add_afsd_row,
    "gtad-csv": _add_gtad_row,
    "csv": _add_own_row,
    "csv-labels": _add_own_row,
}
