"""Annotations in JSON: the ActivityNet layout with its variants, and the super-events layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cltdr_cli.data.annotation_ego4d import is_moments, read_moments
from cltdr_cli.data.annotations import NO_CLASSES, Annotations, Instance, VideoDraft, assemble_annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.class_numbers import UntimedLabel
from cltdr_cli.data.reviewed import LAYOUT, find_reviewed_videos, is_reviewed, read_reviewed
from cltdr_cli.data.source_files import load_json
from cltdr_cli.errors import AnnotationError

_CONTENT_KEYS = frozenset({"annotations", "actions", "labels", "segments"})
"""Keys of a video that say what happens in it."""


def read_annotation_json(path: Path, classes: ClassList = NO_CLASSES) -> Annotations:
    """Read annotations from a JSON file in any known layout.

    Layouts: ``{"database": {video: {subset, duration, annotations: [{label, segment}]}}}`` (ActivityNet, also with
    string values as in G-TAD, or under another single key), where an annotation may lack its segment and a video may
    have ``labels``, a list of those of the whole video; the same without the outer key, with ``duration_second`` (BSN);
    ``{video: {subset, duration, actions: [[class, start, end]]}}`` (super-events:
    MultiTHUMOS, Charades); the moment queries of Ego4D (``annotation_ego4d``); results that a person
    corrected (``reviewed``).

    Args:
        path: The file.
        classes: The known classes.

    Raises:
        AnnotationError: The file cannot be read as any of these.
    """
    content = load_json(path)
    if is_moments(content):
        return read_moments(path, content, classes)
    layout, videos = _find_videos(path, content)
    drafts: dict[str, VideoDraft] = {}
    bare = [name for name, record in videos.items() if not record.keys() & _CONTENT_KEYS]
    for name, record in videos.items():
        if name in bare:
            continue
        try:
            drafts[name] = _DRAFTS[layout](record, classes)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise AnnotationError(
                f"{path}: video {name!r} cannot be read in the {layout} layout: {type(error).__name__}: {error}",
                "Each video needs its annotations as described under `cltdr eval` in the README.",
            ) from error
    return assemble_annotations(drafts, layout, path, classes, _describe_bare(bare))


def _describe_bare(names: Sequence[str]) -> list[str]:
    """What became of videos of which the file does not even say that nothing happens in them."""
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return [f"{len(names)} videos have no annotations and are left out ({shown})"] if names else []


def _find_videos(path: Path, content: Any) -> tuple[str, Mapping[str, Any]]:
    """Find layout and videos in a file's content, also under an outer key such as ``database`` or ``GT``."""
    if is_reviewed(content):
        return LAYOUT, find_reviewed_videos(content)
    if isinstance(content, dict) and "results" in content:
        raise AnnotationError(
            f"{path} holds results, not annotations",
            "Give it as predictions=. Results become annotations when a person went through them: `cltdr review`.",
        )
    inner: Any = content
    if isinstance(content, dict):
        wrapped = [value for value in content.values() if _holds_videos(value)]
        inner = content.get("database", wrapped[0] if len(wrapped) == 1 and not _holds_videos(content) else content)
    if not isinstance(inner, dict) or not _holds_videos(inner):
        raise AnnotationError(
            f"{path} is JSON, but in no known annotation layout",
            'Known: {"database": {video: {"subset", "duration", "annotations"}}}, the same without "database", '
            'and {video: {"subset", "duration", "actions"}}.',
        )
    records = list(inner.values())
    if any("actions" in record for record in records):
        return "super-events", inner
    return ("bsn" if any("duration_second" in record for record in records) else "activitynet"), inner


def _holds_videos(value: Any) -> bool:
    """Whether this is a non-empty mapping from video ids to records with annotations."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(record, dict) for record in value.values())
        and any(record.keys() & _CONTENT_KEYS for record in value.values())
    )


def _read_activitynet(record: Mapping[str, Any], classes: ClassList) -> VideoDraft:
    draft = VideoDraft(
        split=str(record.get("subset", "")),
        duration_seconds=_read_number(record.get("duration", record.get("duration_second"))),
        fps=_read_number(record.get("fps")),
        labels=_read_video_labels(record.get("labels")),
    )
    for item in record["annotations"] if draft.labels is None else record.get("annotations", ()):
        label, number = _read_label(item["label"]), item.get("label_id")
        label_id = None if number is None else int(number)
        if item.get("segment") is None:
            draft.untimed.append(UntimedLabel(label, label_id))
            continue
        start, end = item["segment"]
        draft.instances.append(Instance(float(start), float(end), label, label_id))
    return draft


def _read_label(value: Any) -> str:
    """A label as text; a missing one (null) is blank, which training and scoring refuse."""
    return "" if value is None else str(value)


def _read_video_labels(value: Any) -> list[UntimedLabel] | None:
    """The labels of a whole video: a list of names; None where it has no such list."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"labels should be a list of names, and is {value!r}")
    return [UntimedLabel(name) for name in value]


def _read_super_events(record: Mapping[str, Any], classes: ClassList) -> VideoDraft:
    draft = VideoDraft(split=str(record.get("subset", "")), duration_seconds=_read_number(record.get("duration")))
    for number, start, end in record["actions"]:
        draft.instances.append(Instance(float(start), float(end), classes.name(int(number)), int(number)))
    return draft


_DRAFTS: dict[str, Callable[[Mapping[str, Any], ClassList], VideoDraft]] = {
    "activitynet": _read_activitynet,
    "bsn": _read_activitynet,
    "super-events": _read_super_events,
    LAYOUT: lambda record, classes: read_reviewed(record),
}


def _read_number(value: Any) -> float | None:
    return None if value is None else float(value)
