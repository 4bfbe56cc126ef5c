"""The formats by name: what recognises, reads and writes each."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import AnnotationError
from cltdr_cli.interchange.anvil import is_anvil, read_anvil, write_anvil
from cltdr_cli.interchange.audacity import is_label_line, read_audacity, write_audacity
from cltdr_cli.interchange.boris import is_header, read_boris, write_boris
from cltdr_cli.interchange.boris_project import is_project
from cltdr_cli.interchange.captions import write_srt, write_vtt
from cltdr_cli.interchange.chapters import write_ffmetadata, write_youtube
from cltdr_cli.interchange.editors import write_edl, write_otio
from cltdr_cli.interchange.elan import ROOT, read_elan, write_elan
from cltdr_cli.interchange.fiftyone import write_fiftyone
from cltdr_cli.interchange.label_studio import read_label_studio, write_label_studio
from cltdr_cli.interchange.our_layouts import write_activitynet, write_csv, write_parquet_table
from cltdr_cli.interchange.sources import decode_text, open_plain
from cltdr_cli.interchange.textgrid import read_textgrid, write_textgrid
from cltdr_cli.interchange.tracks import Found, ReadSettings, Track, WriteSettings, check_writable
from cltdr_cli.interchange.via import CSV_MARK, read_via, write_via

_HEAD_BYTES = 1 << 16
_SAMPLED_LINES = 40


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        suffix: That its files usually have.
        title: What it is, in a few words.
        write: Writes tracks into a file.
        read: Reads a file; None for formats that are only written, or read elsewhere (our own layouts).
        is_like: Whether the beginning of a text is one of this format; None for formats that are only written.
        holds_many: Whether a file holds several videos.
        is_data: Whether programs read it: detections of any score are written. Formats that people look at hold those
            from the ``display_score`` on.
    """

    suffix: str
    title: str
    write: Callable[[list[Track], Path, WriteSettings], None]
    read: Callable[[Path, ReadSettings], Found] | None = None
    is_like: Callable[[str], bool] | None = None
    holds_many: bool = False
    is_data: bool = False


def _is_elan(head: str) -> bool:
    return f"<{ROOT}" in head


def _is_textgrid(head: str) -> bool:
    return bool(re.match(r'\s*(File type\s*=\s*)?"ooTextFile[^"]*"\s*(Object class\s*=\s*)?"TextGrid"', head))


def _is_via(head: str) -> bool:
    begins_as_project = head.lstrip().startswith("{") and '"project"' in head and '"vid_list"' in head
    return begins_as_project or any(line.startswith(CSV_MARK) for line in head.split("\n"))


def _is_label_studio(head: str) -> bool:
    marks = ('"annotations"', '"completions"', '"timelinelabels"', '"ranges"')
    return bool(re.match(r"\s*\[\s*\{", head)) and any(mark in head for mark in marks)


def _is_boris(head: str) -> bool:
    lines = head.split("\n")[:_SAMPLED_LINES]
    return is_project(head) or any(is_header(cells) for mark in ",\t;" for cells in csv.reader(lines, delimiter=mark))


def _is_audacity(head: str) -> bool:
    lines = [line for line in head.split("\n")[:_SAMPLED_LINES] if line.strip() and not line.startswith("\\\t")]
    return bool(lines) and all(map(is_label_line, lines[: max(1, len(lines) - 1)]))


FORMATS: dict[str, Format] = {
    "activitynet": Format(".json", "ActivityNet JSON", write_activitynet, holds_many=True, is_data=True),
    "csv": Format(".csv", "our CSV", write_csv, holds_many=True, is_data=True),
    "parquet": Format(".parquet", "our CSV as Parquet", write_parquet_table, holds_many=True, is_data=True),
    "elan": Format(".eaf", "ELAN", write_elan, read_elan, _is_elan),
    "anvil": Format(".anvil", "Anvil", write_anvil, read_anvil, is_anvil),
    "boris": Format(".tsv", "BORIS events", write_boris, read_boris, _is_boris, holds_many=True),
    "via": Format(".json", "VGG Image Annotator 3", write_via, read_via, _is_via, holds_many=True),
    "label-studio": Format(
        ".json", "Label Studio", write_label_studio, read_label_studio, _is_label_studio, holds_many=True
    ),
    "audacity": Format(".txt", "Audacity labels", write_audacity, read_audacity, _is_audacity),
    "textgrid": Format(".TextGrid", "Praat TextGrid", write_textgrid, read_textgrid, _is_textgrid),
    "edl": Format(".edl", "CMX 3600 edit list", write_edl),
    "otio": Format(".otio", "OpenTimelineIO", write_otio),
    "ffmetadata": Format(".ffmetadata", "FFmpeg chapters", write_ffmetadata),
    "youtube": Format(".txt", "YouTube chapters", write_youtube),
    "srt": Format(".srt", "SubRip subtitles", write_srt),
    "vtt": Format(".vtt", "WebVTT subtitles", write_vtt),
    "fiftyone": Format(".json", "FiftyOne temporal detections", write_fiftyone, holds_many=True, is_data=True),
}
"""Every format."""

READABLE = tuple(name for name, item in FORMATS.items() if item.read is not None)
"""The formats of other tools that are also read."""

_OUR_COLUMNS = {"video_id", "start", "end", "label"}
_SUFFIXES = {".anvil": "anvil", ".boris": "boris", ".eaf": "elan", ".textgrid": "textgrid"}
"""Suffixes that mean one format, so that a damaged file is read as that and its damage named."""


def recognise_format(path: Path) -> str | None:
    """Name of a file's format by its content; None for none of ``READABLE``.

    Raises:
        AnnotationError: It is unreadable, in a related form that cannot be read, or could be two formats.
    """
    head = _read_head(path)
    if head is None:
        return _SUFFIXES.get(path.suffix.lower())
    _refuse_relatives(path, head)
    alike = [name for name, item in FORMATS.items() if item.is_like is not None and item.is_like(head)]
    if "boris" in alike and set(head.split("\n", 1)[0].split(",")) >= _OUR_COLUMNS:
        alike.append("csv")
    if len(alike) > 1:
        raise AnnotationError(
            f"{path} could be read as {' or as '.join(alike)}", "Say which it is: from_format= and its name."
        )
    return alike[0] if alike else _SUFFIXES.get(path.suffix.lower())


def _read_head(path: Path) -> str | None:
    try:
        with open_plain(path) as file:
            data = file.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if data.startswith(b"ooBinaryFile"):
        raise AnnotationError(
            f"{path} is a TextGrid in Praat's binary form", "Save it in Praat with Save as text file."
        )
    for shorter in range(4):  # the last character may be cut
        try:
            return decode_text(data[: len(data) - shorter])
        except UnicodeDecodeError:
            continue
    return None


def _refuse_relatives(path: Path, head: str) -> None:
    start = head.lstrip()[:2000]
    if start.startswith("{") and '"_via_settings"' in head:
        raise AnnotationError(
            f"{path} is a project of VIA 2, which annotates images", "Videos are annotated with VIA 3."
        )


def write_tracks(name: str, tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write tracks in one of ``FORMATS``, atomically.

    Raises:
        OutputError: The file cannot be written, or the format cannot hold the times.
        UsageError: Something is missing that the format needs: a frame rate, or a library.
    """
    check_writable(tracks)
    FORMATS[name].write(tracks, path, settings)
