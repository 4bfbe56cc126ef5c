"""What a window of frames shows, as shares: the eight actions by their numbers, then idle."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.demo.actions import LABELS

Shares = NDArray[np.float32]
"""Rows that sum to 1, ``[N, 9]``."""

IDLE = len(LABELS)

_NUMBERS = {label: number for number, label in enumerate(LABELS)}


def frame_shares(video: AnnotatedVideo, frame_count: int) -> Shares:
    """What each frame shows, ``[F, 9]``.

    A frame is taken at its middle. Two figures that act at once share it evenly; nobody acting is idle.

    Args:
        video: Its segments in seconds, and its constant frame rate.
        frame_count: F.

    Raises:
        ValueError: The annotation tells no frame rate.
    """
    if video.fps is None:
        raise ValueError(f"the annotation of {video.video_id} tells no frame rate")
    middles = (np.arange(frame_count) + 0.5) / video.fps
    shows = np.zeros((frame_count, IDLE + 1), np.float32)
    for instance in video.instances:
        shows[(middles >= instance.start) & (middles < instance.end), _NUMBERS[instance.label]] = 1.0
    shows[:, IDLE] = ~shows.any(1)
    return shows / shows.sum(1, keepdims=True)


def pooled(shares: Shares, frames: int) -> Shares:
    """Means of ``frames`` rows at a time, ``[N // frames, 9]``: what cells of so many frames show.

    Rows left over at the end are dropped.
    """
    whole = len(shares) // frames * frames
    return shares[:whole].reshape(-1, frames, shares.shape[1]).mean(1)


def window_shares(cells: Shares, window_cells: int) -> Shares:
    """What windows one cell apart show around their centres, ``[N - window_cells + 1, 9]``.

    Only the two middle cells count (one of an odd number: the middle one and none beside it), so that a window is
    named after what covers its centre, and one that stands astride a boundary after both sides.

    Args:
        cells: ``[N, 9]``.
        window_cells: Cells of a window.
    """
    first, last = (window_cells - 1) // 2, window_cells // 2
    count = len(cells) - window_cells + 1
    return (cells[first : first + count] + cells[last : last + count]) * np.float32(0.5)


def clear_classes(shares: Iterable[NDArray[np.float32]], least: float = 0.99) -> NDArray[np.int64]:
    """The class of every row that shows one only, -1 elsewhere: for measuring accuracy."""
    rows = np.stack(list(shares))
    return np.where(rows.max(1) >= least, rows.argmax(1), -1).astype(np.int64)
