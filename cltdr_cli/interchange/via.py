"""VGG Image Annotator 3 (VIA): project files (JSON) and its exported tables (CSV), times in seconds.

The form is that of VIA 3.0.x. A video is a file of the project; an attribute is a tier, and its value the label.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.interchange.sources import parse_seconds, read_json, read_text
from cltdr_cli.interchange.tracks import Found, Interval, ReadSettings, Track, WriteSettings, media_stem

CSV_MARK = "# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata"
_DEFAULT_ATTRIBUTE = "action"
_VIDEO = 4
_CHOSEN_BY_USER, _AT_ADDRESS, _AT_PATH = 1, 2, 3
"""VIA's numbers: the type of a video file, and where a file is found."""

_TEXT, _CHECKBOX = 1, 2
"""VIA's numbers of the types of attributes; the others (radio, select) choose one option."""


def read_via(path: Path, settings: ReadSettings) -> Found:
    """Read a project or an exported table.

    What belongs to the whole file, and regions in a single frame, are no segments and are left out with a notice.

    Raises:
        AnnotationError: Something is damaged; the message names the line or the entry.
    """
    text = read_text(path)
    return _read_csv(path, text) if text.lstrip().startswith("#") else _read_project(path)


def _read_project(path: Path) -> Found:
    project = read_json(path)
    found = _Draft(path)
    try:
        attributes, files = project["attribute"], project["file"]
        for view in project["view"].values():
            found.add_video(_media(files, view))
        for name, entry in project["metadata"].items():
            media = _media(files, project["view"][entry["vid"]])
            found.add(f"entry {name!r}", media, entry["z"], entry.get("xy", []), entry["av"], attributes)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise AnnotationError(f"{path} is damaged as a VIA 3 project: {type(error).__name__}: {error}") from error
    return found.finish()


def _media(files: Mapping[str, Any], view: Mapping[str, Any]) -> str:
    file = files[str(view["fid_list"][0])]
    source = str(file.get("src") or "")
    return source if source and not source.startswith(("blob:", "data:")) else str(file["fname"])


def _read_csv(path: Path, text: str) -> Found:
    lines = text.split("\n")
    attributes = _read_attributes(path, lines)
    found = _Draft(path)
    first = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    reader = csv.reader(io.StringIO("\n".join(lines[first:])), strict=True)
    while True:
        place = f"line {first + reader.line_num + 1}"
        try:
            cells = next(reader)
            if any(cells):
                files, times, region, values = (json.loads(cells[n]) for n in (1, 3, 4, 5))
                found.add(place, str(files[0]), times, region, values, attributes)
        except StopIteration:
            return found.finish()
        except (csv.Error, ValueError, IndexError, TypeError, AttributeError, KeyError) as error:
            raise AnnotationError(f"{path}: {place} is damaged as a row of VIA 3: {error}") from error


def _read_attributes(path: Path, lines: Sequence[str]) -> Mapping[str, Any]:
    for number, line in enumerate(lines, 1):
        if match := re.match(r"#\s*ATTRIBUTES? = (.*)", line):
            try:
                found = json.loads(match[1])
                return {key: value if isinstance(value, dict) else {"aname": value} for key, value in found.items()}
            except (ValueError, AttributeError) as error:
                raise AnnotationError(f"{path}: line {number}: the attributes are damaged: {error}") from error
    return {}


class _Draft:
    """Videos while they are being read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._media: dict[str, str] = {}
        self._intervals: dict[str, list[Interval]] = {}
        self._wholes = self._regions = self._empty = 0

    def add_video(self, media: str) -> str:
        name = media_stem(media)
        self._media.setdefault(name, media)
        self._intervals.setdefault(name, [])
        return name

    def add(
        self, place: str, media: str, times: Any, region: Any, values: Mapping[str, Any], attributes: Mapping[str, Any]
    ) -> None:
        name = self.add_video(media)
        if not times:
            self._wholes += 1
            return
        if region:
            self._regions += 1
            return
        try:
            start, end = (parse_seconds(t) for t in (times[0], times[-1]))
        except ValueError as error:
            raise AnnotationError(f"{self._path}: {place}: {error}") from error
        if len(times) > 2 or end < start:
            raise AnnotationError(f"{self._path}: {place}: {times} is no segment [start, end]")
        labels = list(_list_labels(values, attributes))
        self._empty += not labels
        self._intervals[name] += [Interval(start, end, label, tier) for tier, label in labels]

    def finish(self) -> Found:
        tracks = [Track(name, tuple(self._intervals[name]), media) for name, media in self._media.items()]
        found = Found(tracks)
        found.note_left_out(self._wholes, "annotations of whole files")
        found.note_left_out(self._regions, "regions in single frames")
        found.note_left_out(self._empty, "segments without a value")
        return found


def _list_labels(values: Mapping[str, Any], attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Attribute and label of each value; a checkbox may hold several, a chosen option is a key of its names."""
    for key, value in values.items():
        attribute = attributes.get(key) or {}
        options = attribute.get("options") or {}
        chosen = str(value).split(",") if attribute.get("type") == _CHECKBOX else [str(value)]
        is_text = attribute.get("type", _TEXT) == _TEXT
        for word in chosen:
            label = word if is_text else str(options.get(word, word))
            if label := " ".join(label.split()):
                yield str(attribute.get("aname") or ""), label


def write_via(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write a project that VIA 3 opens, or where the file is called ``.csv`` a table in the form of its export."""
    tiers = dict.fromkeys(item.tier or _DEFAULT_ATTRIBUTE for track in tracks for item in track.intervals)
    attributes = {
        str(number): _make_attribute(tier, tracks) for number, tier in enumerate(tiers or {_DEFAULT_ATTRIBUTE: None}, 1)
    }
    if path.suffix.lower() == ".csv":
        write_text(path, _make_csv(tracks, attributes))
    else:
        text = json.dumps(_make_project(tracks, attributes), ensure_ascii=False, allow_nan=False)
        write_text(path, text + "\n")


def _make_attribute(tier: str, tracks: list[Track]) -> dict[str, Any]:
    labels = dict.fromkeys(i.label for t in tracks for i in t.intervals if (i.tier or _DEFAULT_ATTRIBUTE) == tier)
    options = {str(number): label for number, label in enumerate(labels)}
    return {
        "aname": tier, "anchor_id": "FILE1_Z2_XY0", "type": 4, "desc": "", "options": options, "default_option_id": "",
    }  # fmt: skip


def _list_entries(tracks: list[Track], attributes: dict[str, Any]) -> Iterator[tuple[str, int, Interval, str, str]]:
    """Id, video, interval, attribute and option of every entry."""
    keys = {value["aname"]: key for key, value in attributes.items()}
    options = {key: {label: n for n, label in value["options"].items()} for key, value in attributes.items()}
    for video, track in enumerate(tracks, 1):
        for number, item in enumerate(track.intervals):
            key = keys[item.tier or _DEFAULT_ATTRIBUTE]
            yield f"{video}_{number:08}", video, item, key, options[key][item.label]


def _times(item: Interval) -> list[float]:
    """VIA keeps five digits; milliseconds survive, and so do all frames."""
    return [round(item.start, 5), round(item.end, 5)]


def _make_project(tracks: list[Track], attributes: dict[str, Any]) -> dict[str, Any]:
    ids = [str(number) for number in range(1, len(tracks) + 1)]
    return {
        "project": {
            "pid": "__VIA_PROJECT_ID__", "rev": "__VIA_PROJECT_REV_ID__",
            "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__", "pname": "cltdr", "creator": "cltdr", "created": 0,
            "vid_list": ids,
        },
        "config": {
            "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
            "ui": {
                "file_content_align": "center", "file_metadata_editor_visible": True,
                "spatial_metadata_editor_visible": False, "temporal_segment_metadata_editor_visible": True,
                "spatial_region_label_attribute_id": "", "gtimeline_visible_row_count": "4",
            },
        },
        "attribute": attributes,
        "file": {number: _make_file(number, track) for number, track in zip(ids, tracks, strict=True)},
        "metadata": {
            name: {"vid": str(video), "flg": 0, "z": _times(item), "xy": [], "av": {key: option}}
            for name, video, item, key, option in _list_entries(tracks, attributes)
        },
        "view": {number: {"fid_list": [number]} for number in ids},
    }  # fmt: skip


def _make_file(number: str, track: Track) -> dict[str, Any]:
    where = _AT_ADDRESS if "://" in track.media else _AT_PATH if track.media else _CHOSEN_BY_USER
    return {"fid": number, "fname": track.file_name, "type": _VIDEO, "loc": where, "src": track.media}


def _make_csv(tracks: list[Track], attributes: dict[str, Any]) -> str:
    text = io.StringIO()
    text.write("# Exported using VGG Image Annotator form by cltdr\n# SHAPE_ID = {}\n# FLAG_ID = {}\n")
    text.write(f"# ATTRIBUTE = {json.dumps(attributes)}\n{CSV_MARK}\n")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for name, video, item, key, option in _list_entries(tracks, attributes):
        cells = ([tracks[video - 1].media or tracks[video - 1].video_id], 0, _times(item), [], {key: option})
        writer.writerow([name, *map(json.dumps, cells)])
    return text.getvalue()
