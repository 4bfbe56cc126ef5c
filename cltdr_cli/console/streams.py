"""The two streams that are written to, and what all drawing depends on: quiet, debug, the bars on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


@dataclass
class Screen:
    """State of the terminal, one for the whole program.

    Attributes:
        quiet: Whether notices and progress are left out.
        debug: Whether errors show their traceback and all their lines.
        bars: The progress bars that are drawn at the moment; None without any.
    """

    quiet: bool = False
    debug: bool = False
    bars: Progress | None = None


SCREEN = Screen()


def set_quiet(quiet: bool) -> None:
    """Leave out notices and progress from here on; warnings, errors and results stay."""
    SCREEN.quiet = quiet


def set_debug(debug: bool) -> None:
    """Let errors show their traceback from here on."""
    SCREEN.debug = debug


def is_debug() -> bool:
    """Whether errors show their traceback."""
    return SCREEN.debug


def open_stdout() -> Console:
    """Standard output, for results."""
    from rich.console import Console

    class Stdout(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the program here; main.py has the right exit status

    return Stdout(highlight=False)


def open_stderr() -> Console:
    """Standard error, for everything else; text is printed above the progress bars where there are any."""
    from rich.console import Console

    return SCREEN.bars.console if SCREEN.bars is not None else Console(stderr=True, highlight=False)


def print_lines(console: Console, lines: Sequence[str]) -> None:
    """Print whole lines: no wrapping at a guessed width, no markup."""
    for line in lines:
        console.print(line, markup=False, emoji=False, soft_wrap=True)
