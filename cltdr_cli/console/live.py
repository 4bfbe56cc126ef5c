"""Events of a live video on standard output, each line as soon as it is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cltdr_cli.console.streams import open_stdout, print_lines
from cltdr_cli.plain_text import clock_time, columns_width, harmless, segment_cells

if TYPE_CHECKING:
    from cltdr_cli.segments import Segment

_TIME_COLUMNS, _LABEL_COLUMNS = 10, 32


def live_line(line: str) -> None:
    """Print a line for programs as it is."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def live_segment(segment: Segment, seen_seconds: float) -> None:
    """Print start, end, label and score of a segment, and how long after its end that was known."""
    start, end, label, score = segment_cells(segment)
    gap = " " * max(0, _LABEL_COLUMNS - columns_width(label))
    late = f"after {max(0.0, seen_seconds - segment.end):.1f} s"
    _print_live(f"{start:>{_TIME_COLUMNS}}  {end:>{_TIME_COLUMNS}}  {label}{gap}  {score}  {late}")


def live_gap(start_seconds: float, end_seconds: float | None, reason: str) -> None:
    """Print that nothing was seen between two times."""
    end = "..." if end_seconds is None else clock_time(end_seconds)
    _print_live(
        f"{clock_time(start_seconds):>{_TIME_COLUMNS}}  {end:>{_TIME_COLUMNS}}  (nothing seen: {harmless(reason)})"
    )


def _print_live(line: str) -> None:
    print_lines(open_stdout(), [line])
    sys.stdout.flush()
