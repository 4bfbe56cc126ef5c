"""Where the work is done: threads or processes of this machine, or actors of a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass

from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.extraction.workers import Watch, Workers


@dataclass(frozen=True)
class Engine:
    """A kind of workers.

    Attributes:
        name: ``local`` or ``ray``.
        workers: Processes, or actors.
        address: Of the Ray cluster.
        cpus: Cores that one actor asks for.
        gpus: Share of a GPU that one actor asks for.
    """

    name: str = "local"
    workers: int = 1
    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def start(self, settings: ExtractionSettings, watch: Watch) -> Workers:
        """Its workers, ready to be given videos.

        Raises:
            UsageError: Ray is wanted and not installed.
            CltdrError: The cluster cannot be reached.
        """
        if self.name == "ray":
            from cltdr_cli.extraction.ray_workers import RayActors, RayNeeds

            return RayActors(settings, self.workers, RayNeeds(self.address, self.cpus, self.gpus), watch)
        if self.workers > 1:
            from cltdr_cli.extraction.process_workers import Processes

            return Processes(settings, self.workers, watch)
        from cltdr_cli.extraction.local_workers import SingleWorker, ThreadWorkers

        is_threaded = settings.videos_at_once > 1
        return ThreadWorkers(settings, watch) if is_threaded else SingleWorker(settings, watch)
