"""Frame rates and durations as files have them: sidecars of features, headers of videos."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cltdr_cli.data.annotation_json import load_json
from cltdr_cli.data.video_ids import core_id
from cltdr_cli.data.video_info import VideoFacts
from cltdr_cli.errors import AnnotationError, CltdrError
from cltdr_cli.video import open_video
from cltdr_cli.video.inputs import FEATURE_SUFFIXES, VIDEO_SUFFIXES


def facts_of_features(folder: Path) -> dict[str, VideoFacts]:
    """What the sidecars ``<video_id>.json`` say, by video id; nothing for features without one.

    The rate is that of the video: of one that was resampled to the extractor's own it is not known.

    Raises:
        AnnotationError: No such folder, no feature file in it, or a sidecar that does not read.
    """
    files = _files(folder, FEATURE_SUFFIXES, "feature file")
    return {path.stem: _sidecar(path.with_suffix(".json")) for path in files}


def facts_of_videos(folder: Path, wanted: Collection[str]) -> tuple[dict[str, VideoFacts], dict[str, str]]:
    """What the videos' streams say, by video id, and why some could not be opened.

    Args:
        folder: Where the videos are.
        wanted: Video ids; other videos stay closed.

    Raises:
        AnnotationError: No such folder, or no video in it.
    """
    facts: dict[str, VideoFacts] = {}
    failures: dict[str, str] = {}
    cores = {core_id(name) for name in wanted}
    for path in _files(folder, VIDEO_SUFFIXES, "video"):
        if core_id(path.name) not in cores:
            continue
        try:
            reader = open_video(path)
            rate = reader.info.rate
            facts[path.stem] = VideoFacts(reader.info.duration_seconds, None if rate is None else float(rate))
            reader.close()
        except CltdrError as error:
            failures[path.name] = error.message
    return facts, failures


def _files(folder: Path, suffixes: frozenset[str], what: str) -> list[Path]:
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in suffixes)
    if not found:
        raise AnnotationError(f"{folder}: no {what} there", "Is it the right folder?")
    return found


def _sidecar(path: Path) -> VideoFacts:
    if not path.is_file():
        return VideoFacts(None, None)
    record = load_json(path)
    try:
        fps = None if record.get("requested_fps") else float(record["fps"])
        return VideoFacts(float(record["duration"]), fps)
    except (KeyError, TypeError, ValueError) as error:
        raise AnnotationError(f"{path} is no sidecar of features: {error!r}") from error
