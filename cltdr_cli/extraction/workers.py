"""Workers that extract features, and how videos are given to them until each has an outcome; workers may die."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cltdr_cli.extraction.one_video import Outcome
from cltdr_cli.video.inputs import Input

Watch = Callable[[Input, int, "int | None"], object]
"""Called with a video, its frames done and expected."""

ATTEMPTS = 2
"""Tries of a video whose worker dies; a worker may be killed for a reason that has nothing to do with the video."""

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
    """Workers that make features, wherever they run."""

    @property
    def idle(self) -> int:
        """How many more videos can be given now."""
        ...

    @property
    def working(self) -> int:
        """How many videos were given and have no outcome yet."""
        ...

    def give(self, item: Input) -> None:
        """Let an idle worker make a video."""
        ...

    def wait(self) -> Sequence[Outcome | WorkerDeath]:
        """Wait until something is known of a given video. Dead workers are replaced."""
        ...

    def close(self) -> None:
        """Stop the workers; what they are working on is dropped, and nothing half-written stays."""
        ...


def collect_outcomes(
    items: Iterable[Input], workers: Workers, on_waiting: Callable[[int], object] | None = None
) -> Generator[Outcome, None, None]:
    """Every video's outcome, as they come.

    A video that another program is making is asked for again until that program has finished it or is gone. One
    over which a worker died is tried once more.

    Args:
        items: The videos; taken as workers fall idle, so that no more wait than there are workers.
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
