"""Reads annotations in any known layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.data.annotation_csv import read_annotation_csv
from cltdr_cli.data.annotation_json import read_annotation_json
from cltdr_cli.data.annotation_text import read_kth, read_thumos_folder
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.video_info import add_video_info, find_tables_beside
from cltdr_cli.errors import AnnotationError

LAYOUTS = {
    "activitynet": "JSON: database of videos with subset, duration, annotations (label, segment)",
    "bsn": "JSON: videos with duration_second and annotations; subsets in video_info_new.csv beside it",
    "super-events": "JSON: videos with subset, duration, actions [class, start, end] (MultiTHUMOS, Charades)",
    "reviewed": "JSON: results that a person corrected with cltdr review or on the page of cltdr report",
    "thumos-folder": "folder of <Class>_test.txt and <Class>_val.txt, rows: video start end",
    "epic": "CSV of EPIC-KITCHENS-100; durations in EPIC_100_video_info.csv beside it",
    "charades-csv": "CSV of Charades: id, actions, length",
    "afsd-csv": "CSV of AFSD: video, type, type_idx, start, end",
    "gtad-csv": "CSV of G-TAD: video-name, t-init, t-end, label-idx",
    "csv": "our CSV: video_id,start,end,label and optionally subset,duration,fps,label_id",
    "kth": "text of KTH: sequence, frames a-b, c-d",
}
"""The known layouts; which one a file has is told by its content."""


def read_annotations(
    path: Path,
    class_names: Sequence[str] = (),
    *,
    first_id: int = 0,
    task: str = "verb",
    video_info: Sequence[Path] | None = None,
) -> Annotations:
    """Read annotations from a file or folder in any of ``LAYOUTS``.

    Args:
        path: File or folder.
        class_names: Class names by number, for files that only have numbers.
        first_id: Number of the first class in such files.
        task: ``verb`` or ``noun``, for EPIC-KITCHENS-100.
        video_info: Tables of durations and subsets; None takes the published ones beside the file.

    Raises:
        AnnotationError: The file is missing, damaged, or in no known layout.
    """
    tables = find_tables_beside(path) if video_info is None else video_info
    return add_video_info(_read(path, class_names, first_id, task), tables)


def _read(path: Path, class_names: Sequence[str], first_id: int, task: str) -> Annotations:
    if path.is_dir():
        return read_thumos_folder(path, class_names)
    if not path.is_file():
        raise AnnotationError(
            f"{path}: no such file or folder", "Annotations are a JSON, CSV or text file, or a folder."
        )
    suffix = path.suffix.lower()
    if suffix == ".json":
        return read_annotation_json(path, class_names, first_id)
    if suffix == ".csv":
        return read_annotation_csv(path, class_names, first_id, task)
    if suffix == ".txt":
        return read_kth(path)
    raise AnnotationError(f"{path}: annotations are a .json, .csv or .txt file or a folder")
