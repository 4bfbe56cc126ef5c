"""Training samples: the features of a video or of a part of it, and what happens in them or in the whole video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Sample:
    """What one video gives to one batch.

    Attributes:
        features: float32 ``[T, C]``.
        segments_steps: float32 ``[N, 2]``, starts and ends in steps of these features.
        labels: int64 ``[N]``.
        seed: For the chance of this sample.
    """

    features: NDArray[np.float32]
    segments_steps: NDArray[np.float32]
    labels: NDArray[np.int64]
    seed: int = 0


@dataclass(frozen=True, eq=False)
class LabelSample:
    """What one video gives to one batch where only its labels are known. There is no field for times.

    Attributes:
        features: float32 ``[T, C]``.
        labels: float32 ``[K]``, 1 for each label of the video.
        seed: For the chance of this sample.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    seed: int = 0
