"""One network for several videos at once: what each has too few clips for, they fill together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from extractors.spec import Extractor

PATIENCE_SECONDS = 0.02
"""How long a batch that is not full waits for clips of other videos."""


@dataclass(frozen=True, eq=False)
class _Order:
    """Clips ``[B, F, C, S, S]`` of one video, and the promise of their features."""

    clips: Tensor
    features: Future[Tensor] = field(default_factory=Future[Any])

    def __len__(self) -> int:
        return len(self.clips)


class SharedExtractor:
    """An extractor that many threads call; a thread of its own runs the network, one batch at a time.

    Full batches go through as they come. Smaller ones (the last of each video) wait a moment for each other.
    Batches of other sizes round otherwise, so a video's features may differ in their last digits by its company.

    Args:
        extractor: The network that is shared.
        batch_clips: Clips of a full batch.
    """

    def __init__(self, extractor: Extractor, batch_clips: int) -> None:
        self.spec, self.device = extractor.spec, extractor.device
        self._extractor, self._batch_clips = extractor, batch_clips
        self._orders: queue.Queue[_Order | None] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, name="cltdr-network", daemon=True)
        self._thread.start()

    def prepare(self, frames: Tensor) -> Tensor:
        """As the extractor's; runs on the caller's thread."""
        return self._extractor.prepare(frames)

    def encode(self, clips: Tensor) -> Tensor:
        """As the extractor's, perhaps together with clips of other callers.

        Raises:
            ValueError: As the extractor's.
        """
        order = _Order(clips)
        self._orders.put(order)
        return order.features.result()

    def class_head(self) -> nn.Linear | None:
        """As the extractor's."""
        return self._extractor.class_head()

    def close(self) -> None:
        """End the thread; orders that wait are served before."""
        self._orders.put(None)
        self._thread.join()

    def _serve(self) -> None:
        held: _Order | None = None
        while (first := held or self._orders.get()) is not None:
            held, together = None, [first]
            while sum(map(len, together)) < self._batch_clips:
                following = self._following()
                if following is None:
                    break
                if sum(map(len, together)) + len(following) > self._batch_clips:
                    held = following
                    break
                together.append(following)
            self._encode(together)

    def _following(self) -> _Order | None:
        """The next order, if it comes soon; an end is put back for the loop to find."""
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
            parts = self._extractor.encode(clips).split([len(order) for order in together])
        except Exception as error:  # belongs to those who gave the clips
            for order in together:
                order.features.set_exception(error)
            return
        for order, features in zip(together, parts, strict=True):
            order.features.set_result(features)
