"""Random windows of long (or all) training sequences, and what of their instances stays (spec §8)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.samples import Sample


def cropped(
    sample: Sample,
    max_steps: int,
    trunc_thresh: float,
    crop_ratio: tuple[float, float] | None,
    rng: np.random.Generator,
) -> Sample:
    """A random window of a sample, or the sample itself where none is called for.

    Longer than ``max_steps``: a window of that length. Otherwise, with ``crop_ratio``: one of a random share of
    the length. The window holds at least one instance (by ``trunc_thresh`` of it), where any such window does.

    Args:
        sample: Features and segments of a whole video.
        max_steps: Longest length that a network is trained on.
        trunc_thresh: Share of an instance that must lie in the window for it to stay; it is clipped to the window.
        crop_ratio: Least and greatest share; None leaves sequences that fit as they are.
        rng: Of this sample in this epoch.
    """
    steps = len(sample.features)
    length = _window_steps(steps, max_steps, crop_ratio, rng)
    if length == steps:
        return sample
    starts = np.arange(steps - length + 1)
    useful = np.flatnonzero(_holds_instance(sample.segments_steps, starts, length, trunc_thresh))
    return window(sample, int(rng.choice(useful if len(useful) else starts)), length, trunc_thresh)


def window(sample: Sample, start: int, length: int, trunc_thresh: float) -> Sample:
    """``length`` steps from ``start`` on, and the instances that lie in them by ``trunc_thresh``."""
    segments = sample.segments_steps
    clipped = segments.clip(start, start + length)
    inside = clipped[:, 1] - clipped[:, 0]
    keep = (inside > 0) & (inside >= trunc_thresh * (segments[:, 1] - segments[:, 0]))
    return Sample(
        sample.features[start : start + length],
        (clipped[keep] - start).astype(np.float32),
        sample.labels[keep],
        sample.seed,
    )


def _window_steps(
    steps: int, max_steps: int, crop_ratio: tuple[float, float] | None, rng: np.random.Generator
) -> int:
    if steps > max_steps:
        return max_steps
    if crop_ratio is None:
        return steps
    least, most = max(round(crop_ratio[0] * steps), 1), min(round(crop_ratio[1] * steps), steps)
    return int(rng.integers(least, max(least, most) + 1))


def _holds_instance(
    segments: NDArray[np.float32], starts: NDArray[np.int64], length: int, trunc_thresh: float
) -> NDArray[np.bool_]:
    """Bool ``[S]``: which windows hold enough of at least one instance; published code finds one by trial."""
    first, last = segments[:, 0][None], segments[:, 1][None]
    inside = np.minimum(last, starts[:, None] + length) - np.maximum(first, starts[:, None])
    holds: NDArray[np.bool_] = (inside > 0) & (inside >= trunc_thresh * (last - first))
    return np.asarray(holds.any(axis=1))
