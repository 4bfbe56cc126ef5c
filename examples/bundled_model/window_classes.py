"""Soft class labels of frames, cells and windows: shares of the eight actions and of idle."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.demo.actions import LABELS

Shares = NDArray[np.float32]
"""Shares of the classes, ``[N, 9]``; every row sums to 1."""

IDLE = len(LABELS)

_NUMBERS = {label: number for number, label in enumerate(LABELS)}


def compute_frame_shares(video: AnnotatedVideo, frame_count: int) -> Shares:
    """Shares of the classes in each frame, ``[F, 9]``.

    What happens at the middle of a frame counts. Two actions at once get half each; no action at all is idle.

    Args:
        video: The annotation, with segments in seconds and the constant frame rate.
        frame_count: Number of frames, F.

    Raises:
        ValueError: The annotation has no frame rate.
    """
    if video.fps is None:
        raise ValueError(f"the annotation of {video.video_id} has no frame rate")
    middles = (np.arange(frame_count) + 0.5) / video.fps
    shows = np.zeros((frame_count, IDLE + 1), np.float32)
    for instance in video.instances:
        shows[(middles >= instance.start) & (middles < instance.end), _NUMBERS[instance.label]] = 1.0
    shows[:, IDLE] = ~shows.any(1)
    return shows / shows.sum(1, keepdims=True)


def pool_cells(shares: Shares, frames: int) -> Shares:
    """Shares of the classes in cells of ``frames`` frames each, ``[N // frames, 9]``.

    Frames left over at the end are dropped.
    """
    whole = len(shares) // frames * frames
    return shares[:whole].reshape(-1, frames, shares.shape[1]).mean(1)


def compute_window_shares(cells: Shares, window_cells: int) -> Shares:
    """Shares of the classes at the centres of windows one cell apart, ``[N - window_cells + 1, 9]``.

    Only the two middle cells of a window count (the middle one, if their number is odd), so that a window gets the
    class that covers its centre, and both classes where a boundary lies there.

    Args:
        cells: Shares in each cell, ``[N, 9]``.
        window_cells: Cells in a window.
    """
    first, last = (window_cells - 1) // 2, window_cells // 2
    count = len(cells) - window_cells + 1
    return (cells[first : first + count] + cells[last : last + count]) * np.float32(0.5)


def find_clear_classes(shares: Iterable[NDArray[np.float32]], least: float = 0.99) -> NDArray[np.int64]:
    """The class of every row that shows one class only, -1 for the others: for measuring accuracy."""
    rows = np.stack(list(shares))
    return np.where(rows.max(1) >= least, rows.argmax(1), -1).astype(np.int64)
