"""Workers that are processes, so that a crash (of a decoder, or for lack of memory) costs one video only."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from cltdr_cli.extraction.one_video import Outcome, Stopped, VideoExtraction
from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.extraction.workers import Watch, WorkerDeath
from cltdr_cli.video.named_inputs import Input

TELL_SECONDS = 0.3
GOODBYE_SECONDS = 5.0


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    item: Input | None = None


class Processes:
    """Several processes, each with its own network and its share of the cores.

    Args:
        settings: Settings of the run.
        count: Number of processes.
        watch: Called with every video's progress.
    """

    def __init__(self, settings: ExtractionSettings, count: int, watch: Watch) -> None:
        self._settings, self._watch = settings, watch
        self._workers = [self._start() for _ in range(count)]

    @property
    def idle(self) -> int:
        """Workers without a video."""
        return sum(worker.item is None for worker in self._workers)

    @property
    def working(self) -> int:
        """Workers with one."""
        return len(self._workers) - self.idle

    def give(self, item: Input) -> None:
        """Send it to an idle worker; one that has died meanwhile is replaced."""
        index = next(i for i, worker in enumerate(self._workers) if worker.item is None)
        if not self._workers[index].process.is_alive():
            self._replace(index)
        worker = self._workers[index]
        worker.item = item
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # if it died just now, ``wait`` finds it
            worker.pipe.send(item)

    def wait(self) -> Sequence[Outcome | WorkerDeath]:
        """Wait for messages of the workers; outcomes of finished videos, and deaths of workers."""
        working = [index for index, worker in enumerate(self._workers) if worker.item is not None]
        ready = connection.wait([self._workers[index].pipe for index in working])
        said = [self._receive(index) for index in working if self._workers[index].pipe in ready]
        return [event for event in said if event is not None]

    def close(self) -> None:
        """End the workers; a busy one abandons its video."""
        for worker in self._workers:
            worker.process.terminate()
            worker.pipe.close()
        latest = time.monotonic() + GOODBYE_SECONDS
        for worker in self._workers:
            _end_process(worker.process, max(0.0, latest - time.monotonic()))

    def _start(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(self._settings, theirs), name="cltdr-worker", daemon=True)
        with _ignore_ctrl_c():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _replace(self, index: int) -> int | None:
        """Put a new worker in the place of a dead one; returns the exit code of that."""
        worker = self._workers[index]
        _end_process(worker.process, GOODBYE_SECONDS)
        worker.pipe.close()
        self._workers[index] = self._start()
        return worker.process.exitcode

    def _receive(self, index: int) -> Outcome | WorkerDeath | None:
        worker = self._workers[index]
        assert worker.item is not None
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):  # a message may break off in the middle
            return WorkerDeath(worker.item, _describe_exit(self._replace(index)))
        if isinstance(message, Outcome):
            worker.item = None
            return message
        self._watch(worker.item, *message)
        return None


def _work(settings: ExtractionSettings, pipe: Connection) -> None:
    """Main loop of a worker: receive videos, send progress and outcomes, until the other end closes or stops it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the run itself ends its workers
    signal.signal(signal.SIGTERM, _stop)
    extraction = VideoExtraction(settings)
    sent_at = 0.0

    def send_progress(done: int, total: int | None) -> None:
        nonlocal sent_at
        if time.monotonic() - sent_at >= TELL_SECONDS:
            sent_at = time.monotonic()
            pipe.send((done, total))

    try:
        while True:
            pipe.send(extraction.make(pipe.recv(), send_progress))
    except (EOFError, BrokenPipeError, ConnectionResetError, Stopped):
        os._exit(0)  # nobody waits for this process, so threads of the decoder are not joined


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what is half-written is being removed now
    raise Stopped


@contextlib.contextmanager
def _ignore_ctrl_c() -> Generator[None]:
    """Processes started inside never receive Ctrl-C, not even while loading; this process receives it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # otherwise the first process starts it, and that would unblock signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_process(process: SpawnProcess, patience_seconds: float) -> None:
    """Wait for a process to end, and kill it if it does not."""
    process.join(patience_seconds)
    if process.is_alive():
        process.kill()
        process.join()


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"with exit status {exit_code}"
    try:
        return f"by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"by signal {-exit_code}"
