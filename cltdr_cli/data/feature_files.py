"""Feature folders as they are published: where a video's file is, and its features on the grid of a preset."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.data.id_matching import guess_ids
from cltdr_cli.errors import CltdrError, FeatureError
from cltdr_cli.features.arrays import READERS, is_feature_file
from cltdr_cli.features.formats import WRITERS
from cltdr_cli.features.sidecar import read_sidecar, sidecar_path
from cltdr_cli.features.store import ExpectedFeatures, check_sidecar, feature_path, load_features
from cltdr_cli.timeline import FeatureSequence


class FeatureFiles(ExpectedFeatures, Protocol):
    """What is known of a folder of features; ``zoo.preset.FeatureConfig`` says it."""

    @property
    def file_prefix(self) -> str:
        """What stands before the video id."""
        ...

    @property
    def file_suffix(self) -> str:
        """What stands after it, extension included."""
        ...

    @property
    def downsample_rate(self) -> int:
        """Only every such step is used."""
        ...

    @property
    def force_upsampling(self) -> bool:
        """Sequences are stretched to one length."""
        ...


def leads_out(video_id: str) -> bool:
    """Whether an id, taken as a path, is absolute or goes up: a file of that name is not in the folder of its kind."""
    either = (PurePosixPath(video_id), PureWindowsPath(video_id))
    return any(path.is_absolute() or bool(path.drive) or ".." in path.parts for path in either)


def check_video_id(folder: Path, video_id: str, error: type[CltdrError]) -> None:
    """Raise an error of that type where the file of a video would lie outside its folder."""
    if leads_out(video_id):
        raise error(
            f"the video id {video_id!r} leads out of the folder {folder}: no file is read there",
            "Ids are names of videos, or of videos in folders (sub/v): correct the annotation.",
        )


def feature_file(folder: Path, video_id: str, files: FeatureFiles) -> Path | None:
    """The feature file of a video: under its published name, with the prefix or without, or under one of ours.

    Raises:
        FeatureError: The id leads out of the folder.
    """
    check_video_id(folder, video_id, FeatureError)
    names = (f"{files.file_prefix}{video_id}{files.file_suffix}", f"{video_id}{files.file_suffix}")
    ours = (feature_path(folder, video_id, name) for name in WRITERS)
    candidates = (*(folder / name for name in names), *ours)
    return next((path for path in candidates if is_feature_file(path)), None)


def guess_files(folder: Path, video_ids: Iterable[str]) -> str:
    """``; did you mean 12 → 0012?`` for ids without a file, where files have similar names; empty where none has."""
    names = [path.stem for path in sorted(folder.glob("*")) if path.suffix.lower() in READERS]
    guesses = guess_ids(video_ids, names)
    return f"; did you mean {guesses}?" if guesses else ""


def check_feature_file(path: Path, video: AnnotatedVideo, files: FeatureFiles) -> None:
    """Find out without reading the features whether they can be used.

    Raises:
        FeatureError: Their sidecar contradicts the preset, or nothing tells the video's rate.
    """
    sidecar = read_sidecar(sidecar_path(path))
    if sidecar is not None:
        check_sidecar(sidecar, files, path)
    elif files.rate is None and video.fps is None:
        raise FeatureError(
            f"{path}: nothing tells the frame rate of {video.video_id}: neither a sidecar nor the annotation",
            'add "fps" to the annotation, or extract the features with cltdr extract-features',
        )


def load_sequence(path: Path, video: AnnotatedVideo, files: FeatureFiles) -> FeatureSequence:
    """The features of an annotated video as stored, with their times.

    The rate is that of the sidecar; else of the preset, where the features were made at a fixed one; else the
    annotation's.

    Raises:
        FeatureError: As ``load_features``.
    """
    has_sidecar = read_sidecar(sidecar_path(path)) is not None
    fps = video.fps if files.rate is None and not has_sidecar else None
    duration = video.duration_seconds if video.duration_seconds is not None or has_sidecar else math.inf
    return load_features(path, files, fps=fps, duration_seconds=duration, video_id=video.video_id)
