"""Reads JSON, CSV and text files; one that cannot be read becomes an ``AnnotationError``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from cltdr_cli.errors import AnnotationError


def load_json(path: Path) -> Any:
    """The content of a JSON file, in which no object names a key twice (Python's reader would keep the last only).

    Raises:
        AnnotationError: Unreadable, not JSON, or a key stands twice.
    """
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_refuse_repeated_keys)
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise AnnotationError(f"{path} is not JSON: {error}", "Is it complete, and of the right kind?") from error
    except RecursionError as error:
        raise AnnotationError(f"{path} is nested too deeply for annotations") from error


def read_csv_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file by its head.

    Raises:
        AnnotationError: Unreadable, or a row is shorter or longer than the head.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, restkey="", strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{path} cannot be read as CSV: {error}") from error
    for number, row in enumerate(rows, 2):
        if "" in row or None in row.values():
            raise AnnotationError(f"{path}: line {number} has not as many cells as the head")
    return rows


def read_numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines that are not blank."""
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
            raise ValueError(f"the key {key!r} stands twice in one object")
        seen.add(key)
    return record
