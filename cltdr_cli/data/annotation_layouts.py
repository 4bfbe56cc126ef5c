"""Reads annotations in any known layout."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from cltdr_cli.data.annotation_arrays import NAMES_FILE, read_array_folder
from cltdr_cli.data.annotation_csv import read_annotation_csv
from cltdr_cli.data.annotation_ego4d import list_moment_files, read_moment_files
from cltdr_cli.data.annotation_json import read_annotation_json
from cltdr_cli.data.annotation_text import list_thumos_files, read_kth, read_thumos_folder
from cltdr_cli.data.annotation_tracks import find_tool_files, read_tool_files
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.frame_labels import list_label_files, read_frame_labels
from cltdr_cli.data.merged_annotations import merge_annotations
from cltdr_cli.data.reviewed import REVIEWED_SUFFIX
from cltdr_cli.data.video_info import add_rate, add_video_info, find_tables_beside
from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.interchange import FORMATS, READABLE
from cltdr_cli.parquet_files import is_parquet

LAYOUTS = {
    "activitynet": "JSON: database of videos with subset, duration, annotations (label, segment)",
    "bsn": "JSON: videos with duration_second and annotations; subsets in video_info_new.csv beside it",
    "super-events": "JSON: videos with subset, duration, actions [class, start, end] (MultiTHUMOS, Charades)",
    "reviewed": "JSON: results that a person corrected with cltdr review or on the page of cltdr report; also a folder "
    "of *.reviewed.json",
    "ego4d-moments": "JSON of Ego4D's moment queries: videos, clips, annotations; or a folder of moments_*.json",
    "thumos-folder": "folder of <Class>_test.txt and <Class>_val.txt, rows: video start end",
    "wtalc": "folder of videoname.npy, subset.npy, labels_all.npy, labels.npy, segments.npy, duration.npy",
    "epic": "CSV of EPIC-KITCHENS-100; durations in EPIC_100_video_info.csv beside it",
    "charades-csv": "CSV of Charades: id, actions, length",
    "afsd-csv": "CSV of AFSD: video, type, type_idx, start, end",
    "gtad-csv": "CSV of G-TAD: video-name, t-init, t-end, label-idx",
    "csv": "our CSV: video_id,start,end,label and optionally subset,duration,fps,label_id; also as Parquet",
    "csv-labels": "our CSV of labels of whole videos: video_id,label and the same optional columns",
    "kth": "text of KTH: sequence, frames a-b, c-d",
    "frame-labels": "folder of <video>.txt, one label per frame; classes in mapping.txt in or beside it",
    **{name: f"{FORMATS[name].title}; also a folder of such files" for name in READABLE},
}
"""The known layouts; which one a file has is told by its content."""


def read_annotations(
    path: Path,
    class_names: Sequence[str] | ClassList = (),
    *,
    first_id: int = 0,
    task: str = "verb",
    video_info: Sequence[Path] | None = None,
    fps: float | None = None,
    background: Collection[str] = (),
) -> Annotations:
    """Read annotations from a file or folder in any of ``LAYOUTS``.

    Args:
        path: File or folder.
        class_names: Class names in order, for files that only have numbers; a ``ClassList`` may have numbers written
            beside them, which then hold.
        first_id: Number of the first class in such files, where the names have no numbers.
        task: ``verb`` or ``noun``, for EPIC-KITCHENS-100.
        video_info: Tables of durations and subsets; None takes the published ones beside the file.
        fps: Frames per second, for files that do not say it; needed for a folder of one label per frame.
        background: Labels that are no action, in such a folder.

    Raises:
        AnnotationError: The file is missing, damaged, or in no known layout.
        UsageError: The folder needs ``fps``.
    """
    tables = find_tables_beside(path) if video_info is None else video_info
    classes = class_names if isinstance(class_names, ClassList) else ClassList(tuple(class_names))
    classes = replace(classes, first_id=first_id)
    read = _read_folder(path, classes, fps, background) if path.is_dir() else _read_file(path, classes, task, fps)
    return add_rate(add_video_info(read, tables), fps)


def _read_folder(path: Path, classes: ClassList, fps: float | None, background: Collection[str]) -> Annotations:
    if reviewed := sorted(path.glob(f"*{REVIEWED_SUFFIX}")):
        return merge_annotations([read_annotation_json(file, classes) for file in reviewed], classes)
    if (path / NAMES_FILE).is_file():
        return read_array_folder(path, classes)
    if files := list_moment_files(path):
        return read_moment_files(files, path, classes)
    if list_thumos_files(path):
        return read_thumos_folder(path, classes)
    tool_files = find_tool_files(path)
    if set(list_label_files(path)) - {file for file, _ in tool_files}:  # Audacity's files end in .txt, too
        return read_frame_labels(path, _check_rate(path, fps), background, classes)
    return read_tool_files(path, tool_files, classes, fps) if tool_files else read_thumos_folder(path, classes)


def _check_rate(path: Path, fps: float | None) -> float:
    if fps is None:
        raise UsageError(
            f"{path} has one label per frame, and does not say how many frames a second has",
            "Give it as fps= (15 for GTEA and Breakfast, 30 for 50Salads).",
        )
    return fps


def _read_file(path: Path, classes: ClassList, task: str, fps: float | None) -> Annotations:
    if not path.is_file():
        raise AnnotationError(
            f"{path}: no such file or folder", "Annotations are a JSON, CSV or text file, or a folder."
        )
    if tool_files := find_tool_files(path):
        return read_tool_files(path, tool_files, classes, fps)
    suffix = (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
    if suffix == ".json":
        return read_annotation_json(path, classes)
    if suffix in (".csv", ".tsv") or is_parquet(path):
        return read_annotation_csv(path, classes, task)
    if suffix == ".txt":
        return read_kth(path)
    raise AnnotationError(
        f"{path}: annotations are a .json, .csv, .tsv or .txt file, a file of an annotation tool, or a folder of them",
        f"Files of these tools are known by their content: {', '.join(FORMATS[name].title for name in READABLE)}.",
    )
