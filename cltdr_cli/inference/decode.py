"""Head outputs to candidate segments in feature steps; boundaries are read only for pairs that may survive."""

from __future__ import annotations

import torch
from torch import Tensor

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.nms import Candidates
from cltdr_cli.models.outputs import HeadOutputs


def decode(outputs: HeadOutputs, config: InferenceConfig, sample: int = 0) -> Candidates:
    """Candidates of one sample of the batch, per level the best ``pre_nms_topk`` above ``pre_nms_thresh``.

    Segments are ``[t - left·stride, t + right·stride]`` with the refined distances, in level-0 steps, unclamped;
    those not longer than ``duration_thresh_steps`` are dropped. Levels follow each other from fine to coarse.
    """
    outputs = outputs.refined
    points, classes, scores = select_pairs(outputs, config, sample)
    distances = outputs.distances_at(torch.full_like(points, sample), points, classes)
    return to_candidates(outputs, points, classes, scores, distances, config)


def to_candidates(
    outputs: HeadOutputs,
    points: Tensor,
    classes: Tensor,
    scores: Tensor,
    distances: Tensor,
    config: InferenceConfig,
) -> Candidates:
    """Candidates of scored (point, class) pairs with their refined distances ``[M, 2]``."""
    stride = outputs.strides[points]
    center = outputs.packing.steps[points] * stride
    segments = torch.stack([center - distances[:, 0] * stride, center + distances[:, 1] * stride], dim=1)
    keep = segments[:, 1] - segments[:, 0] > config.duration_thresh_steps
    arrays = (tensor[keep].cpu().numpy() for tensor in (segments.float(), scores.float(), classes))
    return Candidates(*arrays)


def select_pairs(outputs: HeadOutputs, config: InferenceConfig, sample: int) -> tuple[Tensor, Tensor, Tensor]:
    """Point index, class and score of the (point, class) pairs whose boundaries are read."""
    packing = outputs.packing
    mask = packing.mask[sample, packing.points]
    scores = outputs.class_logits[sample, packing.points].sigmoid() * mask
    points, classes, kept = [], [], []
    first = 0
    for length in packing.lengths:
        flat = scores[first : first + length].flatten()
        above = torch.nonzero(flat > config.pre_nms_thresh).squeeze(1)
        if len(above) > config.pre_nms_topk:  # what cannot be among the best need not be sorted
            above = above[flat[above] >= flat[above].topk(config.pre_nms_topk).values[-1]]
        # A stable sort: of equal scores the earlier point, then the lower class, comes first.
        best = above[flat[above].sort(descending=True, stable=True).indices[: config.pre_nms_topk]]
        points.append(first + best // scores.shape[1])
        classes.append(best % scores.shape[1])
        kept.append(flat[best])
        first += length
    return torch.cat(points), torch.cat(classes), torch.cat(kept)
