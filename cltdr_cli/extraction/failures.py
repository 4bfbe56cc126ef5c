"""``failed.csv``: which inputs failed and why; up to date after every failure, shared by all runs into a folder."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cltdr_cli.extraction.locks import lock_name
from cltdr_cli.files import write_text

_POLL_SECONDS = 0.02
_HEAD = ("input", "reason")


@dataclass
class FailureList:
    """The failures of one run, kept in a file together with those of other runs into the same folder.

    A row is removed when its input succeeds, or when the input no longer exists at the start of a run (relative names
    may belong to another folder and stay). The file is correct at whatever moment a run is killed.

    Attributes:
        path: The CSV file: ``input,reason``.
        found: Failures of this run, reason by input.
        settled: Inputs that are finished.
    """

    path: Path
    found: dict[str, str] = field(default_factory=dict[str, str])
    settled: set[str] = field(default_factory=set[str])
    _listed: frozenset[str] = field(default=frozenset(), init=False)

    def begin(self) -> None:
        """Remove rows of files that no longer exist.

        Raises:
            OutputError: The folder or disk cannot be written.
        """
        if self.path.exists():
            self._write(lambda word: not _parse_path(word).is_absolute() or _parse_path(word).exists())
            self._listed = frozenset(read_failures(self.path))

    def add(self, word: str, reason: str) -> None:
        """Record a failure; it is on the disk when this returns.

        Raises:
            OutputError: The folder or disk cannot be written.
        """
        self.found[_escape_name(word)] = " ".join(_escape_name(reason).split())
        self._write(self._is_open)

    def settle(self, word: str) -> None:
        """Record that an input is finished.

        Raises:
            OutputError: The folder or disk cannot be written.
        """
        self.settled.add(_escape_name(word))
        if _escape_name(word) in self._listed:
            self._write(self._is_open)

    def end(self) -> None:
        """Correct what other runs wrote meanwhile about the inputs of this run.

        Raises:
            OutputError: The folder or disk cannot be written.
        """
        there = read_failures(self.path)
        if any(not self._is_open(word) for word in there) or self.found.keys() - there.keys():
            self._write(self._is_open)

    def _is_open(self, word: str) -> bool:
        return word not in self.settled

    def _write(self, keep: Callable[[str], bool]) -> None:
        while True:
            with lock_name(self.path.parent, self.path.name) as mine:
                if mine:
                    others = {word: reason for word, reason in read_failures(self.path).items() if keep(word)}
                    write_text(self.path, _format_rows({**others, **self.found}))
                    return
            time.sleep(_POLL_SECONDS)


def read_failures(path: Path) -> dict[str, str]:
    """Reasons of a ``failed.csv``, by input; empty if the file is missing or not such a list."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return {row[0]: row[1] for row in rows[1:] if len(row) == len(_HEAD)} if rows[:1] == [list(_HEAD)] else {}


def _format_rows(failures: Mapping[str, str]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_HEAD)
    rows.writerows(failures.items())
    return text.getvalue()


def _escape_name(word: str) -> str:
    r"""A name as UTF-8 text: other bytes become ``\udc80`` to ``\udcff``, a carriage return ``\r``."""
    return word.replace("\r", "\\r").encode("utf-8", "backslashreplace").decode("utf-8")


def _parse_path(word: str) -> Path:
    """The file that a printable name means."""
    name = re.sub(r"\\udc([89a-f][0-9a-f])", lambda byte: chr(0xDC00 + int(byte[1], 16)), word)
    return Path(name.replace("\\r", "\r"))
