"""Annotations in a folder of arrays, as published for weakly supervised localization (``Thumos14reduced-Annotations``).

Item ``i`` of each file belongs to video ``i``: ``videoname.npy``, ``subset.npy``, ``duration.npy`` (seconds),
``labels_all.npy`` (labels of the whole video), ``labels.npy`` and ``segments.npy`` (label, start and end in seconds of
each instance). ``classlist.npy`` numbers the classes. Labels and segments are arrays of Python objects, which are read
without running anything (``features.object_arrays``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cltdr_cli.data.annotation_text import AMBIGUOUS, read_ambiguous_rows
from cltdr_cli.data.annotations import NO_CLASSES, Annotations, Instance, VideoDraft, assemble_annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.class_numbers import UntimedLabel
from cltdr_cli.errors import AnnotationError, FeatureError
from cltdr_cli.features.object_arrays import (
    read_names,
    read_object_array,
    read_plain_array,
    read_text,
    to_plain_list,
)

NAMES_FILE = "videoname.npy"
"""The file that tells such a folder from others."""


def read_array_folder(folder: Path, classes: ClassList = NO_CLASSES) -> Annotations:
    """Read annotations from a folder of arrays.

    Labels of whole videos become ``AnnotatedVideo.labels``. Rows of ``Ambiguous_*.txt`` in the folder, and instances
    labelled Ambiguous, become ``ambiguous``. ``original_fps.npy`` is the rate of the videos; ``extracted_fps.npy``,
    which its author calls wrong, is not read.

    Args:
        folder: The folder.
        classes: The known classes; without them ``classlist.npy`` numbers the classes.

    Raises:
        AnnotationError: A file is missing or damaged, or the files do not belong together.
    """
    try:
        drafts = _read_drafts(folder)
        listed = folder / "classlist.npy"
        if not classes.names and listed.is_file():
            classes = ClassList(tuple(read_names(listed)))
    except FeatureError as error:
        raise AnnotationError(error.message, error.hint) from error
    for video_id, spans in read_ambiguous_rows(folder).items():
        if video_id in drafts:
            drafts[video_id].ambiguous.extend(spans)
    return assemble_annotations(drafts, "wtalc", folder, classes)


def _read_drafts(folder: Path) -> dict[str, VideoDraft]:
    ids = read_names(folder / NAMES_FILE)
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise AnnotationError(f"{folder / NAMES_FILE}: the video {twice!r} occurs twice")
    subsets = _check_count(folder / "subset.npy", read_names(folder / "subset.npy"), ids)
    drafts = {name: VideoDraft(split=split) for name, split in zip(ids, subsets, strict=True)}
    for name, seconds in zip(ids, _read_numbers(folder / "duration.npy", ids), strict=True):
        drafts[name].duration_seconds = seconds
    for name, fps in zip(ids, _read_numbers(folder / "original_fps.npy", ids), strict=True):
        drafts[name].fps = fps
    _add_video_labels(folder, drafts)
    _add_instances(folder, drafts)
    return drafts


def _add_video_labels(folder: Path, drafts: dict[str, VideoDraft]) -> None:
    path = folder / "labels_all.npy"
    if not path.is_file():
        return
    for draft, labels in zip(drafts.values(), _read_lists(path, list(drafts)), strict=True):
        texts = [read_text(item, path) for item in labels]
        draft.labels = [UntimedLabel(text) for text in texts if text != AMBIGUOUS]


def _add_instances(folder: Path, drafts: dict[str, VideoDraft]) -> None:
    path, label_path = folder / "segments.npy", folder / "labels.npy"
    if not path.is_file() and (folder / "labels_all.npy").is_file():
        return
    videos = zip(drafts.items(), _read_lists(label_path, list(drafts)), _read_lists(path, list(drafts)), strict=True)
    for (name, draft), labels, segments in videos:
        if len(labels) != len(segments):
            raise AnnotationError(f"{folder}: {name} has {len(labels)} labels and {len(segments)} segments")
        for label, segment in zip(labels, segments, strict=True):
            _add_instance(draft, read_text(label, label_path), _read_segment(segment, name, path))


def _add_instance(draft: VideoDraft, label: str, span: tuple[float, float]) -> None:
    if label == AMBIGUOUS:
        draft.ambiguous.append(span)
    else:
        draft.instances.append(Instance(*span, label))


def _read_segment(value: Any, video_id: str, path: Path) -> tuple[float, float]:
    try:
        start, end = map(float, to_plain_list(value, path))
    except (TypeError, ValueError) as error:
        raise AnnotationError(f"{path}: a segment of {video_id} is not a start and an end: {value!r}") from error
    return start, end


def _read_lists(path: Path, ids: Sequence[str]) -> list[list[Any]]:
    return [to_plain_list(item, path) for item in _check_count(path, read_object_array(path), ids)]


def _read_numbers(path: Path, ids: Sequence[str]) -> list[float | None]:
    """A positive number for each video; None for all where there is no such file."""
    if not path.is_file():
        return [None] * len(ids)
    array = read_plain_array(path)
    if array.dtype.kind not in "fiu":
        raise AnnotationError(f"{path}: is an array of {array.dtype}, and should be one of numbers")
    values = _check_count(path, array.astype(np.float64).ravel().tolist(), ids)
    return [value if 0 < value < np.inf else None for value in values]


def _check_count(path: Path, items: list[Any], ids: Sequence[str]) -> list[Any]:
    if len(items) != len(ids):
        raise AnnotationError(
            f"{path}: has {len(items)} items, and {NAMES_FILE} names {len(ids)} videos: they do not belong together",
            "Get all files of the folder from one place.",
        )
    return items
