"""From scores and attention of every step to candidate segments: runs above thresholds, scored by contrast."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cltdr_cli.inference.nms import Candidates
from cltdr_cli.methods.wtal.config import WtalInference
from cltdr_cli.methods.wtal.losses import pool_best_steps

Floats = NDArray[np.float32]


def propose(logits: Tensor, attention: Tensor, config: WtalInference) -> Candidates:
    """Candidates of one video, in steps, in the order of the thresholds.

    Args:
        logits: ``[T, K + 1]``, background last.
        attention: ``[T]``.
        config: Thresholds and weights.
    """
    attended = (attention[:, None] * logits).float()
    video_scores = score_video(attended, config.topk_divisor).cpu().numpy()
    classes = choose_classes(video_scores, config)
    runs = find_runs(attention.float().cpu().numpy(), config.attention_thresholds)
    values = attended[:, :-1].cpu().numpy()[:, classes]
    scores = [
        measure_contrast(values, first, last, config.flank_share) + config.video_score_weight * video_scores[classes]
        for first, last in runs
    ]
    # A run first … last covers half a step more on either side: for windows as long as the stride, whole windows.
    segments = np.array(runs, np.float32).reshape(-1, 2) + np.array([-0.5, 0.5], np.float32)
    return Candidates(
        segments.repeat(len(classes), axis=0),
        np.array(scores, np.float32).reshape(-1),
        np.tile(classes, len(runs)),
    )


def score_video(attended: Tensor, divisor: int) -> Tensor:
    """Class probabilities ``[K]`` of a video, the background among the rivals, of its scores ``[T, K + 1]``."""
    return pool_best_steps(attended[None], divisor)[0].softmax(0)[:-1]


def choose_classes(video_scores: Floats, config: WtalInference) -> NDArray[np.int64]:
    """The classes that are looked for in a video, by its class probabilities ``[K]``."""
    above = np.flatnonzero(video_scores >= config.class_threshold)
    if len(above) or config.class_fallback == "none":
        return above
    return np.array([video_scores.argmax()])


def find_runs(attention: Floats, thresholds: tuple[float, float, int]) -> list[tuple[int, int]]:
    """First and last step of each run of attention ``[T]`` above each threshold; equal runs are repeated.

    Where step 0 alone is above a threshold there is none, as published.
    """
    runs: list[tuple[int, int]] = []
    for threshold in np.linspace(*thresholds):
        above = np.flatnonzero(attention > threshold)
        if not above.any():
            continue
        parts = np.split(above, np.flatnonzero(np.diff(above) > 1) + 1)
        runs += [(int(part[0]), int(part[-1])) for part in parts]
    return runs


def measure_contrast(values: Floats, first: int, last: int, flank_share: float) -> Floats:
    """Mean of ``[T, K]`` over a run minus the mean over its flanks together (0 without any): ``[K]``.

    The left flank has ``ceil(n · flank_share)`` steps for a run of n, the right one ``floor(n · flank_share)``.
    """
    reach = (last - first + 1) * flank_share
    left = values[max(0, first - math.ceil(reach)) : first]
    flanks = np.concatenate([left, values[last + 1 : last + 1 + math.floor(reach)]])
    inner = values[first : last + 1].mean(0)
    return inner - flanks.mean(0) if len(flanks) else inner
