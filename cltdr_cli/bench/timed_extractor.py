"""An extractor whose parts are timed while it works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from extractors.spec import Extractor, FeatureRun


class TimedExtractor:
    """An extractor that notes how long its two halves take; a GPU is waited for after each.

    Args:
        extractor: What is timed.

    Attributes:
        transfer: Seconds of bringing frames to the device and preparing them there.
        network: Seconds of encoding.
    """

    def __init__(self, extractor: Extractor) -> None:
        self.spec, self.device, self._extractor = extractor.spec, extractor.device, extractor
        self.transfer = self.network = 0.0

    def prepare(self, frames: Tensor) -> Tensor:
        """As ``Extractor.prepare``."""
        began = time.perf_counter()
        prepared = self._extractor.prepare(frames)
        self._finish()
        self.transfer += time.perf_counter() - began
        return prepared

    def encode(self, clips: Tensor) -> Tensor:
        """As ``Extractor.encode``."""
        began = time.perf_counter()
        features = self._extractor.encode(clips)
        self.note(began)
        return features

    def class_head(self) -> nn.Module | None:
        """As ``Extractor.class_head``."""
        return self._extractor.class_head()

    def start_run(self) -> _TimedRun:
        """As ``StreamExtractor.start_run``."""
        from extractors.spec import StreamExtractor

        assert isinstance(self._extractor, StreamExtractor)
        return _TimedRun(self, self._extractor.start_run())

    def note(self, began: float) -> None:
        """Add the seconds since then to those of the network."""
        self._finish()
        self.network += time.perf_counter() - began

    def _finish(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class _TimedRun:
    """The way of a causal extractor through one video, its time noted with the extractor's."""

    def __init__(self, timed: TimedExtractor, run: FeatureRun) -> None:
        self._timed, self._run = timed, run

    def encode(self, frames: Tensor) -> Tensor:
        began = time.perf_counter()
        features = self._run.encode(frames)
        self._timed.note(began)
        return features
