"""Reads labelled segments from any file: annotations, detections, and files of other people's tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from cltdr_cli.data.annotation_csv import read_annotation_csv
from cltdr_cli.data.annotation_json import read_annotation_json
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import AnnotatedVideo, Annotations
from cltdr_cli.data.id_matching import guess_id
from cltdr_cli.data.prediction_files import ResultRows, read_predictions
from cltdr_cli.data.reviewed import is_reviewed
from cltdr_cli.data.source_files import load_json
from cltdr_cli.data.tables import read_headings
from cltdr_cli.data.video_info import strip_video_id
from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.interchange import READABLE, Interval, Track, read_tracks, recognise_format
from cltdr_cli.interchange.reading import (
    apply_tier_rules,
    list_annotation_files,
    merge_found,
    parse_tier_rules,
)
from cltdr_cli.interchange.tracks import Found, to_rate
from cltdr_cli.parquet_files import is_parquet
from cltdr_cli.plain_text import as_utf8
from cltdr_cli.video import open_video
from cltdr_cli.video.frames import VideoInfo

_OUR_READERS: dict[str, Callable[[Path], Annotations]] = {
    "activitynet": read_annotation_json,
    "csv": read_annotation_csv,
    "parquet": read_annotation_csv,
}
OUR_FORMATS = tuple(_OUR_READERS)


def read_labelled(
    source: Path,
    format_name: str | None = None,
    video: Path | None = None,
    fps: float | None = None,
    tiers: Sequence[str] = (),
) -> Found:
    """Read labelled segments.

    Args:
        source: A file, or a folder of files of annotation tools.
        format_name: One of ``READABLE`` or ``OUR_FORMATS``; None tells it from the content.
        video: The video that the file is about: its rate and duration count, and its name where the file has none.
        fps: Frames per second, before what file and video say.
        tiers: Words ``NAME`` or ``NAME=LABEL``: only these tiers, and how their segments are called.

    Raises:
        AnnotationError: The file is damaged or in no known format.
        UsageError: The arguments contradict each other or the file.
        VideoError: The video cannot be opened.
    """
    if not source.exists():
        raise AnnotationError(f"{source}: no such file or folder", "Check the spelling.")
    if format_name is not None and format_name not in (*READABLE, *OUR_FORMATS):
        raise UsageError(
            f"There is no format {format_name!r} to read.", f"Read are: {', '.join((*OUR_FORMATS, *READABLE))}."
        )
    info = None if video is None else _read_info(video)
    rate = to_rate(fps) if fps else (info.rate if info else None)
    found = _read(source, format_name, video, rate)
    found.tracks = apply_tier_rules(found.tracks, parse_tier_rules(tiers), source)
    if info is not None:
        found.tracks = [_add_video(_find_only_track(found.tracks, info.path, source), info)]
    if fps:
        found.tracks = [replace(track, fps=fps) for track in found.tracks]
    return found


def find_track(tracks: Sequence[Track], video: Path, source: Path) -> Track:
    """The track of a video: the one with its name, or the only one there is.

    Raises:
        AnnotationError: There are several, and none has the video's name.
    """
    return _find_only_track(tracks, video, source)


def _find_only_track(tracks: Sequence[Track], video: Path, source: Path) -> Track:
    name = strip_video_id(video.name)
    named = [track for track in tracks if strip_video_id(track.video_id) == name]
    if len(named) != 1:
        path = video.absolute().with_suffix("").as_posix()
        inside = [track for track in tracks if path.endswith(f"/{track.video_id}")]
        named = sorted(inside, key=lambda track: len(track.video_id))[-1:] or named
    if len(named) == 1 or len(tracks) == 1:
        return (named or list(tracks))[0]
    guess = guess_id(video.stem, [track.video_id for track in tracks])
    shown = ", ".join(track.video_id for track in tracks[:5]) + (", …" if len(tracks) > 5 else "")
    raise AnnotationError(
        f"{source} has segments of {len(tracks)} videos, and none of them is {video.stem!r}",
        f"{f'Did you mean {guess}? ' if guess else ''}It has: {shown or 'none'}. "
        f"Rename the video, or name the file of the right one.",
    )


def _read(source: Path, format_name: str | None, video: Path | None, rate: Fraction | None) -> Found:
    if source.is_dir() and (files := list_annotation_files(source)):
        return merge_found([(path, _read(path, format_name, None, rate)) for path in files], source)
    name = format_name or (recognise_format(source) if source.is_file() else None)
    if name in READABLE:
        return read_tracks(source, str(name), None if video is None else as_utf8(video.stem), rate)
    return _read_ours(source, name, None if rate is None else float(rate))


def _read_ours(source: Path, format_name: str | None, fps: float | None) -> Found:
    """Annotations, or else detections: whichever the file holds."""
    if source.is_file() and _holds_detections(source):
        least = _read_display_score(source)
        return Found([replace(track, display_score=least) for track in _list_detected(read_predictions(source))])
    if source.is_file() and format_name in _OUR_READERS:
        videos = _OUR_READERS[format_name](source).videos.values()
    else:
        # Only folders of one label per frame need a rate; the others hold seconds, whatever their video's rate.
        videos = read_annotations(source, fps=fps if source.is_dir() else None).videos.values()
    found = Found([_make_track(video) for video in videos])
    found.note_left_out(sum(bool(v.labels or v.untimed) for v in videos), "videos' labels without times")
    return found


def _holds_detections(source: Path) -> bool:
    """Whether a file of ours holds detections: results in JSON, or a table with scores."""
    suffix = source.suffix.lower()
    if suffix == ".json":
        content = load_json(source)
        return isinstance(content, dict) and "results" in content
    return (suffix == ".csv" or is_parquet(source)) and "score" in read_headings(source)


def _read_display_score(source: Path) -> float | None:
    """The display score that results in JSON state; None where a person chose the segments, or in a table."""
    if source.suffix.lower() != ".json":
        return None
    content = load_json(source)
    external = None if is_reviewed(content) else content.get("external_data")
    stated = external.get("display_score") if isinstance(external, dict) else None
    return float(stated) if isinstance(stated, int | float) else None


def _make_track(video: AnnotatedVideo) -> Track:
    intervals = tuple(Interval(i.start, i.end, i.label, label_id=i.label_id) for i in video.instances)
    return Track(video.video_id, intervals, "", video.duration_seconds, video.fps, video.split)


def _list_detected(rows: ResultRows) -> list[Track]:
    intervals: dict[int, list[Interval]] = {place: [] for place in range(len(rows.video_ids))}
    table = zip(
        rows.videos.tolist(), rows.labels.tolist(), rows.segments_seconds.tolist(), rows.scores.tolist(), strict=True
    )
    for place, label, (start, end), score in table:
        key = rows.label_keys[label]
        name = key.name if key.name is not None else str(key.number)
        intervals[place].append(Interval(start, end, name, score=score, label_id=key.number))
    return [Track(name, tuple(intervals[place])) for place, name in enumerate(rows.video_ids)]


def _read_info(video: Path) -> VideoInfo:
    reader = open_video(video, "pyav")
    try:
        return reader.info
    finally:
        reader.close()


def _add_video(track: Track, info: VideoInfo) -> Track:
    rate = track.fps if info.rate is None else float(info.rate)
    return replace(track, media=str(info.path), duration_seconds=info.duration_seconds, fps=rate)
