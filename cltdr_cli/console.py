"""The only importer of rich: tables, notices, the error panel, progress. Results go to stdout, the rest to stderr.

rich is loaded by what is drawn first, never by ``--help``. Names of files and labels come from strangers:
they are drawn as plain text, and control characters in them become ``�``.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import CltdrError
from cltdr_cli.plain_text import (
    aligned,
    clock_time,
    first_lines,
    harmless,
    is_numeric,
    progress_state,
    segment_cells,
    segments_title,
)

if TYPE_CHECKING:
    from rich.bar import Bar
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from cltdr_cli.segments import Segment, VideoResult

PATIENCE_SECONDS = 1.0
"""Work that is over sooner draws no progress bar."""

_PANEL_LINES = 20
_STATE_COLUMNS = 53
"""Room for ``12345/67890 videos · 12.3 videos/min · 1:23:45 left`` beside a progress bar."""

_LABEL_COLORS = (
    "cyan", "magenta", "green", "yellow", "bright_blue", "red",
    "bright_cyan", "bright_magenta", "bright_green", "bright_yellow", "blue", "bright_red",
)  # fmt: skip
_ARGUMENT = re.compile(r"(?<![\w.\-=])([a-z][a-z0-9]*(?:_[a-z0-9]+)*)=(?=[\s,.;:)]|$)")
"""How library texts name an argument: ``fps=``."""

_quiet = False
_debug = False
_display: Progress | None = None


def set_quiet(quiet: bool) -> None:
    """Silence notices and progress from here on; warnings, errors and results stay."""
    global _quiet
    _quiet = quiet


def set_debug(debug: bool) -> None:
    """Let errors show their traceback from here on."""
    global _debug
    _debug = debug


def is_debug() -> bool:
    """Whether errors shall show their traceback."""
    return _debug


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Draw a table on stdout; aligned text of full width where stdout is no terminal.

    Args:
        title: Line above the table; may be empty.
        columns: Heads of the columns.
        rows: Cells, as many as columns in each row. Columns of numbers are set flush right.
    """
    console = _stdout()
    columns = [harmless(column) for column in columns]
    cells = [[harmless(cell) for cell in row] for row in rows]
    right = [is_numeric([row[i] for row in cells]) for i in range(len(columns))]
    if console.is_terminal:
        _draw_table(console, harmless(title), columns, cells, right)
    else:
        _print_lines(console, [*([harmless(title)] if title else []), *aligned(columns, cells, right)])


def segments_table(result: VideoResult, limit: int | None = None) -> None:
    """Draw the best segments of a video on stdout, by start, each with a bar on the video's time line.

    Args:
        result: What was detected.
        limit: Segments shown at most, the best by score; None shows all.
    """
    console = _stdout()
    shown = sorted(list(result)[:limit], key=lambda segment: (segment.start, segment.end))
    title = segments_title(result, len(shown))
    if not shown:
        _print_lines(console, [title])
    elif console.is_terminal:
        _draw_segments(console, title, shown, result.duration_seconds)
    else:
        columns, cells = ("start", "end", "label", "score"), [segment_cells(segment) for segment in shown]
        _print_lines(console, [title, *aligned(columns, cells, [True, True, False, True])])


def notice(text: str) -> None:
    """Say something on stderr, unless quiet."""
    if not _quiet:
        _say("", as_options(text), "dim")


def warning(text: str) -> None:
    """Say on stderr that something is not as it should be; also when quiet."""
    _say("warning: ", as_options(text), "yellow")


def failure(source: str, error: CltdrError) -> None:
    """Show the error of one input, with the input's name where the message does not give it."""
    message = error.message if Path(source).name in error.message else f"{source}: {error.message}"
    error_panel(CltdrError(message, error.hint))


def as_options(text: str) -> str:
    """A library text as the command line says it: the argument ``min_score=`` becomes ``--min-score``."""
    return _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')}", text)


def error_panel(error: CltdrError) -> None:
    """Show on stderr what happened, why, and what to do: a panel on a terminal, else plain lines."""
    console = _stderr()
    message, advice = as_options(error.message), as_options(error.hint)
    body = [harmless(line) for line in first_lines(message, None if _debug else _PANEL_LINES)]
    hint = [harmless(line) for line in advice.splitlines()]
    if not console.is_terminal:
        _print_lines(console, [("  " if i else "error: ") + line for i, line in enumerate(body + hint)])
        return
    from rich.panel import Panel
    from rich.text import Text

    text = Text("\n".join(body))
    if hint:
        text.append("\n\n" + "\n".join(hint), "cyan")
    console.print(Panel(text, title="error", title_align="left", border_style="red"))


def confirm(question: str) -> bool:
    """Ask on the terminal; no where there is none to answer, or where the answer is not a clear yes."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    _say("", f"{question} [y/N] ", "bold", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


class ProgressBar:
    """How far one piece of work is; draws itself once the work has lasted ``PATIENCE_SECONDS``."""

    def __init__(self, description: str, total: float | None, unit: str, clock: Callable[[], float]) -> None:
        self._description, self._total, self._unit, self._clock = harmless(description), total, unit, clock
        self._begin = clock()
        self._task: TaskID | None = None

    def update(self, done: float, total: float | None = None, skipped: float = 0) -> None:
        """Say that ``done`` units are done, of ``total`` where that is known better now.

        Units that were ``skipped`` count as done, and not for the speed.
        """
        self._total = self._total if total is None else total
        if self._total is not None and done > self._total:
            self._total = done  # totals come from headers of video files, which are estimates
        elapsed = self._clock() - self._begin
        if _display is None or elapsed < PATIENCE_SECONDS:
            return
        if self._task is None:
            _display.start()
            self._task = _display.add_task(self._description, total=self._total, state="")
        state = progress_state(done, self._total, self._unit, elapsed, skipped)
        _display.update(self._task, completed=done, total=self._total, state=state)

    def close(self) -> None:
        """Take the bar off the screen."""
        if _display is not None and self._task is not None:
            _display.remove_task(self._task)
            self._task = None


@contextmanager
def progress(
    description: str, total: float | None, unit: str, clock: Callable[[], float] = time.monotonic
) -> Generator[ProgressBar]:
    """A bar on stderr with units per second and the time that remains; only on a terminal, and not when quiet.

    Bars within bars share one display. Notices and warnings are printed above it.

    Args:
        description: What is being done.
        total: Units to do; None when unknown.
        unit: Name of a unit, plural: ``frames``.
        clock: Seconds that never run backwards.
    """
    global _display
    outermost = _display is None
    if outermost:
        _display = _new_display()
    bar = ProgressBar(description, total, unit, clock)
    try:
        yield bar
    finally:
        bar.close()
        if outermost and _display is not None:
            _display.stop()
            _display = None


class ConsoleReporter:
    """The console as the library's ``reporting.Reporter``."""

    notice = staticmethod(notice)
    warning = staticmethod(warning)
    failure = staticmethod(failure)
    progress = staticmethod(progress)


REPORTER = ConsoleReporter()
"""What commands pass to the library."""


def _stdout() -> Console:
    from rich.console import Console

    class Stdout(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the program; main knows how

    return Stdout(highlight=False)


def _stderr() -> Console:
    from rich.console import Console

    return _display.console if _display is not None else Console(stderr=True, highlight=False)


def _say(prefix: str, text: str, style: str, end: str = "\n") -> None:
    from rich.text import Text

    lines = "\n".join(map(harmless, text.splitlines()))
    console = _stderr()
    if console.is_terminal:
        console.print(Text(prefix + lines, style), end=end)
    else:
        _print_lines(console, [prefix + lines])


def _print_lines(console: Console, lines: Sequence[str]) -> None:
    """Whole lines, neither wrapped at a width that is not there nor searched for markup."""
    for line in lines:
        console.print(line, markup=False, emoji=False, soft_wrap=True)


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
        drawn.add_column(
            Text(head), justify="left" if is_label else "right", no_wrap=not is_label, overflow="fold"
        )
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
    return Bar(
        duration_seconds, begin, max(segment.end, begin + least), width=columns, color=color, bgcolor="grey19"
    )


def _new_display() -> Progress | None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    console = Console(stderr=True, highlight=False)
    if _quiet or not console.is_terminal:
        return None
    bar_columns = min(40, console.width // 5)
    name_columns = max(12, console.width - bar_columns - _STATE_COLUMNS)
    name = TextColumn(
        "{task.description}", markup=False, table_column=Column(max_width=name_columns, no_wrap=True)
    )
    bar = BarColumn(bar_width=bar_columns)
    state = TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True))
    return Progress(name, bar, state, console=console, transient=True)
