"""Workers that are Ray actors, on one machine or a cluster; each holds one network, makes one video at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cltdr_cli.errors import CltdrError, UsageError
from cltdr_cli.extraction.crew import Death, Watch
from cltdr_cli.extraction.job import Outcome, Setup, Workshop
from cltdr_cli.video.inputs import Input


@dataclass(frozen=True)
class RayNeeds:
    """What one actor asks the cluster for.

    Attributes:
        address: Of the cluster; None starts one on this machine, or joins the one that is there.
        cpus: Cores.
        gpus: Share of a GPU: 0.5 lets two actors share one.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0


class RayActors:
    """A fixed number of actors; one that dies, or whose machine does, is replaced.

    Videos, weights and the output folder must be seen under the same paths by every machine.

    Args:
        setup: What to make.
        count: Actors.
        needs: What each asks for.
        watch: Told when a video begins; actors report no frames.

    Raises:
        UsageError: Ray is not installed.
        CltdrError: The cluster cannot be reached.
    """

    def __init__(self, setup: Setup, count: int, needs: RayNeeds, watch: Watch) -> None:
        self._ray, self._setup, self._needs, self._watch = _connected(needs), setup, needs, watch
        options = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "max_restarts": 0}
        self._actor_class: Any = self._ray.remote(**options)(Workshop)
        self._idle = [self._started() for _ in range(count)]
        self._given: dict[Any, tuple[Any, Input]] = {}

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
        self._given[actor.make.remote(item)] = (actor, item)
        self._watch(item, 0, None)

    def wait(self) -> Sequence[Outcome | Death]:
        """What became of the next video."""
        (reference, *_), _ = self._ray.wait(list(self._given), num_returns=1)
        actor, item = self._given.pop(reference)
        try:
            outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(actor)
            self._idle.append(self._started())
            return [Death(item, f"with {type(error).__name__}")]
        self._idle.append(actor)
        return [outcome]

    def close(self) -> None:
        """Dismiss the actors, and the cluster if it was started for this run."""
        for actor in [*self._idle, *(actor for actor, _ in self._given.values())]:
            self._ray.kill(actor)
        self._ray.shutdown()

    def _started(self) -> Any:
        return self._actor_class.remote(self._setup)


def _connected(needs: RayNeeds) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray: Ray is not installed.", "pip install 'cltdr-cli[ray]'") from error
    try:
        ray.init(address=needs.address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise CltdrError(
            f"The Ray cluster {needs.address or 'of this machine'} cannot be used: {error}.",
            "ray status tells whether it runs; ray start --head begins one.",
        ) from error
    return ray
