"""Random crops of training sequences, and which of their instances stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.samples import Sample


def crop(
    sample: Sample,
    max_steps: int,
    trunc_thresh: float,
    crop_ratio: tuple[float, float] | None,
    rng: np.random.Generator,
    margin_steps: float = 0.0,
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
        margin_steps: Instances are kept by their overlap with the window widened by so many steps on both sides.
    """
    steps = len(sample.features)
    length = _window_steps(steps, max_steps, crop_ratio, rng)
    if length == steps:
        return sample
    starts = np.arange(steps - length + 1)
    useful = np.flatnonzero(_holds_instance(sample.segments_steps, starts, length, trunc_thresh, margin_steps))
    start = int(rng.choice(useful if len(useful) else starts))
    return cut_window(sample, start, length, trunc_thresh, margin_steps)


def cut_window(sample: Sample, start: int, length: int, trunc_thresh: float, margin_steps: float = 0.0) -> Sample:
    """``length`` steps from ``start`` on, and the instances that lie in them, or in a margin, by ``trunc_thresh``."""
    segments = sample.segments_steps
    clipped = segments.clip(start - margin_steps, start + length + margin_steps)
    inside = clipped[:, 1] - clipped[:, 0]
    keep = (inside > 0) & (inside >= trunc_thresh * (segments[:, 1] - segments[:, 0]))
    return Sample(
        sample.features[start : start + length],
        (clipped[keep] - start).astype(np.float32),
        sample.labels[keep],
        sample.seed,
    )


def _window_steps(steps: int, max_steps: int, crop_ratio: tuple[float, float] | None, rng: np.random.Generator) -> int:
    if steps > max_steps:
        return max_steps
    if crop_ratio is None:
        return steps
    least, most = max(round(crop_ratio[0] * steps), 1), min(round(crop_ratio[1] * steps), steps)
    return int(rng.integers(least, max(least, most) + 1))


def clip_overrun(sample: Sample, end_steps: float, least_share: float | None) -> Sample:
    """The instances of a sample, clipped where its features end.

    Args:
        sample: Features and segments of a whole video.
        end_steps: Instances that start at it or after it are dropped, others end there at the latest.
        least_share: Instances with a smaller share of their length before it are dropped, too; None keeps them.
    """
    segments = sample.segments_steps
    before = np.minimum(segments[:, 1], end_steps) - segments[:, 0]
    keep = segments[:, 0] < end_steps
    if least_share is not None:
        keep &= before >= least_share * (segments[:, 1] - segments[:, 0])
    clipped = np.minimum(segments[keep], np.float32(end_steps))
    return Sample(sample.features, clipped, sample.labels[keep], sample.seed)


def _holds_instance(
    segments: NDArray[np.float32], starts: NDArray[np.int64], length: int, trunc_thresh: float, margin_steps: float
) -> NDArray[np.bool_]:
    """Bool ``[S]``: which windows hold enough of at least one instance; published code finds one by trial."""
    first, last = segments[:, 0][None], segments[:, 1][None]
    low, high = starts[:, None] - margin_steps, starts[:, None] + length + margin_steps
    inside = np.minimum(last, high) - np.maximum(first, low)
    holds: NDArray[np.bool_] = (inside > 0) & (inside >= trunc_thresh * (last - first))
    return np.asarray(holds.any(axis=1))
