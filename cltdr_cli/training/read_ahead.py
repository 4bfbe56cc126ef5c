"""Work on the steps to come while the present one is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_SPARE_STEPS = 2
"""Steps that lie ready besides those that threads are at."""

Part = TypeVar("Part")


def read_ahead(
    submit: Callable[[ThreadPoolExecutor, int], Sequence[Future[Part]]], first_step: int, last_step: int, threads: int
) -> Iterator[list[Part]]:
    """The parts of each step, from the first up to (not including) the last, made on threads before they are asked for.

    Args:
        submit: Gives the work on one step's parts to a pool.
        first_step: Where to begin.
        last_step: Where to end.
        threads: How many work at once.
    """
    with ThreadPoolExecutor(threads) as pool:
        upcoming = (submit(pool, step) for step in range(first_step, last_step))
        ahead = deque(islice(upcoming, threads + _SPARE_STEPS))
        try:
            while ahead:
                parts = ahead.popleft()
                ahead.extend(islice(upcoming, 1))
                yield [part.result() for part in parts]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
