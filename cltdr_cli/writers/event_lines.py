"""Segments of a live video as JSON lines: one line per segment, appended as soon as it is final."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType

from cltdr_cli.errors import OutputError, UsageError
from cltdr_cli.files import explain_disk_errors
from cltdr_cli.segments import Segment
from cltdr_cli.writers.numbers import shorten_score

SUFFIXES = (".jsonl", ".ndjson")


def make_segment_line(segment: Segment, seen_seconds: float) -> str:
    """``{"start", "end", "label", "label_id", "score", "seen"}``; times in seconds of the source."""
    return _make_line(
        start=segment.start,
        end=segment.end,
        label=segment.label,
        label_id=segment.label_id,
        score=shorten_score(segment.score),
        seen=round(seen_seconds, 3),
    )


def make_gap_line(start_seconds: float, end_seconds: float | None, reason: str) -> str:
    """``{"gap": [start, end], "reason"}``; the end is null where the source did not come back."""
    end = None if end_seconds is None else round(end_seconds, 3)
    return _make_line(gap=[round(start_seconds, 3), end], reason=reason)


def _make_line(**values: object) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


class EventFile:
    """A file of JSON lines that is appended to; every line is whole, whenever the program ends.

    Args:
        path: The file; it may exist and hold lines of earlier runs.

    Raises:
        UsageError: Its name ends otherwise, or it holds something else than JSON lines.
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        is_stream = path.exists() and not path.is_file() and not path.is_dir()
        if path.suffix.lower() not in SUFFIXES and not is_stream:
            raise UsageError(f"out= {path}: lines of events go to a file that ends in {' or '.join(SUFFIXES)}.", "")
        self._path = path
        with explain_disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        if not is_stream:
            self._check_lines()

    def __enter__(self) -> EventFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)

    def append(self, line: str) -> None:
        """Write a line; all of it or nothing.

        Raises:
            OutputError: The disk does not take it.
        """
        data = (line + "\n").encode("utf-8", "backslashreplace")
        begin = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            if os.path.isfile(self._path):  # noqa: PTH113 # follows links, as the open file does
                os.ftruncate(self._file, begin)
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}", "free some space") from error

    def _check_lines(self) -> None:
        """Refuse a file of something else, and end a line that another program left half-written."""
        last = self._path.read_bytes()[-(1 << 16) :].rstrip(b"\n").rpartition(b"\n")[2] if self._size() else b""
        try:
            is_ours = not last or isinstance(json.loads(last), dict)
        except ValueError:
            is_ours = False
        if not is_ours:
            os.close(self._file)
            raise UsageError(f"out= {self._path} holds something else than JSON lines.", "Choose another name.")
        if last and not self._path.read_bytes().endswith(b"\n"):
            self.append("")

    def _size(self) -> int:
        return os.fstat(self._file).st_size
