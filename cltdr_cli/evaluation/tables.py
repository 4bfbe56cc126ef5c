"""What the metric compares: columns of annotated instances and columns of scored predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TieRule = Literal["published", "stable"]
"""How equal scores are ordered, see ``average_precision.ranked``."""

UNKNOWN = -1
"""Index of a video or label that the ground truth does not have."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotated instances of one split.

    Attributes:
        videos: int64 ``[G]``, indices into ``video_ids``.
        labels: int64 ``[G]``, indices into ``label_names``.
        segments_seconds: float64 ``[G, 2]``, start and end.
        video_ids: Every video of the split, also those without an instance.
        label_names: Class names by index.
    """

    videos: NDArray[np.int64]
    labels: NDArray[np.int64]
    segments_seconds: NDArray[np.float64]
    video_ids: tuple[str, ...]
    label_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scored segments, in the order of their file.

    Attributes:
        videos: int64 ``[N]``, indices of the ground truth's videos; -1 for a video outside of it.
        labels: int64 ``[N]``, indices of the ground truth's labels; -1 for a label outside of it.
        segments_seconds: float64 ``[N, 2]``, start and end.
        scores: float64 ``[N]``.
    """

    videos: NDArray[np.int64]
    labels: NDArray[np.int64]
    segments_seconds: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """The rows of a boolean mask or index array, order kept."""
        return Predictions(self.videos[keep], self.labels[keep], self.segments_seconds[keep], self.scores[keep])
