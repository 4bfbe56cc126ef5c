"""The objective: what a network's outputs cost against the targets, refined and unrefined (spec §7)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cltdr_cli.models.boundaries import distances_at
from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.losses import distance_diou, distance_iou, sigmoid_focal, smoothed, varifocal
from cltdr_cli.training.targets import Targets

REFINED_SHARE = 0.7
"""Of the refined outputs in the total; the unrefined ones have the rest (published)."""

_MOMENTUM = 0.9
_LEAST_IOU = 1e-8


@dataclass
class LossNormalizer:
    """Running number of positive points, by which sums become losses; the published EMA of momentum 0.9.

    Attributes:
        value: The present average.
    """

    value: float

    def updated(self, positives: int) -> tuple[float, float]:
        """Take in the positives of a step: the divisors of the refined and of the unrefined losses.

        The published program updates once for each set, refined first: twice a step.

        Args:
            positives: Positive points of the whole batch, over all processes.
        """
        self.value = _MOMENTUM * self.value + (1 - _MOMENTUM) * max(positives, 1)
        refined = self.value
        self.value = _MOMENTUM * self.value + (1 - _MOMENTUM) * max(positives, 1)
        return refined, self.value


@dataclass(frozen=True)
class Losses:
    """Losses of one batch or of a part of it; parts add up.

    Attributes:
        classes: Refined and unrefined class losses, weighted and normalised.
        regression: Likewise for boundaries, before ``loss_weight``.
        total: What is minimised.
    """

    classes: Tensor
    regression: Tensor
    total: Tensor


def losses(
    outputs: HeadOutputs, targets: Targets, mask: Tensor, divisors: tuple[float, float], config: TrainConfig
) -> Losses:
    """Losses of one batch, in float32 whatever the network computed in.

    Args:
        outputs: Of the network.
        targets: At the points of the outputs' packing, ``[B, P, …]``.
        mask: bool ``[B, P]``, real points.
        divisors: Normalisers of the refined and of the unrefined losses.
        config: Which losses, and their weights.
    """
    with torch.autocast(mask.device.type, enabled=False):
        batch, points, classes = _terms(targets, mask, outputs.bins > 0)
        unrefined, refined = (d.float() for d in distances_at(outputs, batch, points, classes))
        wanted = targets.distances[batch, points]
        weights = None
        if outputs.bins > 0:
            # Of two empty segments the IoU's power has no finite gradient; the bound keeps it out of the sum.
            quality = distance_iou(refined, wanted).clamp(min=_LEAST_IOU) ** config.iou_weight_power
            weights = torch.ones_like(targets.classes).index_put((batch, points, classes), quality)
        smooth = smoothed(targets.classes, config.label_smoothing)
        refined_classes = _class_sum(outputs, True, smooth, mask, weights)
        plain_classes = _class_sum(outputs, config.class_loss == "varifocal", smooth, mask, None, plain=True)
        class_loss = _mixed(refined_classes, plain_classes, divisors)
        sums = [distance_diou(distances, wanted).sum() for distances in (refined, unrefined)]
        regression = _mixed(sums[0], sums[1], divisors)
        return Losses(class_loss, regression, class_loss + config.loss_weight * regression)


def _terms(targets: Targets, mask: Tensor, per_class: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Sample, point and class of every term of the regression loss.

    With bins a point has boundaries for each of its labels; without, it has the same ones for all: one term.
    """
    labelled = (targets.classes > 0.5) & mask[..., None]
    batch, points, classes = torch.nonzero(labelled if per_class else labelled.any(2, keepdim=True), as_tuple=True)
    return batch, points, classes


def _mixed(refined: Tensor, unrefined: Tensor, divisors: tuple[float, float]) -> Tensor:
    return REFINED_SHARE * refined / divisors[0] + (1 - REFINED_SHARE) * unrefined / divisors[1]


def _class_sum(
    outputs: HeadOutputs,
    is_varifocal: bool,
    wanted: Tensor,
    mask: Tensor,
    weights: Tensor | None,
    plain: bool = False,
) -> Tensor:
    """Sum of the class loss over all classes of all real points."""
    logits = outputs.class_logits.float()
    if not plain and outputs.class_refinement is not None:
        logits = logits * outputs.class_refinement.float()
    elements = (varifocal if is_varifocal else sigmoid_focal)(logits[:, outputs.packing.points], wanted)
    if weights is not None:
        elements = elements * weights
    return (elements * mask[..., None]).sum()
