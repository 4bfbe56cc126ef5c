"""Tables on standard output: any rows, and the segments of a video with their bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cltdr_cli.console.messages import as_options
from cltdr_cli.console.streams import open_stdout, print_lines
from cltdr_cli.plain_text import (
    aligned,
    clock_time,
    describe_hidden,
    harmless,
    is_numeric,
    segment_cells,
    segments_title,
)

if TYPE_CHECKING:
    from rich.bar import Bar
    from rich.console import Console

    from cltdr_cli.segments import Segment, VideoResult

_LABEL_COLORS = (
    "cyan", "magenta", "green", "yellow", "bright_blue", "red",
    "bright_cyan", "bright_magenta", "bright_green", "bright_yellow", "blue", "bright_red",
)  # fmt: skip


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Draw a table on stdout; aligned text of full width where stdout is no terminal.

    Args:
        title: Line above the table; may be empty.
        columns: Heads of the columns.
        rows: Cells, as many as columns in each row. Columns of numbers are set flush right.
    """
    console = open_stdout()
    columns = [harmless(column) for column in columns]
    cells = [[harmless(cell) for cell in row] for row in rows]
    right = [is_numeric([row[i] for row in cells]) for i in range(len(columns))]
    if console.is_terminal:
        _draw_table(console, harmless(title), columns, cells, right)
    else:
        print_lines(console, [*([harmless(title)] if title else []), *aligned(columns, cells, right)])


def segments_table(result: VideoResult, limit: int | None = None) -> None:
    """Draw the best segments of a video on stdout, by start, each with a bar on the video's time line.

    Those below the result's ``display_score`` are only counted.

    Args:
        result: The segments of the video.
        limit: Segments shown at most, the best by score; None shows all.
    """
    console, visible = open_stdout(), result.shown
    shown = sorted(list(visible)[:limit], key=lambda segment: (segment.start, segment.end))
    title = segments_title(visible, len(shown))
    if not shown:
        print_lines(console, [title])
    elif console.is_terminal:
        _draw_segments(console, title, shown, result.duration_seconds)
    else:
        columns, cells = ("start", "end", "label", "score"), [segment_cells(segment) for segment in shown]
        print_lines(console, [title, *aligned(columns, cells, [True, True, False, True])])
    if hidden := describe_hidden(result.hidden_scores, result.display_score):
        print_lines(console, [as_options(hidden)])


def _draw_table(
    console: Console, title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]
) -> None:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(title, "bold") if title else None, title_justify="left", header_style="bold")
    for column, flush_right in zip(columns, right, strict=True):
        drawn.add_column(Text(column), justify="right" if flush_right else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*map(Text, row))
    console.print(drawn)


def _draw_segments(console: Console, title: str, shown: Sequence[Segment], duration_seconds: float) -> None:
    from rich.table import Table
    from rich.text import Text

    bar_columns = max(12, min(48, console.width - 52))
    names = dict.fromkeys(segment.label for segment in shown)
    color = {name: _LABEL_COLORS[i % len(_LABEL_COLORS)] for i, name in enumerate(names)}
    drawn = Table(title=Text(title, "bold"), title_justify="left", header_style="bold", box=None, padding=(0, 1))
    end = clock_time(duration_seconds)
    drawn.add_column(Text("0:00" + end.rjust(bar_columns - 4), "dim"), width=bar_columns, no_wrap=True)
    for head in ("start", "end", "label", "score"):
        is_label = head == "label"
        drawn.add_column(Text(head), justify="left" if is_label else "right", no_wrap=not is_label, overflow="fold")
    for segment in shown:
        start, stop, label, score = segment_cells(segment)
        bar = _time_bar(segment, max(duration_seconds, segment.end), bar_columns, color[segment.label])
        drawn.add_row(bar, start, stop, Text(label, color[segment.label]), score)
    console.print(drawn)


def _time_bar(segment: Segment, duration_seconds: float, columns: int, color: str) -> Bar:
    """Position and length to scale, but never shorter than half a column, which the eye still finds."""
    from rich.bar import Bar

    least = 0.5 * duration_seconds / columns
    begin = min(segment.start, duration_seconds - least)
    return Bar(duration_seconds, begin, max(segment.end, begin + least), width=columns, color=color, bgcolor="grey19")
