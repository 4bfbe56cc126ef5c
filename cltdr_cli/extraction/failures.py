"""``failed.csv``: which inputs failed and why, whole after every failure, shared by all runs into the folder."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cltdr_cli.extraction.claims import claimed
from cltdr_cli.files import write_text

_POLL_SECONDS = 0.02
_HEAD = ("input", "reason")


@dataclass
class FailureList:
    """The failures of one run, kept in a file together with those of other runs into the same folder.

    Attributes:
        path: The CSV file: ``input,reason``.
        handled: Every input of this run; what the file says of them is replaced by what this run finds.
        found: Failures of this run, reason by input.
    """

    path: Path
    handled: frozenset[str]
    found: dict[str, str] = field(default_factory=dict[str, str])

    def begin(self) -> None:
        """Forget what earlier runs said of these inputs, and of files that are gone."""
        if self.path.exists():
            self._write(lambda word: word not in self.handled and Path(word).exists())

    def add(self, word: str, reason: str) -> None:
        """Note a failure; it is on the disk when this returns.

        Raises:
            OutputError: The folder or disk does not take it.
        """
        self.found[word] = " ".join(reason.split())
        self._write(lambda other: other not in self.handled)

    def _write(self, keep: Callable[[str], bool]) -> None:
        while True:
            with claimed(self.path.parent, self.path.name) as mine:
                if mine:
                    others = {word: reason for word, reason in read_failures(self.path).items() if keep(word)}
                    write_text(self.path, _text({**others, **self.found}), "backslashreplace")
                    return
            time.sleep(_POLL_SECONDS)


def read_failures(path: Path) -> dict[str, str]:
    """What a ``failed.csv`` lists, reason by input; nothing where it is missing or something else."""
    try:
        rows = list(csv.reader(path.open(encoding="utf-8", newline="")))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return {row[0]: row[1] for row in rows[1:] if len(row) == len(_HEAD)} if rows[:1] == [list(_HEAD)] else {}


def _text(failures: Mapping[str, str]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_HEAD)
    rows.writerows(failures.items())
    return text.getvalue()
