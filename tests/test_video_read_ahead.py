"""An iterator on a thread: its errors, and its end."""

from __future__ import annotations

import threading

import pytest

from cltdr_cli.video.read_ahead import read_ahead


def test_its_exception_reaches_the_consumer_after_the_items_before():
    def items():
        yield from range(3)
        raise ZeroDivisionError("in the thread")

    seen = []
    with pytest.raises(ZeroDivisionError, match="in the thread"):
        seen.extend(read_ahead(items(), 1))
    assert not any(thread.name == "cltdr-read-ahead" for thread in threading.enumerate())


def test_its_generator_is_closed_on_the_thread():
    closed_on = []

    def items():
        try:
            yield from range(100)
        finally:
            closed_on.append(threading.current_thread().name)

    ahead = read_ahead(items(), 2)
    assert next(ahead) == 0
    ahead.close()
    assert closed_on == ["cltdr-read-ahead"]
