"""Pictures one by one into batches."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.decoding import StreamDamageError
from cltdr_cli.video.frames import FrameBatch, VideoInfo


def gather_batches(
    pictures: Iterable[tuple[NDArray[np.uint8], float]], batch_frames: int, info: VideoInfo
) -> Generator[FrameBatch, None, None]:
    """Gather pictures as shown, uint8 ``[H, W, 3]``, with their seconds; each is copied once.

    Raises:
        StreamDamageError: The pictures broke off; those before it were yielded.
    """
    shape = (batch_frames, info.height, info.width, 3)
    frames, times = np.empty(shape, np.uint8), list[float]()
    damage: StreamDamageError | None = None
    try:
        for picture, seconds in pictures:
            frames[len(times)] = picture
            times.append(seconds)
            if len(times) == batch_frames:
                yield FrameBatch(frames, np.array(times))
                frames, times = np.empty(shape, np.uint8), []
    except StreamDamageError as error:
        damage = error
    if times:
        yield FrameBatch(frames[: len(times)], np.array(times))
    if damage is not None:
        raise damage
