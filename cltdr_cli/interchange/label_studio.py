"""Label Studio (JSON export): time line labels of videos, in frames, and labels with start and end in seconds.

Label Studio numbers the frames of a video from 1, and a range holds its first and its last frame: at 25 frames per
second the range 1 to 50 lasts from 0 to 2 s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.interchange.sources import parse_seconds, read_json
from cltdr_cli.interchange.tracks import Found, Interval, ReadSettings, Track, WriteSettings, media_name, media_stem

_TIMELINE = "timelinelabels"
_FROM_NAME, _TO_NAME = "videoLabels", "video"


def read_label_studio(path: Path, settings: ReadSettings) -> Found:
    """Read all tasks. Of a task the annotations that were not cancelled count; the name of the tag is the tier.

    Raises:
        AnnotationError: A task is damaged, or frames are counted and the rate is unknown.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list):
        raise AnnotationError(f"{path}: an export of Label Studio is a list of tasks")
    media: dict[str, str] = {}
    intervals: dict[str, list[Interval]] = {}
    others = 0
    for number, task in enumerate(tasks, 1):
        try:
            address = _find_media(task)
            name = media_stem(address) or settings.video_id
            media.setdefault(name, address)
            for region in _list_regions(task):
                found = list(_read_region(region, settings.fps))
                others += not found
                intervals.setdefault(name, []).extend(found)
        except _RateMissing as error:
            raise AnnotationError(
                f"{path}: Label Studio counts frames, and the frame rate is unknown",
                "Give the video as video=, or its frames per second as fps=.",
            ) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AnnotationError(f"{path}: task {number} cannot be read: {error}") from error
    rate = None if settings.fps is None else float(settings.fps)
    result = Found([Track(name, tuple(intervals.get(name, [])), media[name], fps=rate) for name in media])
    result.note_left_out(others, "regions that are no segments in time")
    return result


class _RateMissing(Exception):
    pass


def _find_media(task: Mapping[str, Any]) -> str:
    """Path or address of a task's video; uploaded files have eight letters and ``-`` before their name."""
    data = task.get("data", task)
    for key in ("video", "video_url", "url", "audio"):
        if isinstance(data.get(key), str):
            return _strip_upload(data[key]) if "/upload/" in data[key] else data[key]
    return _strip_upload(str(task.get("file_upload") or ""))


def _strip_upload(address: str) -> str:
    name = media_name(address)
    prefix, dash, rest = name.partition("-")
    return rest if dash and len(prefix) == 8 and all(c in "0123456789abcdef" for c in prefix) else name


def _list_regions(task: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Tag name and value of each region, of a full export or of the small one (JSON-MIN)."""
    if "data" in task:
        for annotation in task.get("annotations") or task.get("completions") or ():
            if not annotation.get("was_cancelled"):
                for region in annotation["result"]:
                    yield str(region.get("from_name", "")), region["value"]
        return
    for tag, values in task.items():
        if isinstance(values, list):
            yield from ((tag, value) for value in values if isinstance(value, dict))


def _read_region(region: tuple[str, Mapping[str, Any]], fps: Fraction | None) -> Iterator[Interval]:
    tag, value = region
    labels = next((value[key] for key in (_TIMELINE, "labels") if isinstance(value.get(key), list)), [])
    for start, end in _list_spans(value, fps) if labels else ():
        if end < start:
            raise ValueError(f"a region ends at {end:g} s, before it starts at {start:g} s")
        yield from (Interval(start, end, str(label), tag) for label in labels)


def _list_spans(value: Mapping[str, Any], fps: Fraction | None) -> Iterator[tuple[float, float]]:
    if "ranges" in value:
        if fps is None and value["ranges"]:
            raise _RateMissing
        for span in value["ranges"]:
            first, last = (_read_frame(span.get(key), span) for key in ("start", "end"))
            yield float(max(first - 1, 0) / (fps or 1)), float(last / (fps or 1))
    elif "start" in value and "end" in value:
        yield parse_seconds(value["start"]), parse_seconds(value["end"])


def _read_frame(frame: Any, span: Mapping[str, Any]) -> Fraction:
    """A frame number; a range of one frame may lack one of its ends."""
    given = frame if frame is not None else span.get("start") or span.get("end")
    return Fraction(parse_seconds(given))


def write_label_studio(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write tasks with time line labels, to be imported into a project with ``<TimelineLabels name="videoLabels">``.

    Raises:
        UsageError: The frame rate is unknown.
    """
    tasks = [_make_task(track, settings.find_rate(track)) for track in tracks]
    tags = dict.fromkeys(item.tier or _FROM_NAME for track in tracks for item in track.intervals)
    for tag in tags:
        settings.notices.append(f'the project in Label Studio needs <TimelineLabels name="{tag}" toName="{_TO_NAME}">')
    write_text(path, json.dumps(tasks, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _make_task(track: Track, rate: Fraction) -> dict[str, Any]:
    results = [
        {
            "id": f"cltdr{number}",
            "from_name": item.tier or _FROM_NAME,
            "to_name": _TO_NAME,
            "type": _TIMELINE,
            "value": {"ranges": [_make_range(item, rate)], _TIMELINE: [item.label]},
        }
        for number, item in enumerate(track.intervals, 1)
    ]
    return {"data": {"video": track.media or track.video_id}, "annotations": [{"result": results}]}


def _make_range(item: Interval, rate: Fraction) -> dict[str, int]:
    first = max(1, round(Fraction(item.start) * rate) + 1)
    return {"start": first, "end": max(first, round(Fraction(item.end) * rate))}
