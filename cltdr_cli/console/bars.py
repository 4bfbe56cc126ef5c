"""Progress bars on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cltdr_cli.console.streams import SCREEN
from cltdr_cli.plain_text import harmless, progress_state

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE_SECONDS = 1.0
"""Work that is over sooner draws no progress bar."""

_STATE_COLUMNS = 53
"""Room for ``12345/67890 videos · 12.3 videos/min · 1:23:45 left`` beside a progress bar."""


class ProgressBar:
    """How far one piece of work is; drawn once the work has lasted ``PATIENCE_SECONDS``."""

    def __init__(self, description: str, total: float | None, unit: str, clock: Callable[[], float]) -> None:
        self._description, self._total, self._unit, self._clock = harmless(description), total, unit, clock
        self._begin = clock()
        self._task: TaskID | None = None

    def update(self, done: float, total: float | None = None, skipped: float = 0) -> None:
        """Say that ``done`` units are done, of ``total`` where that is known better now.

        Units that were ``skipped`` count as done, but not for the speed.
        """
        self._total = self._total if total is None else total
        if self._total is not None and done > self._total:
            self._total = done  # totals come from headers of video files, which are estimates
        elapsed = self._clock() - self._begin
        bars = SCREEN.bars
        if bars is None or elapsed < PATIENCE_SECONDS:
            return
        if self._task is None:
            bars.start()
            self._task = bars.add_task(self._description, total=self._total, state="")
        state = progress_state(done, self._total, self._unit, elapsed, skipped)
        bars.update(self._task, completed=done, total=self._total, state=state)

    def close(self) -> None:
        """Take the bar off the screen."""
        if SCREEN.bars is not None and self._task is not None:
            SCREEN.bars.remove_task(self._task)
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
    is_outermost = SCREEN.bars is None
    if is_outermost:
        SCREEN.bars = _make_display()
    bar = ProgressBar(description, total, unit, clock)
    try:
        yield bar
    finally:
        bar.close()
        if is_outermost and SCREEN.bars is not None:
            SCREEN.bars.stop()
            SCREEN.bars = None


def _make_display() -> Progress | None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    console = Console(stderr=True, highlight=False)
    if SCREEN.quiet or not console.is_terminal:
        return None
    bar_columns = min(40, console.width // 5)
    name_columns = max(12, console.width - bar_columns - _STATE_COLUMNS)
    name = TextColumn("{task.description}", markup=False, table_column=Column(max_width=name_columns, no_wrap=True))
    bar = BarColumn(bar_width=bar_columns)
    state = TextColumn("{task.fields[state]}", markup=False, table_column=Column(no_wrap=True))
    return Progress(name, bar, state, console=console, transient=True)
