"""ELAN (``.eaf``): XML with tiers of annotations, times in whole milliseconds.

The form is that of the published schema EAF v3.0 and of the example files of ELAN. The well-known reader pympi
parses with ElementTree, which expands the entities that a file defines, and tells no line numbers; so this is our own.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from urllib.parse import quote

from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.interchange.sources import Element, read_xml
from cltdr_cli.interchange.tracks import (
    Found,
    Interval,
    ReadSettings,
    Track,
    WriteSettings,
    lay_out_tiers,
    media_stem,
    to_milliseconds,
    without_negative_times,
)
from cltdr_cli.interchange.xml_text import escape_xml, quote_xml

ROOT = "ANNOTATION_DOCUMENT"
_DEFAULT_TIER = "actions"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"

Span = tuple[float, float]


def read_elan(path: Path, settings: ReadSettings) -> Found:
    """Read all tiers; annotations that refer to others (symbolic tiers) have the times of those.

    An annotation without text is called after its tier. A time slot without a time lies between its neighbours, as
    ELAN shows it: in even steps.

    Raises:
        AnnotationError: The file is damaged; the message names the line.
    """
    root = read_xml(path)
    if root.tag != ROOT:
        raise AnnotationError(f"{path}: line {root.line}: an ELAN file begins with {ROOT}, not with {root.tag}")
    units = next((header.attributes.get("TIME_UNITS", "milliseconds") for header in root.find_all("HEADER")), "")
    if units not in ("", "milliseconds"):
        raise AnnotationError(f"{path}: its times are in {units}; only files in milliseconds can be read")
    reader = _ElanReader(path, root)
    media = next((e.attributes.get("MEDIA_URL", "") for e in root.descend("MEDIA_DESCRIPTOR")), "")
    track = Track(media_stem(media) or settings.video_id, tuple(reader.list_intervals()), media)
    return Found([track])


class _ElanReader:
    def __init__(self, path: Path, root: Element) -> None:
        self._path, self._tiers = path, root.find_all("TIER")
        self._slots = self._read_slots(root)
        self._by_id: dict[str, Element] = {}
        for tier in self._tiers:
            for item in _list_annotations(tier):
                self._by_id[self._get(item, "ANNOTATION_ID")] = item
        self._siblings = self._find_siblings()

    def list_intervals(self) -> Iterator[Interval]:
        for tier in self._tiers:
            name = self._get(tier, "TIER_ID")
            for item in _list_annotations(tier):
                start, end = self._find_span(item)
                text = " ".join("".join(v.text for v in item.find_all("ANNOTATION_VALUE")).split())
                yield Interval(start, end, text or name, name)

    def _find_span(self, item: Element) -> Span:
        """Seconds of an annotation; of one that refers to another, its share of the other's."""
        shares: list[tuple[int, int]] = []
        seen: set[int] = set()
        while item.tag == "REF_ANNOTATION":
            if id(item) in seen:
                raise self._fail(item, "the annotation refers to itself in a circle")
            seen.add(id(item))
            shares.append(self._siblings.get(self._get(item, "ANNOTATION_ID"), (0, 1)))
            reference = self._get(item, "ANNOTATION_REF")
            if reference not in self._by_id:
                raise self._fail(item, f"there is no annotation {reference!r} that this one refers to")
            item = self._by_id[reference]
        start, end = (self._find_time(item, name) for name in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"))
        if end < start:
            raise self._fail(item, f"the annotation ends at {end:g} s, before it starts at {start:g} s")
        for place, count in reversed(shares):
            step = (end - start) / count
            start, end = start + place * step, start + (place + 1) * step
        return start, end

    def _find_siblings(self) -> dict[str, tuple[int, int]]:
        """Place and count of each annotation that follows another under the same parent (symbolic subdivision)."""
        found: dict[str, tuple[int, int]] = {}
        for tier in self._tiers:
            by_parent: dict[str, list[str]] = {}
            for item in _list_annotations(tier):
                if item.tag == "REF_ANNOTATION":
                    by_parent.setdefault(self._get(item, "ANNOTATION_REF"), []).append(item.attributes["ANNOTATION_ID"])
            for names in by_parent.values():
                found |= {name: (place, len(names)) for place, name in enumerate(names)}
        return found

    def _find_time(self, item: Element, attribute: str) -> float:
        slot = self._get(item, attribute)
        if slot not in self._slots:
            raise self._fail(item, f"there is no time slot {slot!r}")
        return self._slots[slot] / 1000

    def _read_slots(self, root: Element) -> dict[str, float]:
        """Milliseconds by the id of the time slot; those without a time in even steps between their neighbours."""
        names: list[str] = []
        times: list[int | None] = []
        for slot in root.descend("TIME_SLOT"):
            names.append(self._get(slot, "TIME_SLOT_ID"))
            value = slot.attributes.get("TIME_VALUE")
            if value is not None and not value.strip().isdecimal():
                raise self._fail(slot, f"the time {value!r} is not a whole number of milliseconds")
            times.append(None if value is None else int(value))
        return dict(zip(names, _fill_gaps(times), strict=True))

    def _get(self, element: Element, name: str) -> str:
        if name not in element.attributes:
            raise self._fail(element, f"{element.tag} has no {name}")
        return element.attributes[name]

    def _fail(self, element: Element, reason: str) -> AnnotationError:
        return AnnotationError(f"{self._path}: line {element.line}: {reason}")


def _list_annotations(tier: Element) -> list[Element]:
    return [item for holder in tier.find_all("ANNOTATION") for item in holder.children]


def _fill_gaps(times: list[int | None]) -> list[float]:
    filled: list[float] = []
    known = [(place, time) for place, time in enumerate(times) if time is not None]
    following = iter(known)
    after = next(following, None)
    before: tuple[int, int] | None = None
    for place, time in enumerate(times):
        if time is not None:
            before, after = (place, time), next(following, None)
            filled.append(float(time))
        elif before is None or after is None:
            filled.append(float((before or after or (0, 0))[1]))
        else:
            part = (place - before[0]) / (after[0] - before[0])
            filled.append(before[1] + part * (after[1] - before[1]))
    return filled


def write_elan(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video; what overlaps within a tier goes into a further tier. A point lasts 1 ms: ELAN knows none."""
    (track,) = map(without_negative_times, tracks)
    slots: list[int] = []
    numbers = iter(range(1, len(track.intervals) + 1))
    points = 0
    tiers: list[str] = []
    for name, items in lay_out_tiers(track.intervals, _DEFAULT_TIER).items():
        lines: list[str] = []
        for item in items:
            start, end = to_milliseconds(item.start), to_milliseconds(item.end)
            points += end == start
            slots += [start, max(start + 1, end)]
            lines += _make_annotation(next(numbers), len(slots), item.label)
        tiers += [f'    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID={quote_xml(name)}>', *lines, "    </TIER>"]
    if points:
        settings.notices.append(f"{points} points in time last 1 ms in ELAN, which knows no points")
    write_text(path, "\n".join([*_make_head(track, slots, len(track.intervals)), *tiers, *_TAIL]) + "\n")


def _make_head(track: Track, slots: list[int], count: int) -> list[str]:
    media: list[str] = []
    if track.media:
        kind = mimetypes.guess_type(track.file_name)[0] or "video/mp4"
        url = track.media if "://" in track.media else _make_url(track.media)
        relative = f"./{track.file_name}"
        media = [
            f'        <MEDIA_DESCRIPTOR MEDIA_URL={quote_xml(url)} MIME_TYPE="{kind}" '
            f"RELATIVE_MEDIA_URL={quote_xml(relative)}/>"
        ]
    return [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<{ROOT} AUTHOR="cltdr" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{_SCHEMA}">',
        '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
        *media,
        f'        <PROPERTY NAME="lastUsedAnnotationId">{count}</PROPERTY>',
        "    </HEADER>",
        "    <TIME_ORDER>",
        *(f'        <TIME_SLOT TIME_SLOT_ID="ts{n}" TIME_VALUE="{time}"/>' for n, time in _in_order(slots)),
        "    </TIME_ORDER>",
    ]


def _make_url(path: str) -> str:
    """``file:`` address of a path; a relative one stays relative, so the file tells nothing of this machine."""
    if PureWindowsPath(path).drive:
        return "file:///" + quote(path.replace("\\", "/"), safe="/:", errors="surrogateescape")
    return "file://" + quote(path, errors="surrogateescape") if path.startswith("/") else path


def _in_order(slots: list[int]) -> list[tuple[int, int]]:
    """Numbers and times of the slots, by time: the schema wants TIME_ORDER in order."""
    return sorted(enumerate(slots, 1), key=lambda slot: slot[1])


def _make_annotation(number: int, last_slot: int, label: str) -> list[str]:
    return [
        "        <ANNOTATION>",
        f'            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" TIME_SLOT_REF1="ts{last_slot - 1}" '
        f'TIME_SLOT_REF2="ts{last_slot}">',
        f"                <ANNOTATION_VALUE>{escape_xml(label)}</ANNOTATION_VALUE>",
        "            </ALIGNABLE_ANNOTATION>",
        "        </ANNOTATION>",
    ]


_TAIL = (
    '    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>',
    f"</{ROOT}>",
)
