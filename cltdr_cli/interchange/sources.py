"""Reads strangers' files as text, JSON or XML: of limited size, in any usual encoding, executing nothing."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.parsers import expat

from cltdr_cli.errors import AnnotationError

MOST_BYTES = 256 * 1024 * 1024
"""Annotation files are texts of kilobytes to megabytes; a larger one is something else."""

_GZIP_MAGIC = b"\x1f\x8b"
_MOST_XML_DEPTH = 64
_MOST_CELL_CHARACTERS = 10_000_000
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_text(path: Path) -> str:
    """Read a text file in UTF-8 or, with its mark at the beginning, UTF-16.

    Raises:
        AnnotationError: It is unreadable, too large, or no text.
    """
    data = _read_bytes(path)
    try:
        return decode_text(data)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise AnnotationError(
            f"{path}: line {line} is not text in UTF-8 or UTF-16", "Save it as UTF-8 in the program it comes from."
        ) from error


def decode_text(data: bytes) -> str:
    """Text from bytes by the mark at their beginning, UTF-8 without one; all line ends become one character."""
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        AnnotationError: It is unreadable, too large, no JSON, or nested too deeply.
    """
    text = read_text(path)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"{path}: line {error.lineno} is not JSON: {error.msg}", "Is the file complete, and is it the right one?"
        ) from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path} cannot be read as JSON: {error}") from error


def read_table(path: Path) -> list[tuple[int, list[str]]]:
    """Read rows separated by tabs or commas, each with the number of its line; blank rows are left out.

    Raises:
        AnnotationError: It is unreadable, or a quotation mark is not closed.
    """
    text = read_text(path)
    head = text[: text.find("\n") + 1 or len(text)]
    separator = max(("\t", ",", ";"), key=head.count)
    csv.field_size_limit(_MOST_CELL_CHARACTERS)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise AnnotationError(f"{path}: line {reader.line_num} cannot be read as a table: {error}") from error
    return rows


@dataclass(slots=True)
class Element:
    """One element of an XML file, and the line it begins on."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list["Element"])
    pieces: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str:
        """Its own text, without that of its children."""
        return "".join(self.pieces)

    def find_all(self, tag: str) -> list[Element]:
        """Children of that name."""
        return [child for child in self.children if child.tag == tag]

    def descend(self, tag: str) -> Iterator[Element]:
        """Elements of that name at any depth, in the order of the file."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.descend(tag)


def read_xml(path: Path) -> Element:
    """Read an XML file; returns its root.

    A document type (DOCTYPE) is refused: no annotation tool writes one, and only with one can a file define entities
    that grow without end or name other files. The parser is expat itself, for the line numbers of messages.

    Raises:
        AnnotationError: It is unreadable, no XML, has a document type, or is nested too deeply.
    """
    data = _read_bytes(path)
    builder = _TreeBuilder(path)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise AnnotationError(
            f"{path}: line {error.lineno} is not XML: {reason}", "Is the file complete, and is it the right one?"
        ) from error
    return builder.root.children[0]


class _TreeBuilder:
    def __init__(self, path: Path) -> None:
        self.root = Element("", {}, 0)
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._add_text
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._path, self._open = path, [self.root]

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._open) > _MOST_XML_DEPTH:
            raise AnnotationError(f"{self._path}: line {self.parser.CurrentLineNumber}: its XML is nested too deeply")
        element = Element(tag, attributes, self.parser.CurrentLineNumber)
        self._open[-1].children.append(element)
        self._open.append(element)

    def _end(self, tag: str) -> None:
        self._open.pop()

    def _add_text(self, text: str) -> None:
        if not self._open[-1].children:  # what stands between elements is white space
            self._open[-1].pieces.append(text)

    def _refuse_doctype(self, *_: object) -> None:
        raise AnnotationError(
            f"{self._path}: line {self.parser.CurrentLineNumber}: the file has a document type (DOCTYPE), which can "
            "make a reader hang or open other files, so it is refused",
            "Files of annotation tools have none. If you trust the file, delete that declaration.",
        )


def parse_seconds(text: object) -> float:
    """A finite number of seconds.

    Raises:
        ValueError: It is none.
    """
    if isinstance(text, bool) or not isinstance(text, int | float | str):
        raise ValueError(f"{text!r} is not a time in seconds")
    try:
        seconds = float(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time in seconds") from error
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is not a finite time")
    return seconds


def check_columns(path: Path, columns: Sequence[str], needed: Sequence[str]) -> dict[str, int]:
    """Places of columns by name.

    Raises:
        AnnotationError: A needed one is missing.
    """
    places = {name.strip(): place for place, name in enumerate(columns)}
    if missing := [name for name in needed if name not in places]:
        raise AnnotationError(f"{path}: the table has no column {', '.join(missing)} (it has {', '.join(places)})")
    return places


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading, unpacked if it is gzip (as BORIS saves large projects).

    Raises:
        OSError: It cannot be opened.
    """
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path)) if is_packed else path.open("rb")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that JSON knows")


def _read_bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise AnnotationError(
                f"{path} is too large to be annotations: {size / 1e6:.0f} MB of at most {MOST_BYTES / 1e6:.0f} MB"
            )
        with open_plain(path) as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > MOST_BYTES:
        raise AnnotationError(f"{path} is too large to be annotations: unpacked, over {MOST_BYTES / 1e6:.0f} MB")
    return data
