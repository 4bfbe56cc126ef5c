"""Frames made ready for a network, on a thread that reads ahead."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.read_ahead import read_ahead

if TYPE_CHECKING:
    from torch import Tensor

    from cltdr_cli.video.frames import FrameBatch, FrameTiming


class TimedFrames(Protocol):
    """Frames in presentation order, each once; after the last one, ``timing`` holds their measured times."""

    @property
    def timing(self) -> FrameTiming:
        """Measured timing of the stream; available after the last frame."""
        ...

    def __iter__(self) -> Iterator[FrameBatch]:
        """Batches of any size."""
        ...


class Preparer(Protocol):
    """The first half of an extractor."""

    def prepare(self, frames: Tensor) -> Tensor:
        """Uint8 frames ``[N, H, W, C]`` to network input ``[N, C, S, S]``."""
        ...


Prepared = TypeVar("Prepared")


def prepare_ahead(
    stream: TimedFrames, prepare: Callable[[NDArray[np.uint8]], Prepared], ahead_batches: int = 0
) -> Generator[tuple[int, Prepared], None, None]:
    """Prepare the frames of a stream, batch by batch.

    Resizing takes about as long as decoding, so a thread that does both keeps one core busy while the network has the
    others.

    Args:
        stream: The frames.
        prepare: What is done to the frames ``[N, H, W, C]`` of each batch.
        ahead_batches: Batches that wait at most; a thread reads and prepares them. 0 does both when a batch is asked
            for.

    Yields:
        How many frames have been read so far, and what became of the last batch.
    """
    prepared = _prepare(stream, prepare)
    return read_ahead(prepared, ahead_batches) if ahead_batches else prepared


def _prepare(
    stream: TimedFrames, prepare: Callable[[NDArray[np.uint8]], Prepared]
) -> Generator[tuple[int, Prepared], None, None]:
    frames = 0
    for batch in stream:
        frames += len(batch)
        yield frames, prepare(batch.frames)


def prepare_frames(extractor: Preparer, frames: NDArray[np.uint8]) -> Tensor:
    """Frames ``[N, H, W, C]`` as the extractor's network takes them, ``[N, C, S, S]``."""
    import torch

    return extractor.prepare(torch.from_numpy(np.require(frames, requirements=["C", "W"])))
