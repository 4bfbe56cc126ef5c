"""Annotations with one label per frame: a folder of text files, as releases for action segmentation have them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path

from cltdr_cli.data.annotations import NO_CLASSES, Annotations, Instance, VideoDraft, assemble_annotations
from cltdr_cli.data.class_lists import ClassList, read_numbered_class_list
from cltdr_cli.data.source_files import read_numbered_lines
from cltdr_cli.errors import AnnotationError

MAPPING_FILE = "mapping.txt"
"""Lines ``number name``, in the folder of the label files or beside it (releases of Breakfast, GTEA, 50Salads)."""


def list_label_files(folder: Path) -> list[Path]:
    """List the label files ``<video>.txt`` of a folder, sorted by name."""
    return sorted(path for path in folder.glob("*.txt") if path.name != MAPPING_FILE)


def find_mapping(folder: Path) -> Path | None:
    """Find the file that numbers the classes, in a folder of label files or beside it; None without one."""
    return next((path for path in (folder / MAPPING_FILE, folder.parent / MAPPING_FILE) if path.is_file()), None)


def read_frame_labels(
    folder: Path, fps: float, background: Collection[str] = (), classes: ClassList = NO_CLASSES
) -> Annotations:
    """Read a folder of ``<video>.txt``, one label per frame and line; equal neighbours become one instance.

    Args:
        folder: The folder of these files.
        fps: Frames per second: frame i lasts from i / fps to (i + 1) / fps.
        background: Labels that are no action.
        classes: The known classes; without them those of ``MAPPING_FILE``, if there is one.

    Raises:
        AnnotationError: The folder has no such file, a file or a line in it is empty, or a label is not among the class
            names.
    """
    files = list_label_files(folder)
    if not files:
        raise AnnotationError(f"{folder} holds no label file", "Such a folder has one <video>.txt for each video.")
    mapping = find_mapping(folder)
    if not classes.names and mapping is not None:
        classes = read_numbered_class_list(mapping)
    drafts = {path.stem: _read_video(path, fps, background, classes.names) for path in files}
    return assemble_annotations(drafts, "frame-labels", folder, classes.without(background))


def _read_video(path: Path, fps: float, background: Collection[str], names: Sequence[str]) -> VideoDraft:
    lines = read_numbered_lines(path)
    if not lines:
        raise AnnotationError(f"{path} is empty", "It should hold one label per frame.")
    empty = next((count for count, (place, _) in enumerate(lines, 1) if place != count), None)
    if empty is not None:
        raise AnnotationError(
            f"{path}: line {empty} is empty, and every line is a frame",
            "Write the frame's label there, or that of the background; only the end may have empty lines.",
        )
    known = {*names, *background}
    unknown = next(((place, line.strip()) for place, line in lines if names and line.strip() not in known), None)
    if unknown is not None:
        raise AnnotationError(
            f"{path}: line {unknown[0]}: the label {unknown[1]!r} is none of the {len(names)} classes",
            f"Is it the {MAPPING_FILE} of these files? Classes can be given as labels=.",
        )
    draft = VideoDraft(duration_seconds=len(lines) / fps, fps=fps)
    frame = 0
    for label, run in groupby(line.strip() for _, line in lines):
        end = frame + len(list(run))
        if label not in background:
            draft.instances.append(Instance(frame / fps, end / fps, label))
        frame = end
    return draft
