"""Everything that is drawn on the terminal. Results go to stdout, the rest to stderr.

Only this package imports rich, and only when something is drawn: ``--help`` never needs it. Names of files and
labels come from strangers: they are drawn as plain text, and control characters in them become ``�``.
"""

from __future__ import annotations

from cltdr_cli.console.bars import PATIENCE_SECONDS, ProgressBar, progress
from cltdr_cli.console.live import live_gap, live_line, live_segment
from cltdr_cli.console.messages import as_options, confirm, error_panel, failure, is_attended, notice, warning
from cltdr_cli.console.streams import is_debug, set_debug, set_quiet
from cltdr_cli.console.tables import segments_table, table

__all__ = [
    "PATIENCE_SECONDS",
    "REPORTER",
    "ConsoleReporter",
    "ProgressBar",
    "as_options",
    "confirm",
    "error_panel",
    "failure",
    "is_attended",
    "is_debug",
    "live_gap",
    "live_line",
    "live_segment",
    "notice",
    "progress",
    "segments_table",
    "set_debug",
    "set_quiet",
    "table",
    "warning",
]


class ConsoleReporter:
    """The console as the library's ``reporting.Reporter``."""

    notice = staticmethod(notice)
    warning = staticmethod(warning)
    failure = staticmethod(failure)
    confirm = staticmethod(confirm)
    progress = staticmethod(progress)


REPORTER = ConsoleReporter()
"""What commands pass to the library."""
