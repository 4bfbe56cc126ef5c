"""Features as the network takes them: thinned out or stretched. Training and inference both go through here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.timeline import FeatureSequence


def arrange_features(
    sequence: FeatureSequence, downsample_rate: int = 1, stretch_to_steps: int | None = None
) -> FeatureSequence:
    """Every ``downsample_rate``-th step of a sequence; then ``stretch_to_steps`` steps, unless that is None."""
    features, grid = sequence.features, sequence.grid
    if downsample_rate > 1:
        features, grid = features[::downsample_rate], grid.strided(downsample_rate)
    if stretch_to_steps is not None:
        grid = grid.stretched(len(features), stretch_to_steps)
        features = stretch_features(features, stretch_to_steps)
    return replace(sequence, features=features, grid=grid)


def stretch_features(features: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Features ``[T, C]`` -> ``[steps, C]`` by linear interpolation between half-pixel centres."""
    at = ((np.arange(steps) + 0.5) * len(features) / steps - 0.5).clip(0, len(features) - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, len(features) - 1)
    share = (at - low).astype(np.float32)[:, None]
    return (features[low] * (1 - share) + features[high] * share).astype(np.float32, copy=False)
