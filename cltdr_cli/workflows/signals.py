"""SIGTERM and Ctrl-C end a long run in order: what is half-written is removed first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from cltdr_cli.reporting import SILENT, Reporter

_TERMINATED = 128 + signal.SIGTERM
"""Exit status of a program that SIGTERM ended, as shells tell it."""


@contextmanager
def end_in_order(report: Reporter = SILENT) -> Generator[Callable[[], None]]:
    """While the block runs, SIGTERM (sent by systems and schedulers) ends the program as Ctrl-C does; exit status 143.

    Nothing changes outside the main thread, where Python allows no signal handlers.

    Yields:
        A function to call now and then. It raises again if a signal has come: Python drops an exception that a signal
        handler raises while an object is being freed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    came: list[int] = []

    def end() -> None:
        if came:
            raise SystemExit(_TERMINATED) if came[0] == signal.SIGTERM else KeyboardInterrupt

    def leave(number: int, _: object) -> None:
        if number == signal.SIGTERM:  # once: what is half-written is being removed now
            signal.signal(number, signal.SIG_IGN)
        came.append(number)
        end()

    with _handled(signal.SIGTERM, leave), _handled(signal.SIGINT, leave):
        try:
            yield end
            end()
        except BaseException:  # what was raised inside Ray comes out of it as something else
            if signal.SIGTERM not in came:
                raise
            report.warning("stopped; nothing half-written")
            raise SystemExit(_TERMINATED) from None


@contextmanager
def _handled(number: int, handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Let a handler take a signal, unless whoever started us had it ignored."""
    before = signal.getsignal(number)
    if before != signal.SIG_IGN:
        signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
