"""One network shared by several videos: clips of different videos fill a batch together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from extractors.spec import StreamExtractor

if TYPE_CHECKING:
    from torch import Tensor, nn

    from extractors.spec import Extractor, FeatureRun

PATIENCE_SECONDS = 0.02
"""How long an incomplete batch waits for clips of other videos."""


@dataclass(frozen=True, eq=False)
class _Order:
    """Clips ``[B, F, C, S, S]`` of one video, and the future that will hold their features."""

    clips: Tensor
    features: Future[Tensor] = field(default_factory=Future[Any])


class SharedExtractor:
    """An extractor that many threads may call; one thread runs the network, one batch at a time.

    Full batches are computed at once. Smaller ones (the last of each video) wait briefly to be joined with others.
    Rounding depends on the batch size, so the last digits of features may depend on which videos share a batch.

    Args:
        extractor: The network that is shared.
        batch_clips: Clips of a full batch.
    """

    def __init__(self, extractor: Extractor, batch_clips: int) -> None:
        self.spec, self.device = extractor.spec, extractor.device
        self._extractor, self._batch_clips = extractor, batch_clips
        self._orders: queue.Queue[_Order | None] = queue.Queue()
        self._lock, self._closed = threading.Lock(), False
        self._thread = threading.Thread(target=self._serve, name="cltdr-network", daemon=True)
        self._thread.start()

    def prepare(self, frames: Tensor) -> Tensor:
        """Prepare frames on the caller's thread; see ``Extractor.prepare``."""
        return self._extractor.prepare(frames)

    def encode(self, clips: Tensor) -> Tensor:
        """Compute features of clips, possibly in one batch with other callers' clips; see ``Extractor.encode``.

        Raises:
            ValueError: As ``Extractor.encode``.
            RuntimeError: It is closed.
        """
        order = _Order(clips)
        with self._lock:
            if self._closed:
                raise RuntimeError("the shared extractor is closed")
            self._orders.put(order)
        return order.features.result()

    def class_head(self) -> nn.Module | None:
        """The classifier of the weights; None without one."""
        return self._extractor.class_head()

    def start_run(self) -> FeatureRun:
        """Begin a video of a causal extractor, which cannot be joined with others: its frames come in order."""
        if not isinstance(self._extractor, StreamExtractor):
            raise TypeError(f"{self.spec.name} is not causal")
        return self._extractor.start_run()

    def close(self) -> None:
        """Compute what is waiting, then end the thread."""
        with self._lock:
            self._closed = True
        self._orders.put(None)
        self._thread.join()

    def _serve(self) -> None:
        held: _Order | None = None
        while (first := self._orders.get() if held is None else held) is not None:
            together, held = self._gather_batch(first)
            self._encode(together)

    def _gather_batch(self, first: _Order) -> tuple[list[_Order], _Order | None]:
        """Orders that together fit one batch, and an order that arrived but did not fit (kept for the next batch)."""
        together, count = [first], len(first.clips)
        while count < self._batch_clips and (following := self._take_following()) is not None:
            count += len(following.clips)
            if count > self._batch_clips:
                return together, following
            together.append(following)
        return together, None

    def _take_following(self) -> _Order | None:
        """The next order if it arrives in time, else None; the end mark goes back into the queue."""
        try:
            order = self._orders.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            return None
        if order is None:
            self._orders.put(None)
        return order

    def _encode(self, together: Sequence[_Order]) -> None:
        import torch

        try:
            clips = together[0].clips if len(together) == 1 else torch.cat([order.clips for order in together])
            parts = self._extractor.encode(clips).split([len(order.clips) for order in together])
        except BaseException as error:  # callers wait for an answer, so every error is passed on to them
            if len(together) == 1:
                together[0].features.set_exception(error)
                return
            for order in together:  # one by one, so that only the caller whose clips fail gets the error
                self._encode([order])
            return
        for order, features in zip(together, parts, strict=True):
            order.features.set_result(features)
