"""Action sensitivity (ASL, ICCV 2023): how much each point of an action matters, for its class and its boundaries.

Two parts make it up. For every class Gaussians over the relative position in the action are learned by the losses
that they weigh. And two small networks look at the features of a point and say how well the detector does there;
what they say is added. Nothing of this is in the detector, which works as it would without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from cltdr_cli.models.heads import ScoreHead, Trunk
from cltdr_cli.models.outputs import HeadOutputs, Packing
from cltdr_cli.models.points import Points
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.losses import distance_iou
from cltdr_cli.training.targets import Targets

Form = Literal["paper", "released"]

KINDS = ("class", "start", "end")
"""What each class has a Gaussian for."""

_FIRST_MEANS = (0.0, -0.5, 0.5)
_FIRST_EVALUATION = 0.1
_EVALUATOR_SPREAD = 0.01
_LEAST_STEPS = 1e-6


class Sensitivity(NamedTuple):
    """How much places in an action matter: for the class and for the boundaries, tensors of one shape."""

    classes: Tensor
    boundaries: Tensor


@dataclass(frozen=True)
class Places:
    """The positive points of a part of a batch, M in number, and where they lie in their instances.

    Attributes:
        samples: int64 ``[M]``, sample of the batch.
        points: int64 ``[M]``, index into the packing's points.
        instances: int64 ``[M]``, row of the batch's segments.
        labels: int64 ``[M]``, class of that instance.
        positions: float32 ``[M]``, -0.5 at its start, 0 at its centre, 0.5 at its end.
        strides: float32 ``[M]``, of the points' levels in level-0 steps.
    """

    samples: Tensor
    points: Tensor
    instances: Tensor
    labels: Tensor
    positions: Tensor
    strides: Tensor

    @classmethod
    def of(cls, points: Points, batch: Batch, targets: Targets, mask: Tensor) -> Places:
        """Those among real points, by the instances that the targets are of."""
        samples, places = torch.nonzero(targets.positives(mask), as_tuple=True)
        instances = targets.instances[samples, places]
        segments = batch.segments[samples, instances]
        positions = find_positions(points.times[places], segments)
        labels = batch.labels[samples, instances]
        return cls(samples, places, instances, labels, positions, points.strides[places])


def find_positions(times: Tensor, segments: Tensor) -> Tensor:
    """Relative positions of times ``[…]`` in segments ``[…, 2]``: -0.5 at the start, 0.5 at the end."""
    starts, ends = segments.unbind(-1)
    return (times - (starts + ends) / 2) / (ends - starts).clamp(min=_LEAST_STEPS)


class Gaussians(nn.Module):
    """Three Gaussians over the relative position for each class: of its class loss, its start and its end.

    Attributes:
        mu: ``[3, K]``, where they peak, by ``KINDS``.
        sigma: ``[3, K]``, how wide they are.

    Args:
        num_classes: K.
        form: ``paper`` adds start and end for the boundaries. ``released``, as the public code: position over stride,
            counted from the end; the mean of start and end times the class's Gaussian.
        sigma_range: Where the widths, 1 at first, begin and ``keep_in_range`` keeps them; None leaves them.
        mu_shift: How far from their beginnings it lets the peaks be; None leaves them.
    """

    def __init__(
        self,
        num_classes: int,
        form: Form = "paper",
        sigma_range: tuple[float, float] | None = None,
        mu_shift: float | None = None,
    ) -> None:
        super().__init__()
        self.form, self.sigma_range, self.mu_shift = form, sigma_range, mu_shift
        self.mu = nn.Parameter(torch.tensor(_FIRST_MEANS)[:, None].repeat(1, num_classes))
        self.sigma = nn.Parameter(torch.ones(3, num_classes))
        self.keep_in_range()

    def forward(self, positions: Tensor, labels: Tensor, strides: Tensor | None = None) -> Sensitivity:
        """Sensitivities of positions ``[…]`` in instances of classes ``[…]``, at points of these strides or of 1."""
        if self.form == "released":
            positions = -positions if strides is None else -positions / strides
        gaps = positions - self.mu[:, labels]
        classes, starts, ends = torch.exp(-gaps.square() / (2 * self.sigma[:, labels].square()))
        if self.form == "released":
            return Sensitivity(classes, (starts + ends) / 2 * classes)
        return Sensitivity(classes, starts + ends)

    @torch.no_grad()
    def keep_in_range(self) -> None:
        """Bring widths and peaks that left their ranges back to the ends of these."""
        if self.sigma_range is not None:
            self.sigma.clamp_(*self.sigma_range)
        if self.mu_shift is not None:
            first = self.mu.new_tensor(_FIRST_MEANS)[:, None]
            self.mu.copy_(self.mu.clamp(first - self.mu_shift, first + self.mu_shift))

    @torch.no_grad()
    def draw_curves(self, count: int = 101) -> tuple[Tensor, Sensitivity]:
        """Positions ``[count]`` from start to end, and the sensitivities ``[K, count]`` of every class there."""
        positions = torch.linspace(-0.5, 0.5, count, device=self.mu.device)
        labels = torch.arange(self.mu.shape[1], device=self.mu.device)[:, None].expand(-1, count)
        return positions, self(positions.expand_as(labels), labels)

    def facts(self) -> dict[str, float]:
        """Range of the widths, mean peak, and the least sensitivity anywhere in an action, over all classes."""
        curves = self.draw_curves()[1]
        names, values = list[str](), list[Tensor]()
        for kind, mu, sigma in zip(KINDS, self.mu.detach(), self.sigma.detach(), strict=True):
            names += [f"{kind}_mu_mean", f"{kind}_sigma_least", f"{kind}_sigma_most"]
            values += [mu.mean(), sigma.min(), sigma.max()]
        names += ["class_sensitivity_least", "boundary_sensitivity_least"]
        values += [curves.classes.min(), curves.boundaries.min()]
        return dict(zip(names, torch.stack(values).tolist(), strict=True))


class Evaluators(nn.Module):
    """Two small networks that say of every point how well the detector does there: its class, and its boundaries.

    Each is a convolution over three steps, layer norm, ReLU, and a linear layer to one number; all levels share them.

    Args:
        channels: D, of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        heads = (ScoreHead(Trunk(channels, channels, 3, 1, True), 1, 1, _FIRST_EVALUATION) for _ in range(2))
        self.classes, self.boundaries = heads
        for name, parameter in self.named_parameters():
            if name.endswith("conv.weight"):
                nn.init.normal_(parameter, std=_EVALUATOR_SPREAD)

    def forward(self, embeddings: Tensor, packing: Packing) -> Sensitivity:
        """Packed features ``[B, rows, D]`` -> for every point of the packing ``[B, P]``, from 0 to 1."""
        found = (head(embeddings, packing)[:, packing.points, 0] for head in (self.classes, self.boundaries))
        return Sensitivity(*(logits.sigmoid() for logits in found))


def make_evaluators(channels: int, seed: int) -> Evaluators:
    """Fresh ones, reproducible, without touching the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Evaluators(channels)


@torch.no_grad()
def find_quality(outputs: HeadOutputs, places: Places, wanted: Tensor) -> Sensitivity:
    """How well the detector does at positive points, each ``[M]``: what the evaluators should say.

    The probability of the instance's class, and the IoU of the boundaries (of that class) with the instance's.

    Args:
        outputs: Those that detections come from.
        places: The points.
        wanted: float32 ``[M, 2]``, distances to the ends of the instance in strides.
    """
    logits = outputs.class_logits[places.samples, outputs.packing.points[places.points], places.labels]
    distances = outputs.distances_at(places.samples, places.points, places.labels).float()
    return Sensitivity(logits.float().sigmoid(), distance_iou(distances, wanted))


def divide_by_mean(weights: Tensor, places: Places) -> Tensor:
    """Weights ``[M]`` over their mean at the points of the same instance; no gradient flows through the mean."""
    rows = torch.stack([places.samples, places.instances], dim=1)
    _, groups = rows.unique(dim=0, return_inverse=True)
    sums = weights.detach().new_zeros(len(rows)).index_add(0, groups, weights.detach())
    return weights * groups.bincount(minlength=len(rows))[groups] / sums[groups].clamp(min=_LEAST_STEPS)


def sum_label_losses(logits: Tensor, mask: Tensor, labels: Tensor, is_padded: Tensor) -> Tensor:
    """The label-involved loss of ASL's public code, summed over videos: what is in a video should be seen somewhere.

    For each class the largest share it has at any point among all classes (softmax), and the binary cross entropy
    of it with whether the video has that class. Padded points give every class the same share there.

    Args:
        logits: float32 ``[B, P, K]``.
        mask: bool ``[B, P]``, true on real points.
        labels: int64 ``[B, N]``; negative in rows that hold no instance.
        is_padded: bool ``[B]``, whether the video has padded points.
    """
    count = logits.shape[2]
    best = logits.softmax(2).masked_fill(~mask[..., None], 0.0).amax(1)
    best = torch.where(is_padded[:, None], best.clamp(min=1 / count), best)
    is_there = nn.functional.one_hot(labels.clamp(min=0), count).float() * (labels >= 0)[..., None]
    present = is_there.amax(1) if labels.shape[1] else torch.zeros_like(best)
    return nn.functional.binary_cross_entropy(best, present, reduction="sum")
