"""Notices, warnings, errors and questions on standard error."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cltdr_cli.console.streams import SCREEN, open_stderr, print_lines
from cltdr_cli.errors import CltdrError
from cltdr_cli.plain_text import first_lines, harmless

_PANEL_LINES = 20
_ARGUMENT = re.compile(r"(?<![\w.\-=])([a-z][a-z0-9]*(?:_[a-z0-9]+)*)=(?=[\s,.;:)]|$)")
"""How library texts name an argument: ``fps=``."""


def notice(text: str) -> None:
    """Print something worth knowing, unless quiet."""
    if not SCREEN.quiet:
        _print_message("", as_options(text), "dim")


def warning(text: str) -> None:
    """Print that something is not as it should be; also when quiet."""
    _print_message("warning: ", as_options(text), "yellow")


def failure(source: str, error: CltdrError) -> None:
    """Show the error of one input, with the input's name where the message does not give it."""
    message = error.message if Path(source).name in error.message else f"{source}: {error.message}"
    error_panel(CltdrError(message, error.hint))


def as_options(text: str) -> str:
    """Rewrite a library text for the command line: the argument ``min_score=`` becomes ``--min-score``."""
    return _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')}", text)


def error_panel(error: CltdrError) -> None:
    """Show what happened, why, and what to do next: a panel on a terminal, else plain lines."""
    console = open_stderr()
    message, advice = as_options(error.message), as_options(error.hint)
    body = [harmless(line) for line in first_lines(message, None if SCREEN.debug else _PANEL_LINES)]
    hint = [harmless(line) for line in advice.splitlines()]
    if not console.is_terminal:
        print_lines(console, [("  " if i else "error: ") + line for i, line in enumerate(body + hint)])
        return
    from rich.panel import Panel
    from rich.text import Text

    text = Text("\n".join(body))
    if hint:
        text.append("\n\n" + "\n".join(hint), "cyan")
    console.print(Panel(text, title="error", title_align="left", border_style="red"))


def is_attended() -> bool:
    """Whether somebody sits at a terminal, reads what is said and can answer."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())


def confirm(question: str) -> bool:
    """Ask on the terminal; False without a terminal, and for every answer but ``y`` or ``yes``."""
    if not is_attended():
        return False
    _print_message("", f"{question} [y/N] ", "bold", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _print_message(prefix: str, text: str, style: str, end: str = "\n") -> None:
    from rich.text import Text

    lines = "\n".join(map(harmless, text.splitlines()))
    console = open_stderr()
    if console.is_terminal:
        console.print(Text(prefix + lines, style), end=end)
    else:
        print_lines(console, [prefix + lines])
