"""Reading boundaries: distances from a point to the start and end of its action, only where asked."""

from __future__ import annotations

import torch
from torch import Tensor

from cltdr_cli.models.outputs import HeadOutputs


def distances_at(outputs: HeadOutputs, batch: Tensor, points: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Unrefined and refined distances of ``M`` (sample, point, class) triples.

    Args:
        outputs: Of the network.
        batch: int64 ``[M]``, sample of the batch.
        points: int64 ``[M]``, index into the packing's points.
        classes: int64 ``[M]``.

    Returns:
        Two tensors ``[M, 2]``: distance to the left and to the right in strides of the point's level. The refined
        ones are clamped at 0; without boundary refinement both are the same.
    """
    rows = outputs.packing.points[points]
    if outputs.bins > 0:
        plain = _expected_distances(outputs, batch, rows, classes)
    else:
        plain = outputs.offsets[batch, rows]
    if outputs.start_shifts is None or outputs.end_shifts is None or outputs.bins == 0:
        return plain, plain
    shifts = torch.stack(
        [-outputs.start_shifts[batch, rows, classes], outputs.end_shifts[batch, rows, classes]], dim=1
    )
    return plain, (plain + shifts / outputs.strides[points, None]).clamp(min=0)


def _expected_distances(outputs: HeadOutputs, batch: Tensor, rows: Tensor, classes: Tensor) -> Tensor:
    """Expectation over bins of softmax(boundary logit + offset): the Trident head (spec §4)."""
    assert outputs.start_logits is not None
    assert outputs.end_logits is not None
    bins = outputs.bins
    reach = torch.arange(bins + 1, device=rows.device)
    offsets = outputs.offsets[batch, rows].float()
    sample, label = batch[:, None], classes[:, None]
    starts = outputs.start_logits[sample, rows[:, None] - bins + reach, label].float()
    ends = outputs.end_logits[sample, rows[:, None] + reach, label].float()
    left = (starts + offsets[:, : bins + 1]).softmax(1) @ (bins - reach).float()
    right = (ends + offsets[:, bins + 1 :]).softmax(1) @ reach.float()
    return torch.stack([left, right], dim=1)
