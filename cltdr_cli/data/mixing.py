"""Blends stretches of other videos into a training sample, so that single steps are less to be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cltdr_cli.data.samples import Sample


def mix_stretches(
    sample: Sample,
    pick_other: Callable[[np.random.Generator], Sample],
    share: float,
    mean_steps: int,
    rng: np.random.Generator,
) -> Sample:
    """The sample with some stretches blended with stretches of other videos; labels stay.

    In each stretch the features become ``(1 - a) x + a y`` with one ``a`` drawn from 0 to 1, and ``y`` as many steps
    of another video. Stretches may overlap; in sum they have as many steps as asked for.

    Args:
        sample: Is not changed.
        pick_other: Draws a sample to take a stretch from.
        share: Of the sample's steps; 0 changes nothing.
        mean_steps: Mean length of a stretch; lengths are geometrically distributed.
        rng: All chance comes from it.
    """
    features = sample.features.copy()
    left = round(share * len(features))
    while left > 0:
        other = pick_other(rng).features
        steps = min(int(rng.geometric(1 / mean_steps)), left, len(other))
        start, origin = rng.integers(len(features) - steps + 1), rng.integers(len(other) - steps + 1)
        weight, place = features.dtype.type(rng.uniform()), slice(start, start + steps)
        features[place] += weight * (other[origin : origin + steps] - features[place])
        left -= steps
    return replace(sample, features=features)
