"""The two tables that the metric compares: annotated instances and scored predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TieRule = Literal["published", "stable"]
"""Order of equal scores, see ``average_precision.rank_predictions``."""

UNKNOWN = -1
"""Index for a video or label that is not in the ground truth."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Annotated instances of one split.

    Attributes:
        videos: int64 ``[G]``, indices into ``video_ids``.
        labels: int64 ``[G]``, indices into ``label_names``.
        segments_seconds: float64 ``[G, 2]``, start and end.
        video_ids: All videos of the split, also those without instances.
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
        videos: int64 ``[N]``, indices of videos in the ground truth; -1 if it is not there.
        labels: int64 ``[N]``, indices of labels in the ground truth; -1 if it is not there.
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
        """Select the rows of a boolean mask or an index array, in their order."""
        return Predictions(self.videos[keep], self.labels[keep], self.segments_seconds[keep], self.scores[keep])
