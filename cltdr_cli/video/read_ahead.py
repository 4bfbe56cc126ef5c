"""Run an iterator ahead of its consumer on a thread that ends with the consumer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _End(Generic[Item]):
    """The last entry of the queue: the iterator has ended, or failed with an error."""

    error: BaseException | None = None


def read_ahead(
    items: Generator[Item, None, None], depth: int, stop: threading.Event | None = None
) -> Generator[Item, None, None]:
    """Yield the items of a generator that runs on its own thread, at most ``depth`` items ahead.

    When the consumer stops early, raises or is interrupted, the thread ends and the generator is closed before
    control returns. An exception of the generator is raised here, after the items before it.

    Args:
        items: The generator; it runs and is closed on the thread.
        depth: Largest number of waiting items.
        stop: Once it is set, the iteration ends, although the generator may be waiting for a source that gives
            nothing; its thread is then left to itself, and ends when the source gives something.
    """
    ready: queue.Queue[Item | _End[Item]] = queue.Queue(maxsize=depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, ready, stopped), name="cltdr-read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := _take(ready, stop), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join(None if stop is None else POLL_SECONDS)


def call_aside(call: Callable[[], Item]) -> Item:
    """Call on a thread of its own, so that Ctrl-C ends the wait for what does not hear it (FFmpeg, host names).

    The thread is then left to itself.
    """

    def give() -> Generator[Item, None, None]:
        yield call()

    (item,) = read_ahead(give(), 1, threading.Event())
    return item


def _take(ready: queue.Queue[Item | _End[Item]], stop: threading.Event | None) -> Item | _End[Item]:
    """The next entry; the end as soon as a stop is asked for."""
    while stop is None or not stop.is_set():
        try:
            return ready.get(timeout=None if stop is None else POLL_SECONDS)
        except queue.Empty:
            continue
    return _End()


def _fill(items: Generator[Item, None, None], ready: queue.Queue[Item | _End[Item]], stopped: threading.Event) -> None:
    error: BaseException | None = None
    try:
        with closing(items):
            for item in items:
                if not _offer(item, ready, stopped):
                    return
    except BaseException as raised:  # every error is passed on to the consumer
        error = raised
    _offer(_End(error), ready, stopped)


def _offer(item: Item | _End[Item], ready: queue.Queue[Item | _End[Item]], stopped: threading.Event) -> bool:
    """Put an item into the queue; False once the consumer is gone."""
    while not stopped.is_set():
        try:
            ready.put(item, timeout=POLL_SECONDS)
        except queue.Full:
            continue
        return True
    return False
