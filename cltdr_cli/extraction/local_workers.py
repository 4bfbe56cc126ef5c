"""Workers in this process: one video after the other, or several at once on threads that share one network."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from threading import Event

from cltdr_cli.extraction.one_video import Outcome, Stopped, VideoExtraction
from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.extraction.workers import Watch
from cltdr_cli.features.batching import SharedExtractor
from cltdr_cli.video.named_inputs import Input


class SingleWorker:
    """One video after the other, in this thread."""

    def __init__(self, settings: ExtractionSettings, watch: Watch) -> None:
        self._extraction, self._watch = VideoExtraction(settings), watch
        self._given = deque[Input]()

    @property
    def idle(self) -> int:
        """One, until a video is given."""
        return 1 - len(self._given)

    @property
    def working(self) -> int:
        """Whether a video was given."""
        return len(self._given)

    def give(self, item: Input) -> None:
        """Keep it until it is waited for."""
        self._given.append(item)

    def wait(self) -> Sequence[Outcome]:
        """Extract it now."""
        item = self._given.popleft()
        return [self._extraction.make(item, partial(self._watch, item))]

    def close(self) -> None:
        """Nothing to stop."""


class ThreadWorkers:
    """Several videos at once on threads; incomplete batches of different videos go through the network together."""

    def __init__(self, settings: ExtractionSettings, watch: Watch) -> None:
        self._settings, self._watch, self._stopped = settings, watch, Event()
        self._threads = ThreadPoolExecutor(settings.videos_at_once, "cltdr-video")
        self._given: dict[Future[Outcome], VideoExtraction] = {}
        self._shared: SharedExtractor | None = None
        self._extractions: list[VideoExtraction] = []

    @property
    def idle(self) -> int:
        """Threads without a video."""
        return self._settings.videos_at_once - len(self._given)

    @property
    def working(self) -> int:
        """Threads with one."""
        return len(self._given)

    def give(self, item: Input) -> None:
        """Extract it on a thread; the first video loads the network."""
        if self._shared is None:
            settings = self._settings
            self._shared = SharedExtractor(VideoExtraction(settings).extractor, settings.options.batch_clips)
            self._extractions = [VideoExtraction(settings, self._shared) for _ in range(settings.videos_at_once)]
        extraction = self._extractions.pop()
        self._given[self._threads.submit(extraction.make, item, partial(self._watch_video, item))] = extraction

    def wait(self) -> Sequence[Outcome]:
        """Wait until at least one video is done; the outcomes of all that are."""
        done, _ = wait(self._given, return_when=FIRST_COMPLETED)
        self._extractions += [self._given.pop(future) for future in done]
        return [future.result() for future in done]

    def close(self) -> None:
        """Let the threads end at their next frames."""
        self._stopped.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._shared is not None:
            self._shared.close()

    def _watch_video(self, item: Input, done: int, total: int | None) -> None:
        if self._stopped.is_set():
            raise Stopped
        self._watch(item, done, total)
