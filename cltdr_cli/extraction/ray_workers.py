"""Workers that are Ray actors, on one machine or a cluster; each holds one network, makes one video at a time."""

from __future__ import annotations

import logging
import math
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from cltdr_cli.errors import CltdrError, UsageError
from cltdr_cli.extraction.one_video import Outcome, VideoExtraction
from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.extraction.workers import Watch, WorkerDeath
from cltdr_cli.video.named_inputs import Input

START_SECONDS = 600.0
"""A cluster that grows takes minutes for a new machine; one that cannot give what is asked never answers."""

_MOST_FALSE_STARTS = 3


@dataclass(frozen=True)
class RayNeeds:
    """Resources that one actor asks the cluster for.

    Attributes:
        address: Of the cluster, or ``auto`` for the one that this machine belongs to; None starts one on this
            machine for this run.
        cpus: Cores.
        gpus: Share of a GPU: 0.5 lets two actors share one.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0


class RayActors:
    """A fixed number of actors; one that dies, or whose machine does, is replaced.

    An actor gets a video once it runs: where the cluster has room for fewer, those few do all the work. Videos,
    weights and the output folder must be seen under the same paths by every machine.

    Args:
        settings: Settings of the run.
        count: Number of actors.
        needs: Resources of each actor.
        watch: Called when a video begins; actors report no frames.

    Raises:
        UsageError: Ray is not installed.
        CltdrError: The cluster cannot be reached.
    """

    def __init__(self, settings: ExtractionSettings, count: int, needs: RayNeeds, watch: Watch) -> None:
        self._ray, self._needs, self._watch = _connect(needs, count), needs, watch
        self._settings = _make_paths_absolute(settings)
        options = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "max_restarts": 0}
        self._actor_class: Any = self._ray.remote(**options)(VideoExtraction)
        self._idle: list[Any] = []
        self._given: dict[Any, tuple[Any, Input]] = {}
        self._starting: dict[Any, Any] = {}
        self._false_starts, self._most_false_starts = 0, _MOST_FALSE_STARTS * count
        if needs.address is None and needs.gpus > self._ray.cluster_resources().get("GPU", 0):
            problem = self._explain_no_start("this machine has not that much")
            self._ray.shutdown()
            raise problem
        for _ in range(count):
            self._start()

    @property
    def idle(self) -> int:
        """Actors without a video."""
        return len(self._idle)

    @property
    def working(self) -> int:
        """Actors with one."""
        return len(self._given)

    def give(self, item: Input) -> None:
        """Send it to an idle actor."""
        actor = self._idle.pop()
        self._given[actor.make.remote(replace(item, path=item.path.absolute()))] = (actor, item)
        self._watch(item, 0, None)

    def wait(self) -> Sequence[Outcome | WorkerDeath]:
        """What became of the next video; nothing when an actor has begun.

        Raises:
            CltdrError: The cluster starts no actor.
        """
        waited = [*self._given, *self._starting]
        ready, _ = self._ray.wait(waited, num_returns=1, timeout=None if self._given else START_SECONDS)
        if not ready:
            raise self._explain_no_start(f"none began within {START_SECONDS / 60:.0f} minutes")
        if ready[0] in self._starting:
            self._welcome(ready[0])
            return []
        return [self._collect(ready[0])]

    def close(self) -> None:
        """Stop the actors, and the cluster if it was started for this run."""
        for actor in [*self._idle, *self._starting.values(), *(actor for actor, _ in self._given.values())]:
            self._ray.kill(actor)
        self._ray.shutdown()

    def _start(self) -> None:
        actor = self._actor_class.remote(self._settings)
        self._starting[actor.__ray_ready__.remote()] = actor

    def _welcome(self, reference: Any) -> None:
        """Take an actor that has started, or handle its failure to start."""
        actor = self._starting.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._false_starts += 1
            if self._false_starts >= self._most_false_starts:
                raise self._explain_no_start(_find_first_line(error)) from error
            self._start()
            return
        self._false_starts = 0
        self._idle.append(actor)

    def _collect(self, reference: Any) -> Outcome | WorkerDeath:
        actor, item = self._given.pop(reference)
        try:
            outcome: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(actor)
            self._start()
            return WorkerDeath(item, f"with {type(error).__name__} ({_find_first_line(error)})")
        self._idle.append(actor)
        return replace(outcome, item=item)

    def _explain_no_start(self, reason: str) -> CltdrError:
        asked = f"{self._needs.cpus:g} cores and {self._needs.gpus:g} GPUs"
        there = self._ray.cluster_resources()
        return CltdrError(
            f"Ray starts no actor: {reason}. Each asks for {asked}; the cluster has {there.get('CPU', 0):g} and "
            f"{there.get('GPU', 0):g}.",
            "Ask for less with ray_cpus= and ray_gpus=, or look at `ray status`; cltdr must be installed on every "
            "machine.",
        )


def _make_paths_absolute(settings: ExtractionSettings) -> ExtractionSettings:
    """The same settings with absolute paths, which mean the same wherever an actor runs."""
    files = {name: path.absolute() for name, path in settings.sources.files.items()}
    first = tuple(path.absolute() for path in settings.calibration_videos)
    sources = replace(settings.sources, files=files)
    return replace(settings, out=settings.out.absolute(), sources=sources, calibration_videos=first)


def _find_first_line(error: BaseException) -> str:
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first.strip().rstrip(".")


def _connect(needs: RayNeeds, count: int) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError("engine= ray: Ray is not installed.", "pip install 'cltdr-cli[ray]'") from error
    own: dict[str, Any] = {"num_cpus": max(1, math.ceil(count * needs.cpus)), "include_dashboard": False}
    where: dict[str, Any] = {"address": "local", **own} if needs.address is None else {"address": needs.address}
    try:
        with _keep_signal_handler():
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise CltdrError(
            f"The Ray cluster {needs.address or 'of this machine'} cannot be used: {error}.",
            "`ray status` tells whether it runs; `ray start --head` starts one.",
        ) from error
    return ray


@contextmanager
def _keep_signal_handler() -> Generator[None]:
    """Keep our SIGTERM handler: Ray's own would end the program before the actors are stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
