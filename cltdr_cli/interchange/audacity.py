"""Audacity label tracks (``.txt``): ``start<TAB>end<TAB>label`` in seconds, six digits behind the point."""

from __future__ import annotations

from pathlib import Path

from cltdr_cli.errors import AnnotationError
from cltdr_cli.files import write_text
from cltdr_cli.interchange.sources import parse_seconds, read_text
from cltdr_cli.interchange.tracks import Found, Interval, ReadSettings, Track, WriteSettings


def is_label_line(line: str) -> bool:
    """Whether a line is one of a label track."""
    cells = line.split("\t")
    try:
        return len(cells) >= 2 and parse_seconds(_plain(cells[1])) >= parse_seconds(_plain(cells[0]))
    except ValueError:
        return False


def read_audacity(path: Path, settings: ReadSettings) -> Found:
    """Read one video. Lines that begin with a backslash hold the frequencies of spectral labels and are left out.

    Raises:
        AnnotationError: A line is none of a label track.
    """
    intervals: list[Interval] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip() or line.startswith("\\\t"):
            continue
        cells = line.split("\t", 2)
        try:
            start, end = (parse_seconds(_plain(cell)) for cell in cells[:2])
        except ValueError as error:
            raise AnnotationError(f"{path}: line {number} is not `start<TAB>end<TAB>label`: {line!r}") from error
        if end < start:
            raise AnnotationError(f"{path}: line {number}: the label ends before it starts")
        label = cells[2].strip() if len(cells) > 2 else ""
        if not label:
            raise AnnotationError(f"{path}: line {number}: the label has no name", "Name it in Audacity, or delete it.")
        intervals.append(Interval(start, end, label))
    return Found([Track(settings.video_id, tuple(intervals))])


def write_audacity(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write one video; labels may overlap. Tiers and scores are not written."""
    (track,) = tracks
    rows = sorted(track.intervals, key=lambda i: (i.start, i.end))
    lines = [f"{i.start:.6f}\t{i.end:.6f}\t{' '.join(i.label.split())}\n" for i in rows]
    write_text(path, "".join(lines))


def _plain(cell: str) -> str:
    """Audacity writes a comma for the point where the system's language does."""
    return cell.strip().replace(",", ".")
