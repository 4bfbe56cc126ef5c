"""Tables as programs and people write them: commas, semicolons or tabs, several encodings, packed or not; Parquet."""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import AnnotationError
from cltdr_cli.parquet_files import is_parquet, read_parquet

_HEAD_CHARACTERS = 4096
_GZIP_MAGIC = b"\x1f\x8b"
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_INDEX_HEADINGS = frozenset({"", "unnamed: 0", "index"})
"""Headings of the column of row numbers that pandas writes first."""


@dataclass(frozen=True)
class Table:
    """The rows of a table.

    Attributes:
        columns: Headings, without the column of row numbers that pandas adds.
        rows: Line number in the file, and cells by heading; lines without any content are left out.
        delimiter: What stands between cells; empty where nothing does (Parquet).
        notes: What is unusual about the file, in words.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    delimiter: str
    notes: tuple[str, ...]


def read_table(path: Path) -> Table:
    """Read a table with a header.

    Raises:
        AnnotationError: The file is unreadable, a heading occurs twice, or a row has more or fewer cells than the
            header; the message names the line.
    """
    if is_parquet(path):
        return _read_parquet_table(path)
    text, encoding = _decode(path, read_plain_bytes(path))
    delimiter = _find_delimiter(path, text)
    try:
        lines = csv.reader(text.splitlines(keepends=True), strict=True, delimiter=delimiter)
        numbered = [(lines.line_num, line) for line in lines if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise AnnotationError(f"{path} cannot be read as CSV: {error}") from error
    head = [cell.strip() for cell in numbered[0][1]] if numbered else []
    skipped = 1 if len(head) > 1 and head[0].casefold() in _INDEX_HEADINGS else 0
    while head and not head[-1]:  # spreadsheets write empty columns behind the table
        head.pop()
    columns = tuple(head[skipped:])
    _check_columns(path, columns)
    rows = tuple((place, _read_row(path, place, line[skipped:], columns)) for place, line in numbered[1:])
    return Table(columns, rows, delimiter, _describe_form(delimiter, encoding, bool(skipped)))


def read_headings(path: Path) -> list[str]:
    """Headings of a table whose cells commas separate, or of Parquet; those of any other file mean nothing."""
    if is_parquet(path):
        return read_parquet(path)[0]
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline(_HEAD_CHARACTERS).strip().split(",")


def _read_parquet_table(path: Path) -> Table:
    head, lines = read_parquet(path)
    columns = tuple(name.strip() for name in head)
    _check_columns(path, columns)
    rows = tuple((place, _read_row(path, place, line, columns)) for place, line in enumerate(lines, 1))
    return Table(columns, rows, "", ())


def read_plain_bytes(path: Path) -> bytes:
    """Read a file, decompressed if it is gzip.

    Raises:
        AnnotationError: It cannot be read.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP_MAGIC) else data
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(f"{path} cannot be read: {error}") from error


def _decode(path: Path, data: bytes) -> tuple[str, str]:
    """The text, and its encoding where that is not UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), "UTF-16"
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        if b"\x00" in data:
            raise AnnotationError(f"{path} cannot be read as CSV: it is no text", "Export it as CSV.") from None
        return data.decode("cp1252", "replace"), "Windows-1252"


def _find_delimiter(path: Path, text: str) -> str:
    """The delimiter that cuts the first line into most cells; a comma where none cuts it."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    counts = {sign: len(next(csv.reader([first], delimiter=sign), [])) for sign in _DELIMITERS}
    if path.suffix.lower() == ".tsv" and counts["\t"] > 1:
        return "\t"
    return max(counts, key=lambda sign: counts[sign])


def _check_columns(path: Path, columns: tuple[str, ...]) -> None:
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise AnnotationError(f"{path}: the heading {twice!r} stands over two columns")


def _read_row(path: Path, place: int, line: list[str], columns: tuple[str, ...]) -> dict[str, str]:
    if not any(line[len(columns) :]):
        line = line[: len(columns)]
    if len(line) != len(columns):
        raise AnnotationError(
            f"{path}: line {place} does not have as many cells as the header: {len(line)}, not {len(columns)}"
        )
    return {name: cell.strip() for name, cell in zip(columns, line, strict=True)}


def _describe_form(delimiter: str, encoding: str, has_index: bool) -> tuple[str, ...]:
    notes = [] if delimiter == "," else [f"cells are separated by {_DELIMITERS[delimiter]}"]
    notes += [f"the text is {encoding}"] if encoding else []
    return (*notes, "the first column, of row numbers, is not read") if has_index else tuple(notes)
