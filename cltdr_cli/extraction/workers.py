"""Give videos to workers until each has an outcome; workers may die."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cltdr_cli.extraction.one_video import Outcome
from cltdr_cli.video.named_inputs import Input

Watch = Callable[[Input, int, "int | None"], object]
"""Called with a video, its frames done and expected."""

ATTEMPTS = 2
"""Attempts at a video whose worker dies; workers may be killed for reasons unrelated to the video."""

BUSY_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class WorkerDeath:
    """A worker died over a video.

    Attributes:
        item: The video.
        cause: How it died.
    """

    item: Input
    cause: str


class Workers(Protocol):
    """Workers that extract features: threads, processes or Ray actors."""

    @property
    def idle(self) -> int:
        """How many more videos can be given now."""
        ...

    @property
    def working(self) -> int:
        """How many videos were given and have no outcome yet."""
        ...

    def give(self, item: Input) -> None:
        """Give a video to an idle worker."""
        ...

    def wait(self) -> Sequence[Outcome | WorkerDeath]:
        """Wait for news of any given video. Dead workers are replaced."""
        ...

    def close(self) -> None:
        """Stop the workers; unfinished videos are dropped and leave no partial files."""
        ...


def collect_outcomes(
    items: Iterable[Input], workers: Workers, on_waiting: Callable[[int], object] | None = None
) -> Generator[Outcome, None, None]:
    """Yield the outcome of every video, in the order in which they finish.

    A video that another program is extracting is tried again until that program has finished it or has ended. A
    video whose worker died is tried once more.

    Args:
        items: The videos; one is taken whenever a worker is idle.
        workers: The workers; the caller closes them.
        on_waiting: Called once, with their number, when only videos are left that other programs are making.
    """
    waiting, busy, deaths = deque(items), deque[Input](), Counter[Input]()
    while waiting or busy or workers.working:
        if not waiting and not workers.working:
            if on_waiting is not None:
                on_waiting(len(busy))
                on_waiting = None
            time.sleep(BUSY_POLL_SECONDS)
            waiting, busy = busy, deque[Input]()
        while waiting and workers.idle:
            workers.give(waiting.popleft())
        for event in workers.wait():
            if isinstance(event, WorkerDeath):
                deaths[event.item] += 1
                if deaths[event.item] < ATTEMPTS:
                    waiting.appendleft(event.item)
                else:
                    yield _give_up(event)
            elif event.status == "busy":
                busy.append(event.item)
            else:
                yield event


def _give_up(death: WorkerDeath) -> Outcome:
    return Outcome(
        death.item,
        "failed",
        f"{death.item.path}: the worker died over it {ATTEMPTS} times, the last time {death.cause}.",
        "A damaged video can crash a decoder (try another reader=); a system short of memory kills workers.",
    )
