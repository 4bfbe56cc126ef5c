"""Durations, frame rates and splits of videos, from published tables, feature sidecars or the videos themselves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, normalize_split
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.source_files import load_json, read_csv_rows, read_numbered_lines
from cltdr_cli.errors import AnnotationError, CltdrError
from cltdr_cli.plain_text import as_utf8
from cltdr_cli.video import open_video
from cltdr_cli.video.named_inputs import FEATURE_SUFFIXES, VIDEO_SUFFIXES

FILE_NAMES = ("video_info_new.csv", "test_video_info.csv", "val_video_info.csv", "EPIC_100_video_info.csv")
"""File names of the tables of BSN (ActivityNet), AFSD (THUMOS14) and EPIC-KITCHENS-100."""


_RATE_TOLERANCE = 1e-3
"""Relative difference of rates that are the same: 29.97 and 30000/1001."""

_USUAL_TOLERANCE = 0.005
"""Relative difference of rates that count as the same for a whole data set: 29.97 and 30."""

_FILE_SUFFIXES = {".npy", ".npz", ".pt", ".pkl", ".h5", ".hdf5", ".zarr", ".mp4", ".avi", ".mkv", ".webm", ".mov"}


class VideoFacts(NamedTuple):
    """Facts about one video; None or empty if unknown."""

    duration_seconds: float | None
    fps: float | None
    split: str = ""


def read_video_info(path: Path) -> dict[str, VideoFacts]:
    """Read a published table of videos; facts by video id.

    A list ``train.split1.bundle`` or ``test.split1.bundle`` (releases of Breakfast, GTEA, 50Salads) tells the split of
    the videos in it.

    Raises:
        AnnotationError: Unknown kind of table, or a cell that should be a number and is not.
    """
    if path.suffix == ".bundle":
        return _read_bundle(path)
    rows = read_csv_rows(path)
    columns = set(rows[0]) if rows else set[str]()
    for needed, facts in _FORMS.items():
        if needed <= columns:
            return _read_facts(path, rows, facts)
    raise AnnotationError(
        f"{path} is not a known table of videos (columns: {', '.join(sorted(columns)) or 'none'})",
        "Known: video_id,duration,fps · video,fps,count · video,numFrame,seconds,fps,subset",
    )


def find_tables_beside(source: Path) -> list[Path]:
    """Find the published tables in the folder of an annotation file, or in and beside an annotation folder."""
    folders = [source, source.parent] if source.is_dir() else [source.parent]
    return [folder / name for folder in folders for name in FILE_NAMES if (folder / name).is_file()]


def add_video_info(annotations: Annotations, tables: Iterable[Path]) -> Annotations:
    """Fill in durations, rates and splits that the annotations lack from tables."""
    facts = {name: fact for table in tables for name, fact in read_video_info(table).items()}
    videos = {name: _complete(video, facts.get(name)) for name, video in annotations.videos.items()}
    return replace(annotations, videos=videos)


def add_rate(annotations: Annotations, fps: float | None) -> Annotations:
    """Fill in the rate of videos whose annotation does not say it.

    Raises:
        AnnotationError: The annotation says another rate.
    """
    if fps is None:
        return annotations
    for video in annotations.videos.values():
        if video.fps is not None and abs(video.fps - fps) > _RATE_TOLERANCE * fps:
            raise AnnotationError(
                f"{annotations.source}: video {video.video_id!r} has {video.fps:g} frames per second, not {fps:g}",
                "Leave out fps=, or correct the annotation.",
            )
    videos = {name: replace(video, fps=video.fps or fps) for name, video in annotations.videos.items()}
    return replace(annotations, videos=videos)


def find_unusual_rates(annotations: Annotations, fps: float | None, name: str) -> list[Finding]:
    """Find videos whose rate is another than that of all videos of their data set; None where it has no one rate."""
    rates = {video.video_id: video.fps for video in annotations.videos.values() if video.fps is not None}
    places = [f"{video}: {rate:g}" for video, rate in rates.items() if fps and abs(rate / fps - 1) > _USUAL_TOLERANCE]
    text = f"videos have another rate than the {fps or 0:g} frames per second of {name}"
    return make_findings("unusual-rate", text, places, "times may be wrong: is it the rate of the videos?")


def read_sidecar_facts(folder: Path, wanted: Collection[str]) -> dict[str, VideoFacts]:
    """Read facts by video id from the sidecars ``<video_id>.json`` of features; unknown for features without one.

    The rate is that of the video. It is unknown if frames were resampled to the extractor's own rate.

    Raises:
        AnnotationError: The folder has no feature file, or a sidecar cannot be read.
    """
    files = {_name_below(path, folder): path for path in _list_files(folder, FEATURE_SUFFIXES, "feature file")}
    cores = {strip_video_id(name) for name in wanted}
    return {
        name: _read_sidecar(path.with_suffix(".json")) for name, path in files.items() if strip_video_id(name) in cores
    }


def read_video_facts(folder: Path, wanted: Collection[str]) -> tuple[dict[str, VideoFacts], dict[str, str]]:
    """Read facts by video id from video files.

    Args:
        folder: The folder of the videos.
        wanted: Video ids; other videos are not opened.

    Returns:
        The facts, and by file name the reasons why videos could not be opened.

    Raises:
        AnnotationError: The folder has no video.
    """
    facts: dict[str, VideoFacts] = {}
    failures: dict[str, str] = {}
    cores = {strip_video_id(name) for name in wanted}
    for path in _list_files(folder, VIDEO_SUFFIXES, "video"):
        name = _name_below(path, folder)
        if strip_video_id(name) not in cores:
            continue
        try:
            reader = open_video(path)
            rate = reader.info.rate
            facts[name] = VideoFacts(reader.info.duration_seconds, None if rate is None else float(rate))
            reader.close()
        except CltdrError as error:
            failures[path.name] = error.message
    return facts, failures


def strip_video_id(video_id: str) -> str:
    """Strip a video id of ActivityNet's prefix ``v_`` and of the suffix of a feature or video file."""
    suffix, name = PurePosixPath(video_id).suffix, as_utf8(video_id)
    stem = name[: -len(suffix)] if suffix in _FILE_SUFFIXES else name
    return stem.removeprefix("v_")


def _complete(video: AnnotatedVideo, facts: VideoFacts | None) -> AnnotatedVideo:
    if facts is None:
        return video
    duration = video.duration_seconds if video.duration_seconds is not None else facts.duration_seconds
    fps = video.fps if video.fps is not None else facts.fps
    return replace(video, duration_seconds=duration, fps=fps, split=video.split or normalize_split(facts.split))


def _read_bundle(path: Path) -> dict[str, VideoFacts]:
    """``<video>.txt``, one a line; the split is the first word of the file's name."""
    split = normalize_split(path.name.partition(".")[0])
    names = [PurePosixPath(line.strip()).name for _, line in read_numbered_lines(path)]
    return {name.removesuffix(".txt"): VideoFacts(None, None, split) for name in names}


def _read_facts(
    path: Path, rows: list[dict[str, str]], facts: Callable[[Mapping[str, str]], VideoFacts]
) -> dict[str, VideoFacts]:
    found: dict[str, VideoFacts] = {}
    for number, row in enumerate(rows, 2):
        try:
            found[row.get("video_id") or row["video"]] = facts(row)
        except (ValueError, ZeroDivisionError) as error:
            raise AnnotationError(f"{path}: line {number}: {error}") from error
    return found


def _read_bsn_row(row: Mapping[str, str]) -> VideoFacts:
    """``rfps`` is the real rate, ``fps`` the rounded one."""
    return VideoFacts(float(row["seconds"]), float(row["rfps"]), row["subset"])


def _read_afsd_row(row: Mapping[str, str]) -> VideoFacts:
    return VideoFacts(float(row["count"]) / float(row["fps"]), float(row["fps"]))


def _read_epic_row(row: Mapping[str, str]) -> VideoFacts:
    return VideoFacts(float(row["duration"]), float(row["fps"]))


def _list_files(folder: Path, suffixes: frozenset[str], what: str) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not found:
        raise AnnotationError(f"{folder} holds no {what}", "Is it the right folder?")
    return found


def _name_below(path: Path, folder: Path) -> str:
    """The id that a file stands for: its name without suffix, after the folders in which it lies (``sub/v``)."""
    return as_utf8(path.relative_to(folder).with_suffix("").as_posix())


def _read_sidecar(path: Path) -> VideoFacts:
    if not path.is_file():
        return VideoFacts(None, None)
    record = load_json(path)
    try:
        fps = None if record.get("requested_fps") else float(record["fps"])
        return VideoFacts(float(record["duration"]), fps)
    except (KeyError, TypeError, ValueError) as error:
        raise AnnotationError(f"{path} is not the sidecar of a feature file: {error!r}") from error


_FORMS: dict[frozenset[str], Callable[[Mapping[str, str]], VideoFacts]] = {
    frozenset({"video", "seconds", "rfps", "subset"}): _read_bsn_row,
    frozenset({"video", "fps", "count"}): _read_afsd_row,
    frozenset({"video_id", "duration", "fps"}): _read_epic_row,
}
