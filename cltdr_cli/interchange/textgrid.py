"""Praat TextGrid: tiers of intervals that leave no gap, and tiers of points; times in seconds.

Both text forms are read (long and short: the same values with and without their names), and the long one is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.interchange.sources import parse_seconds, read_text
from cltdr_cli.interchange.tracks import (
    Found,
    Interval,
    ReadSettings,
    Track,
    WriteSettings,
    lay_out_tiers,
    to_milliseconds,
    without_negative_times,
)

_VALUE = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|!(?P<comment>[^\n]*)|(?P<flag><\w+>)'
    r"|(?<![\w.\[])(?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)(?![\w\]])"
)
"""What counts in a TextGrid (Praat manual, "TextGrid file formats"): free-standing numbers, flags, quoted texts.

Everything else is comment: names, equals signs, ``intervals [3]``, and what follows ``!`` on a line.
"""

_DEFAULT_TIER = "actions"


@dataclass(frozen=True)
class _Value:
    line: int
    text: str
    kind: str


def read_textgrid(path: Path, settings: ReadSettings) -> Found:
    """Read all tiers; intervals without text are gaps. Points become intervals without length.

    Raises:
        AnnotationError: The file is cut short or no TextGrid; the message names the line.
    """
    values = _Values(path, read_text(path))
    if not values.take("text").startswith("ooTextFile") or values.take("text") != "TextGrid":
        raise AnnotationError(f"{path} is not a TextGrid in one of Praat's text forms")
    _, end_seconds = values.take_seconds(), values.take_seconds()
    intervals: list[Interval] = []
    if values.take("flag") == "<exists>":
        for _ in range(values.take_count()):
            intervals += _read_tier(values)
    return Found([Track(settings.video_id, tuple(intervals), duration_seconds=end_seconds)])


def _read_tier(values: _Values) -> Iterator[Interval]:
    kind, name = values.take("text"), values.take("text")
    values.take_seconds()
    values.take_seconds()
    if kind not in ("IntervalTier", "TextTier"):
        raise values.fail(f"there is no kind of tier {kind!r}")
    for _ in range(values.take_count()):
        start = values.take_seconds()
        end = values.take_seconds() if kind == "IntervalTier" else start
        if end < start:
            raise values.fail(f"an interval ends at {end:g} s, before it starts at {start:g} s")
        if text := " ".join(values.take("text").split()):
            yield Interval(start, end, text, name)


class _Values:
    """The values of a file, one after the other."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._line, self._values = path, 1, _scan(text)

    def take(self, kind: str) -> str:
        """The next value, which must be of a kind: ``text``, ``number`` or ``flag``."""
        value = next(self._values, None)
        if value is None:
            raise AnnotationError(f"{self._path}: line {self._line}: the file ends in the middle; it is cut short")
        self._line = value.line
        if value.kind != kind:
            raise self.fail(f"{value.text!r} stands where a {kind} belongs")
        return value.text

    def take_seconds(self) -> float:
        """The next value as a time."""
        try:
            return parse_seconds(self.take("number"))
        except ValueError as error:
            raise self.fail(str(error)) from error

    def take_count(self) -> int:
        """The next value as a number of things."""
        text = self.take("number")
        if not text.isdecimal():
            raise self.fail(f"{text!r} is not a count")
        return int(text)

    def fail(self, reason: str) -> AnnotationError:
        """The error of the value that was taken last."""
        return AnnotationError(f"{self._path}: line {self._line}: {reason}")


def _scan(text: str) -> Iterator[_Value]:
    line, at = 1, 0
    for match in _VALUE.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        kind = match.lastgroup or ""
        if kind == "comment":
            continue
        yield _Value(line, match[kind].replace('""', '"') if kind == "text" else match[kind], kind)


def write_textgrid(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video in the long form, UTF-8; points go into a tier of points."""
    (track,) = map(without_negative_times, tracks)
    end = max(track.end_seconds, 0.001)
    points = [i for i in track.intervals if to_milliseconds(i.end) == to_milliseconds(i.start)]
    spans = [i for i in track.intervals if to_milliseconds(i.end) > to_milliseconds(i.start)]
    tiers = [_make_interval_tier(name, items, end) for name, items in lay_out_tiers(spans, _DEFAULT_TIER).items()]
    tiers += [_make_point_tier(name, items, end) for name, items in _lay_out_points(points).items()]
    lines = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {_number(end)}",
        "tiers? <exists>", f"size = {len(tiers)}", "item []:",
    ]  # fmt: skip
    for number, tier in enumerate(tiers, 1):
        lines += [f"    item [{number}]:", *tier]
    write_text(path, "\n".join(lines) + "\n")


def _lay_out_points(points: list[Interval]) -> dict[str, list[Interval]]:
    return {f"{name} points": items for name, items in lay_out_tiers(points, _DEFAULT_TIER).items()}


def _make_interval_tier(name: str, items: list[Interval], end: float) -> list[str]:
    """A tier whose gaps are filled with intervals without text, as Praat wants it."""
    rows: list[tuple[float, float, str]] = []
    at = 0.0
    for item in items:
        if _number(item.start) != _number(at):
            rows.append((at, item.start, ""))
        rows.append((item.start, item.end, item.label))
        at = item.end
    if _number(at) != _number(end):
        rows.append((at, end, ""))
    lines = [*_make_tier_head("IntervalTier", name, end), f"        intervals: size = {len(rows)}"]
    for number, (start, stop, text) in enumerate(rows, 1):
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {_number(start)}",
            f"            xmax = {_number(stop)}",
            f"            text = {_quote(text)}",
        ]
    return lines


def _make_point_tier(name: str, items: list[Interval], end: float) -> list[str]:
    lines = [*_make_tier_head("TextTier", name, end), f"        points: size = {len(items)}"]
    for number, item in enumerate(items, 1):
        lines += [
            f"        points [{number}]:",
            f"            number = {_number(item.start)}",
            f"            mark = {_quote(item.label)}",
        ]
    return lines


def _make_tier_head(kind: str, name: str, end: float) -> list[str]:
    return [f'        class = "{kind}"', f"        name = {_quote(name)}", "        xmin = 0",
            f"        xmax = {_number(end)}"]  # fmt: skip


def _number(seconds: float) -> str:
    """Milliseconds are kept; digits beyond are dropped, so that the edges of neighbours are the same number."""
    return f"{to_milliseconds(seconds) / 1000:.3f}".rstrip("0").rstrip(".") or "0"


def _quote(text: str) -> str:
    return '"' + " ".join(text.split()).replace('"', '""') + '"'
