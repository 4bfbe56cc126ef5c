"""Losses as pure functions of scores, attention and video labels (CO2-Net and HAM-Net, as published)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_LABEL_EPSILON = 1e-4
_MARGIN = 0.5


def pool_best_steps(scores: Tensor, divisor: int) -> Tensor:
    """Class scores ``[B, T, K]`` of steps -> ``[B, K]`` of videos: the mean of the max(1, T // divisor) best steps."""
    return scores.topk(max(1, scores.shape[1] // divisor), dim=1).values.mean(1)


def video_loss(scores: Tensor, labels: Tensor, background: float, divisor: int) -> Tensor:
    """Multiple-instance loss: cross entropy of pooled scores against the normalised labels of the videos.

    Args:
        scores: ``[B, T, K + 1]``, background last.
        labels: ``[B, K]``, 1 for each label of a video.
        background: What stands in the labels' last entry: 1 where background is in the video, 0 where it is suppressed.
        divisor: As for ``pool_best_steps``.
    """
    wanted = F.pad(labels, (0, 1), value=background)
    wanted = wanted / (wanted.sum(1, keepdim=True) + _LABEL_EPSILON)
    return -(wanted * pool_best_steps(scores, divisor).log_softmax(1)).sum(1).mean()


def suppress_background(logits: Tensor, attention: Tensor) -> Tensor:
    """Logits ``[B, T, K + 1]`` drawn to the smallest of their step where the attention ``[B, T]`` is low."""
    least = logits.amin(2, keepdim=True)
    return attention[..., None] * (logits - least) + least


def mutual_loss(first: Tensor, second: Tensor) -> Tensor:
    """Squared difference of two attentions ``[B, T]``, each of which learns from the other."""
    return 0.5 * (F.mse_loss(first, second.detach()) + F.mse_loss(second, first.detach()))


def norm_loss(attentions: Sequence[Tensor]) -> Tensor:
    """Mean attention, over all of them ``[B, T]``."""
    return torch.stack(list(attentions)).mean()


def guide_loss(attentions: Sequence[Tensor], logits: Tensor) -> Tensor:
    """Mean distance of each attention ``[B, T]`` from 1 minus the probability of background; both learn from it."""
    action = 1 - logits.softmax(2)[..., -1]
    return (action - torch.stack(list(attentions))).abs().mean()


def coactivity_loss(features: Tensor, scores: Tensor, labels: Tensor, pairs: int) -> Tensor:
    """Likeness of what two videos show where they score high for a class that both have (W-TALC, CO2-Net).

    Args:
        features: ``[B, T, D]``; rows 2i and 2i + 1 are pair i.
        scores: ``[B, T, K + 1]``.
        labels: ``[B, K]``.
        pairs: How many.

    Returns:
        The mean over all pairs and the classes that they share; 0 where there are none.
    """
    rows, steps = 2 * pairs, features.shape[1]
    first, second = labels[0:rows:2], labels[1:rows:2]
    pair, shared = torch.nonzero((first > 0) & (second > 0), as_tuple=True)
    if not len(pair):
        return features.new_zeros(())
    high, low = list[Tensor](), list[Tensor]()
    for row in (2 * pair, 2 * pair + 1):
        weights = scores[row, :, shared].softmax(1)[:, None]
        high.append((weights @ features[row]).squeeze(1))
        low.append(((1 - weights) @ features[row]).squeeze(1) / max(steps - 1, 1))
    alike = _distance(high[0], high[1])
    sides = [alike - _distance(high[0], low[1]), alike - _distance(high[1], low[0])]
    return 0.5 * sum((side + _MARGIN).relu() for side in sides).mean()  # pyright: ignore[reportAttributeAccessIssue]


def _distance(first: Tensor, second: Tensor) -> Tensor:
    """1 minus the cosine of vectors ``[M, D]``."""
    return 1 - F.cosine_similarity(first, second, dim=1)
