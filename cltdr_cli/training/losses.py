"""Losses as pure functions: focal and varifocal for classes, DIoU for boundaries."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_EPSILON = 1e-8


def smooth_labels(targets: Tensor, smoothing: float) -> Tensor:
    """Class targets ``[..., K]`` with label smoothing: ``target·(1 - s) + s / (K + 1)``."""
    return targets * (1 - smoothing) + smoothing / (targets.shape[-1] + 1)


def sigmoid_focal(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss of each element (Lin et al., ICCV 2017); targets in [0, 1], any one shape."""
    probability = logits.sigmoid()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    miss = probability * (1 - targets) + (1 - probability) * targets
    return (alpha * targets + (1 - alpha) * (1 - targets)) * cross_entropy * miss**gamma


def varifocal(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Varifocal loss of each element, as CLTDR-GMG was released.

    Cross entropy times the target where there is one, else times ``alpha·p^gamma``; the gradient flows through
    that p. (The paper of the loss, Zhang et al., CVPR 2021, stops it.)
    """
    weights = torch.where(targets > 0, targets, alpha * logits.sigmoid() ** gamma)
    return weights * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


CLASS_LOSSES = {"focal": sigmoid_focal, "varifocal": varifocal}
"""Values of the preset key ``training.class_loss``."""


def distance_iou(predicted: Tensor, wanted: Tensor) -> Tensor:
    """IoU ``[M]`` of segments around one point, given as distances ``[M, 2]`` to their two ends, not negative."""
    shared = torch.minimum(predicted, wanted).sum(1)
    return shared / (predicted.sum(1) + wanted.sum(1) - shared).clamp(min=_EPSILON)


def distance_diou(predicted: Tensor, wanted: Tensor) -> Tensor:
    """One-dimensional DIoU loss ``[M]``: ``1 - IoU + (distance of centres / enclosing length)²``."""
    enclosing = torch.maximum(predicted, wanted).sum(1)
    shift = 0.5 * ((predicted[:, 1] - predicted[:, 0]) - (wanted[:, 1] - wanted[:, 0]))
    return 1 - distance_iou(predicted, wanted) + (shift / enclosing.clamp(min=_EPSILON)).square()
