"""Frozen networks that go through a video frame by frame and remember what they saw."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from extractors.frozen import FrozenExtractor, check_length


class FrozenStream(FrozenExtractor):
    """A causal network without gradients; ``FrozenExtractor`` says what its arguments are.

    The network has ``start()``, which gives the state before the first frame, and maps frames ``[N, C, S, S]`` and a
    state, which it moves on, to features ``[N, width]``.
    """

    def start_run(self) -> FrozenRun:
        """Begin a video; several may be under way, each remembers its own frames."""
        return FrozenRun(self)

    @torch.inference_mode()
    def encode(self, clips: Tensor) -> Tensor:
        """Features ``[B, width]`` after the last frame of each of the clips ``[B, F, C, S, S]``, each a video.

        Raises:
            ValueError: The clips have fewer or more frames than ``spec.window_range`` allows.
        """
        check_length(clips, self.spec)
        return torch.stack([self.start_run().encode(clip)[-1] for clip in clips])


class FrozenRun:
    """The way of a causal network through one video.

    Args:
        extractor: The network.
    """

    def __init__(self, extractor: FrozenStream) -> None:
        self._extractor = extractor
        self._state: Any = extractor.network.start()  # type: ignore[operator] # every causal network has one

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """The next prepared frames ``[N, C, S, S]`` to their features ``[N, width]`` float32."""
        with self._extractor.arithmetic():
            return self._extractor.network(frames.to(self._extractor.device), self._state).float()
