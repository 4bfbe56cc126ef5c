"""Lists of class names: those shipped for known data sets, and those in files of the user."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from cltdr_cli.data.source_files import read_csv_rows
from cltdr_cli.errors import AnnotationError


def read_packaged_class_list(name: str) -> tuple[str, ...]:
    """Read the shipped class names of a data set, by number (``zoo/labels``)."""
    text = resources.files("cltdr_cli").joinpath(f"zoo/labels/{name}.txt").read_text(encoding="utf-8")
    return _split_lines(text)


def read_class_list(path: Path) -> tuple[str, ...]:
    """Read class names from a file, by number.

    A text file has one name per line; if all lines begin with a number (``7 BaseballPitch``), they are sorted by it.
    A CSV file has the columns ``id,key`` (EPIC-KITCHENS-100), or one column with a header (ActivityNet).

    Raises:
        AnnotationError: The file is unreadable or empty, or a name or number occurs twice.
    """
    try:
        names = _read_csv_names(path) if path.suffix.lower() == ".csv" else _read_text_names(path)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise AnnotationError(f"{path} cannot be read as a list of classes: {error}") from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise AnnotationError(f"{path}: {f'the class {twice[0]!r} occurs twice' if twice else 'it names no class'}")
    return tuple(names)


def _read_csv_names(path: Path) -> list[str]:
    rows = read_csv_rows(path)
    columns = list(rows[0]) if rows else []
    if {"id", "key"} <= set(columns):
        return _sort_by_number([(int(row["id"]), row["key"]) for row in rows])
    if len(columns) != 1:
        raise ValueError(f"columns {', '.join(columns)}: need id and key, or one column")
    return [row[columns[0]] for row in rows]


def _read_text_names(path: Path) -> list[str]:
    lines = _split_lines(path.read_text(encoding="utf-8-sig"))
    split = [line.split(maxsplit=1) for line in lines]
    if all(len(words) == 2 and words[0].isdigit() for words in split):
        return _sort_by_number([(int(number), name) for number, name in split])
    return list(lines)


def _sort_by_number(numbered: Sequence[tuple[int, str]]) -> list[str]:
    if len({number for number, _ in numbered}) != len(numbered):
        raise ValueError("a number occurs twice")
    return [name for _, name in sorted(numbered)]


def _split_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
