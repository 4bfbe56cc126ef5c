"""Signals that end a long run: in good order, whatever the run is doing when they come."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from cltdr_cli import console

_TERMINATED = 128 + signal.SIGTERM
"""Exit status of a program that SIGTERM ended, as shells tell it."""


@contextmanager
def orderly_end() -> Generator[Callable[[], None]]:
    """SIGTERM, by which systems and schedulers end programs, ends this one as Ctrl-C does; exit status 143.

    Yields:
        To be called now and then: raises what a signal raised in vain, as Python drops what is raised while it
        frees an object.
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
            console.warning("stopped; nothing half-written")
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
