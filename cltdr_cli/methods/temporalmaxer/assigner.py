"""What each point should predict, by what the instances would cost it at present (TemporalMaxer)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cltdr_cli.methods.temporalmaxer.config import TemporalMaxerConfig
from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.models.points import Points
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.losses import distance_diou, sigmoid_focal
from cltdr_cli.training.targets import Targets, find_fits, label_points, make_empty_targets, measure_distances


@dataclass(frozen=True)
class CostAssigner:
    """Labels by the centre of the instances, as elsewhere; distances and weights by cost.

    The cost of an instance for a point inside it is the focal loss of its label plus the DIoU loss of its ends, each
    by its weight, of the network's present outputs. A point learns the ends of the instance that costs least, which
    may be another one than those that give its labels. The cheapest points of each instance count fully, others
    inside an instance by ``assigner_confuse_weight``.
    """

    config: TemporalMaxerConfig

    @torch.no_grad()
    def __call__(self, points: Points, batch: Batch, mask: Tensor, outputs: HeadOutputs | None) -> Targets:
        """As ``training.objective.Assign``."""
        segments, labels, config = batch.segments, batch.labels, self.config
        if outputs is None or segments.shape[1] == 0:
            return make_empty_targets(segments.shape[0], points, config.num_classes)
        fits = find_fits(points, segments, labels, "radius", config.assigner_center_radius)
        fits = fits & mask[..., None]
        lengths = (segments[..., 1] - segments[..., 0])[:, None].masked_fill(~fits, torch.inf)
        classes = label_points(fits, lengths, labels, config.num_classes)
        distances = torch.stack(measure_distances(points, segments), dim=3)
        inside = (distances.amin(3) >= 0) & mask[..., None] & (labels >= 0)[:, None]
        distances = distances / points.strides[None, :, None, None]
        costs = self._find_costs(outputs, labels, distances).masked_fill(~inside, torch.inf)
        chosen = costs.argmin(2)
        ends = distances.gather(2, chosen[..., None, None].expand(-1, -1, 1, 2)).squeeze(2)
        return Targets(classes, ends, chosen, self._weigh(costs, inside, mask))

    def _find_costs(self, outputs: HeadOutputs, labels: Tensor, distances: Tensor) -> Tensor:
        """``[B, P, N]`` of labels ``[B, N]`` and distances ``[B, P, N, 2]`` in strides; finite also outside."""
        logits = outputs.class_logits[:, outputs.packing.points].float()
        positive = sigmoid_focal(logits, torch.ones_like(logits))
        negative = sigmoid_focal(logits, torch.zeros_like(logits))
        places = labels.clamp(min=0)[:, None].expand(-1, logits.shape[1], -1)
        focal = negative.sum(2, keepdim=True) + (positive - negative).gather(2, places)
        predicted = read_distances(outputs)[:, :, None].expand_as(distances)
        ends = distance_diou(predicted.flatten(0, 2), distances.flatten(0, 2)).view(focal.shape)
        return self.config.assigner_cls_weight * focal + self.config.assigner_iou_weight * ends

    def _weigh(self, costs: Tensor, inside: Tensor, mask: Tensor) -> Tensor:
        """``[B, P]``: 1 outside all instances and for their cheapest points; 0 on masked points."""
        if self.config.assigner_keep_percent == 1:
            return mask.float()
        kept = (self.config.assigner_keep_percent * inside.sum(1, keepdim=True).double()).long()
        ranks = costs.argsort(dim=1, stable=True).argsort(dim=1)
        is_full = ~inside.any(2) | (inside & (ranks < kept)).any(2)
        return torch.where(is_full, 1.0, self.config.assigner_confuse_weight) * mask


def read_distances(outputs: HeadOutputs) -> Tensor:
    """Distances ``[B, P, 2]`` at all points, in level strides, where all classes share their boundaries."""
    samples, points = outputs.class_logits.shape[0], len(outputs.packing.points)
    batch = torch.arange(samples, device=outputs.class_logits.device).repeat_interleave(points)
    every = torch.arange(points, device=batch.device).repeat(samples)
    return outputs.distances_at(batch, every, torch.zeros_like(every)).float().view(samples, points, 2)
