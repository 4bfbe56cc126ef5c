"""Anvil (``.anvil``): XML with tracks of elements, times in seconds.

An annotation file names a file of specifications, which says what tracks there are; Anvil opens none without it. The
form is that of Anvil's user guide and of public readers of it (docs/annotation-formats.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.interchange.sources import Element, parse_seconds, read_xml
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
from cltdr_cli.plain_text import as_utf8

ROOT = "annotation"
SPECIFICATION_SUFFIX = "-spec.xml"
"""What the name of a written annotation gets for its specifications: ``kitchen.anvil-spec.xml``."""

_DEFAULT_TRACK = "actions"
_ATTRIBUTE = "label"
_MOST_REFERENCES = 64
_HEAD = re.compile(r"<annotation\s*>\s*(<!--.*?-->\s*)*<(head|body)\b", re.DOTALL)

Span = tuple[float, float]


def is_anvil(head: str) -> bool:
    """Whether the beginning of a text is an annotation of Anvil; other programs call their root so, too."""
    return bool(_HEAD.search(head))


def read_anvil(path: Path, settings: ReadSettings) -> Found:
    """Read all tracks; elements that refer to those of another track have the times of these.

    Each value of an element is an interval. Its tier is the track, or ``TRACK.ATTRIBUTE`` where a track has several
    attributes; an element without values is called after its track.

    Raises:
        AnnotationError: The file is damaged; the message names the line.
    """
    root = read_xml(path)
    if root.tag != ROOT:
        raise AnnotationError(f"{path}: line {root.line}: an Anvil file begins with {ROOT}, not with {root.tag}")
    videos = [element for head in root.find_all("head") for element in head.find_all("video")]
    master = next((video for video in videos if video.attributes.get("master") == "true"), next(iter(videos), None))
    media = "" if master is None else master.attributes.get("src", "")
    intervals = tuple(_AnvilReader(path, root).list_intervals())
    return Found([Track(media_stem(media) or settings.video_id, intervals, media)])


@dataclass(frozen=True)
class _Placed:
    """An element of a track, and its place in time."""

    element: Element
    index: str
    span: Span


class _AnvilReader:
    def __init__(self, path: Path, root: Element) -> None:
        self._path = path
        self._tracks = [track for body in root.find_all("body") for track in body.descend("track")]
        self._by_name = {track.attributes.get("name", ""): track for track in self._tracks}
        self._placed: dict[int, list[_Placed]] = {}
        self._spans: dict[int, dict[str, Span]] = {}
        self._reading: list[int] = []

    def list_intervals(self) -> Iterator[Interval]:
        for track in self._tracks:
            name, placed = self._get(track, "name"), self._place_elements(track)
            values = [list(_list_values(item.element)) for item in placed]
            has_tiers = len({attribute for pairs in values for attribute, _ in pairs}) > 1
            for item, pairs in zip(placed, values, strict=True):
                for attribute, value in pairs or [("", name)]:
                    yield Interval(*item.span, value, f"{name}.{attribute}" if has_tiers and attribute else name)

    def _place_elements(self, track: Element) -> list[_Placed]:
        """The elements of a track with their times; the tracks it refers to are read first."""
        if id(track) in self._reading or len(self._reading) > _MOST_REFERENCES:
            raise self._fail(track, "the track refers to itself in a circle")
        if id(track) not in self._placed:
            self._reading.append(id(track))
            placed = self._place_divided(track) if track.find_all("el-group") else self._place_single(track)
            self._placed[id(track)] = list(placed)
            self._spans[id(track)] = {item.index: item.span for item in self._placed[id(track)]}
            self._reading.pop()
        return self._placed[id(track)]

    def _place_single(self, track: Element) -> Iterator[_Placed]:
        kind = track.attributes.get("type", "primary")
        for place, element in enumerate(track.find_all("el")):
            if kind == "singleton":
                start, end = self._find_referred(track, element, "ref")
            elif kind == "span":  # from the first to the last of the elements that it spans
                start, end = (self._find_referred(track, element, edge)[n] for n, edge in enumerate(("start", "end")))
            elif "time" in element.attributes:
                start = end = self._seconds(element, "time")
            else:
                start, end = (self._seconds(element, edge) for edge in ("start", "end"))
            yield self._place(element, place, start, end)

    def _place_divided(self, track: Element) -> Iterator[_Placed]:
        """The elements that share one of another track: each lasts to the start of the next one."""
        place = 0
        for group in track.find_all("el-group"):
            first, last = self._find_referred(track, group, "ref")
            elements = group.find_all("el")
            starts = [self._seconds(e, "start") if "start" in e.attributes else first for e in elements]
            for element, start, end in zip(elements, starts, [*starts[1:], last], strict=False):
                yield self._place(element, place, start, end)
                place += 1

    def _find_referred(self, track: Element, element: Element, attribute: str) -> Span:
        name, index = self._get(track, "ref"), self._get(element, attribute)
        if name not in self._by_name:
            raise self._fail(track, f"there is no track {name!r} that this one refers to")
        referred = self._by_name[name]
        self._place_elements(referred)
        spans = self._spans[id(referred)]
        if index not in spans:
            raise self._fail(element, f"the track {name!r} has no element {index!r} that this one refers to")
        return spans[index]

    def _seconds(self, element: Element, attribute: str) -> float:
        try:
            return parse_seconds(self._get(element, attribute))
        except ValueError as error:
            raise self._fail(element, str(error)) from error

    def _place(self, element: Element, place: int, start: float, end: float) -> _Placed:
        if end < start:
            raise self._fail(element, f"the element ends at {end:g} s, before it starts at {start:g} s")
        return _Placed(element, element.attributes.get("index", str(place)), (start, end))

    def _get(self, element: Element, name: str) -> str:
        if name not in element.attributes:
            raise self._fail(element, f"{element.tag} has no {name}")
        return element.attributes[name]

    def _fail(self, element: Element, reason: str) -> AnnotationError:
        return AnnotationError(f"{self._path}: line {element.line}: {reason}")


def _list_values(element: Element) -> Iterator[tuple[str, str]]:
    """Name and text of an element's attributes; links to elements and points in the picture have no text."""
    for attribute in element.find_all("attribute"):
        if text := " ".join(attribute.text.split()):
            yield attribute.attributes.get("name", ""), text


def write_anvil(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video, and beside it the specifications of its tracks, without which Anvil opens no annotation.

    What overlaps within a tier goes into a further track; points go into tracks of points.
    """
    (track,) = map(without_negative_times, tracks)
    points = [i for i in track.intervals if to_milliseconds(i.end) == to_milliseconds(i.start)]
    spans = [i for i in track.intervals if to_milliseconds(i.end) > to_milliseconds(i.start)]
    laid_out = {name: ("primary", items) for name, items in lay_out_tiers(spans, _DEFAULT_TRACK).items()}
    for name, items in lay_out_tiers(points, _DEFAULT_TRACK).items():
        laid_out[f"{name} points"] = ("primarypoint", items)
    specification = path.with_name(path.name + SPECIFICATION_SUFFIX)
    kinds = {name: kind for name, (kind, _) in laid_out.items()}
    write_text(specification, "\n".join([_DECLARATION, *_make_specification(kinds)]) + "\n")
    settings.notices.append(f"wrote {specification}: Anvil needs it beside the annotation")
    lines = [line for name, (kind, items) in laid_out.items() for line in _make_track(name, kind, items)]
    head = _make_head(track, specification.name)
    write_text(path, "\n".join([_DECLARATION, "<annotation>", *head, "  <body>", *lines, "  </body>"]) + _END)


def _make_head(track: Track, specification: str) -> list[str]:
    video = [f'    <video src={quote_xml(as_utf8(track.media))} master="true"/>'] if track.media else []
    return ["  <head>", f"    <specification src={quote_xml(specification)}/>", *video, "  </head>"]


def _make_track(name: str, kind: str, items: list[Interval]) -> list[str]:
    lines = [f'    <track name={quote_xml(name)} type="{kind}">']
    for index, item in enumerate(items):
        times = f'start="{_number(item.start)}" end="{_number(item.end)}"'
        times = f'time="{_number(item.start)}"' if kind == "primarypoint" else times
        lines += [
            f'      <el index="{index}" {times}>',
            f'        <attribute name="{_ATTRIBUTE}">{escape_xml(item.label)}</attribute>',
            "      </el>",
        ]
    return [*lines, "    </track>"]


def _make_specification(kinds: dict[str, str]) -> list[str]:
    """Tracks by name; ``a.b`` is Anvil's name of the track b in the group a."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, kind in kinds.items():
        group, _, own = name.rpartition(".")
        groups.setdefault(group if own else "", []).append((own if group and own else name, kind))
    lines: list[str] = []
    for group, members in groups.items():
        specified = [line for name, kind in members for line in _specify_track(name, kind)]
        lines += [f"    <group name={quote_xml(group)}>", *specified, "    </group>"] if group else specified
    return ["<annotation-spec>", "  <body>", *lines, "  </body>", "</annotation-spec>"]


def _specify_track(name: str, kind: str) -> list[str]:
    attribute = f'<attribute name="{_ATTRIBUTE}" valuetype="String" display="true"/>'
    return [f'    <track-spec name={quote_xml(name)} type="{kind}">', f"      {attribute}", "    </track-spec>"]


def _number(seconds: float) -> str:
    """Milliseconds are kept, so that the edges of neighbours are the same number."""
    return f"{to_milliseconds(seconds) / 1000:.3f}".rstrip("0").rstrip(".") or "0"


_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_END = "\n</annotation>\n"
