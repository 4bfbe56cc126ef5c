"""Annotations of Ego4D's moment queries as published: videos, their clips, and what each annotator marked in a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cltdr_cli.data.annotations import NO_CLASSES, Annotations, Instance, VideoDraft, assemble_annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.source_files import load_json
from cltdr_cli.errors import AnnotationError

LAYOUT = "ego4d-moments"

_CLIP_FPS = 30.0
"""All clips of Ego4D were written at this rate."""


def list_moment_files(folder: Path) -> list[Path]:
    """List ``moments_train.json``, ``moments_val.json`` and ``moments_test_unannotated.json`` in a folder."""
    return sorted(folder.glob("moments_*.json"))


def read_moment_files(files: Sequence[Path], source: Path, classes: ClassList = NO_CLASSES) -> Annotations:
    """Read the published files of moment queries together.

    Args:
        files: The files; each holds its own splits.
        source: The file or folder that was named.
        classes: The known classes.

    Raises:
        AnnotationError: A file cannot be read as moment queries, or two name the same clip.
    """
    drafts: dict[str, VideoDraft] = {}
    for path in files:
        content = load_json(path)
        if not is_moments(content):
            raise AnnotationError(f"{path}: not an annotation of Ego4D's moment queries", "Get moments_*.json again.")
        for name, draft in _read_clips(path, content).items():
            if name in drafts:
                raise AnnotationError(f"{path}: the clip {name} stands in another file of the folder, too")
            drafts[name] = draft
    return assemble_annotations(drafts, LAYOUT, source, classes)


def read_moments(path: Path, content: Any, classes: ClassList = NO_CLASSES) -> Annotations:
    """Read one file of moment queries that has been loaded already.

    Each clip becomes a video under its ``clip_uid``, with the moments of all its annotators. Of labels that say
    whether they are ``primary`` only those that are count: they are the 110 classes of the benchmark.

    Args:
        path: The file, for messages.
        content: Its JSON.
        classes: The known classes.

    Raises:
        AnnotationError: A clip cannot be read.
    """
    return assemble_annotations(_read_clips(path, content), LAYOUT, path, classes)


def is_moments(content: Any) -> bool:
    """Whether JSON is a list of videos with clips, as published by Ego4D."""
    videos: Any = content.get("videos") if isinstance(content, dict) else None
    return isinstance(videos, list) and any(isinstance(video, dict) and "clips" in video for video in videos)


def _read_clips(path: Path, content: Mapping[str, Any]) -> dict[str, VideoDraft]:
    drafts: dict[str, VideoDraft] = {}
    for place, video in enumerate(content["videos"]):
        try:
            for clip in video["clips"]:
                drafts[str(clip["clip_uid"])] = _read_clip(clip, str(video.get("split", "")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AnnotationError(
                f"{path}: video {place} cannot be read as moment queries: {type(error).__name__}: {error}",
                "Each clip needs clip_uid, video_start_sec, video_end_sec and annotations with labels.",
            ) from error
    return drafts


def _read_clip(clip: Mapping[str, Any], split: str) -> VideoDraft:
    start, end = float(clip["video_start_sec"]), float(clip["video_end_sec"])
    draft = VideoDraft(split=split, duration_seconds=end - start, fps=_CLIP_FPS)
    for annotation in clip.get("annotations") or ():
        for item in annotation["labels"]:
            if item.get("primary", True):
                draft.instances.append(_read_moment(item, start))
    return draft


def _read_moment(item: Mapping[str, Any], clip_start_seconds: float) -> Instance:
    """One marked moment, in seconds of its clip; where only times of the whole video are given they are shifted."""
    if "start_time" in item:
        return Instance(float(item["start_time"]), float(item["end_time"]), str(item["label"]))
    start, end = float(item["video_start_time"]), float(item["video_end_time"])
    return Instance(start - clip_start_seconds, end - clip_start_seconds, str(item["label"]))
