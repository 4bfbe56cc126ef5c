"""Reads JSON, CSV and text files; one that cannot be read becomes an ``AnnotationError``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cltdr_cli.data.tables import read_plain_bytes, read_table
from cltdr_cli.errors import AnnotationError


def load_json(path: Path) -> Any:
    """Read a JSON file. A key that occurs twice in an object is an error (Python would keep the last value only).

    Raises:
        AnnotationError: The file is unreadable or not JSON, or a key occurs twice.
    """
    try:
        return json.loads(read_plain_bytes(path), object_pairs_hook=_refuse_repeated_keys)
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise AnnotationError(
            f"{path} is not JSON: {error}", "Is the file complete, and is it the right one?"
        ) from error
    except RecursionError as error:
        raise AnnotationError(f"{path} cannot be read: its JSON is nested too deeply") from error


def read_csv_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file as dictionaries by its header.

    Raises:
        AnnotationError: The file is unreadable, or a row is shorter or longer than the header.
    """
    return [row for _, row in read_table(path).rows]


def read_numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a text file that are not blank, with their line numbers.

    Raises:
        AnnotationError: The file is unreadable.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path} cannot be read: {error}") from error
    return [(place, line) for place, line in enumerate(text.splitlines(), 1) if line.strip()]


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) == len(pairs):
        return record
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r} occurs twice in one object")
        seen.add(key)
    return record
