"""Objectives: what a network's outputs cost, as named losses and their total.

An objective is a module: it may have parameters of its own, which are trained with the network's and saved with
the run, and not with the released weights. Point detectors share ``PointObjective``, a list of terms over points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.models.points import PointGrid, Points
from cltdr_cli.training.assignment import Assign
from cltdr_cli.training.batches import Batch, TrainingBatch
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.contrast import Vectors
from cltdr_cli.training.losses import distance_diou, distance_iou, smooth_labels
from cltdr_cli.training.targets import Targets

_MOMENTUM = 0.9
_LEAST_IOU = 1e-8
_LEAST_REGRESSION_LOSS = 0.01


@dataclass(frozen=True)
class Losses:
    """Losses of one batch or of a part of it; parts add up.

    Attributes:
        named: What the log shows, such as ``class_loss``.
        total: What is minimised.
    """

    named: dict[str, Tensor]
    total: Tensor


class Objective(nn.Module, ABC):
    """What outputs cost. A step measures all parts of a batch, scales once, and takes the losses of each part.

    Attributes:
        learning_rate: Base rate of its own parameters; None is that of the run.
        contrast_weight: Share in the total of what ``contrast`` finds.
    """

    learning_rate: float | None = None
    contrast_weight: float = 0.0

    @abstractmethod
    def measure(self, outputs: Any, batch: Any) -> Tensor:
        """Sums of one part, ``[M]``; those of several parts and processes add up.

        Args:
            outputs: Of the method's own kind.
            batch: Of the kind that the method learns from.
        """

    @abstractmethod
    def scale(self, whole: Tensor) -> Tensor:
        """From the sums ``[M]`` of a whole step, over all processes: what each sum of a part is multiplied by."""

    @abstractmethod
    def losses(self, sums: Tensor, factors: Tensor) -> Losses:
        """Losses of a part, of its sums and the step's factors, both ``[M]``."""

    def count(self, batch: Any) -> Tensor | None:
        """As ``measure``, from the targets alone and with only what the scale needs; None if that needs outputs."""
        return None

    def embed(self, outputs: Any, batch: Any) -> Vectors | None:
        """What is compared with the vectors of all other parts and processes of a step; None compares nothing."""
        return None

    def contrast(self, vectors: Vectors) -> Tensor:
        """Cost ``[V]`` of each vector among all vectors of a step; asked after ``scale``."""
        return vectors.values.new_zeros(len(vectors.values))

    def settle(self) -> None:
        """Bring its own parameters back to where they may be, after each optimiser step."""

    def before_step(self, network: nn.Module, videos: Any) -> None:
        """Called before every step, with all that there is to train on."""

    def facts(self) -> dict[str, float]:
        """Numbers of its own state for the log of a step."""
        return {}

    def describe(self) -> dict[str, object]:
        """More of its own state, for the log of an epoch: plain data that JSON has."""
        return {}


@dataclass(frozen=True)
class PointWeights:
    """How much each point counts, besides what its targets say.

    Attributes:
        classes: float32 ``[B, P]``, of all class losses of a point.
        boundaries: float32 ``[B, P]``, of its regression loss.
    """

    classes: Tensor
    boundaries: Tensor


@dataclass(frozen=True)
class PointTerm:
    """One set of class and regression losses over all points.

    Attributes:
        class_loss: Of each element: logits and targets ``[…]`` to losses ``[…]``.
        share: Of this term in the total.
        is_refined: Whether it looks at the refined outputs.
        iou_power: Where boundaries differ by class, the class losses of labelled elements are multiplied by the
            IoU of their boundaries to this power; None multiplies nothing.
    """

    class_loss: Callable[[Tensor, Tensor], Tensor]
    share: float = 1.0
    is_refined: bool = False
    iou_power: float | None = None


class PointObjective(Objective):
    """Class and regression losses at the points of a pyramid, divided by a running number of positive points.

    The number is an average of momentum 0.9 that takes in the positives of a step once for each term, in order, as
    published.

    Args:
        grid: All points of a padded sequence.
        terms: Sets of losses.
        assign: Decides the targets.
        config: Smoothing, ``loss_weight`` and the first value of the running number.
        looks_at_outputs: Whether ``assign`` needs outputs.
    """

    normalizer: Tensor

    def __init__(
        self,
        grid: PointGrid,
        terms: Sequence[PointTerm],
        assign: Assign,
        config: TrainConfig,
        looks_at_outputs: bool = False,
    ) -> None:
        super().__init__()
        self.grid, self.terms, self.assign, self.config = grid, tuple(terms), assign, config
        self.looks_at_outputs = looks_at_outputs
        self.register_buffer("normalizer", torch.tensor(config.init_loss_norm, dtype=torch.float64))

    def measure(self, outputs: HeadOutputs, batch: Batch) -> Tensor:
        """Positive points, then the class sum of each term, then the regression sum of each; always float32."""
        with torch.autocast(batch.mask.device.type, enabled=False):
            _, mask, targets = self.find_targets(outputs, batch)
            return self.sum_terms(outputs, targets, mask)

    def find_targets(self, outputs: HeadOutputs, batch: Batch) -> tuple[Points, Tensor, Targets]:
        """The points that the outputs are at, which of them are real, and what they should predict."""
        rows = self.grid.rows(outputs.packing)
        points, mask = self.grid.points.at(rows), self.grid.mask(batch.mask)[:, rows]
        return points, mask, self.assign(points, batch, mask, outputs)

    def sum_terms(
        self, outputs: HeadOutputs, targets: Targets, mask: Tensor, weights: PointWeights | None = None
    ) -> Tensor:
        """What ``measure`` gives, ``[1 + 2 terms]``."""
        pairs = [self._sum_term(term, outputs, targets, mask, weights) for term in self.terms]
        classes, regression = zip(*pairs, strict=True)
        return torch.stack([targets.count(mask).float(), *classes, *regression])

    def count(self, batch: Batch) -> Tensor | None:
        """Positive points, the other sums being 0; None where targets or the loss weight hang on the outputs."""
        if self.looks_at_outputs or self.config.loss_weight <= 0:
            return None
        mask = self.grid.mask(batch.mask)
        found = self.assign(self.grid.points, batch, mask, None).count(mask).float()
        return torch.cat([found[None], found.new_zeros(2 * len(self.terms))])

    def scale(self, whole: Tensor) -> Tensor:
        """1, then what class sums and regression sums are multiplied by."""
        positives, divisors = max(float(whole[0]), 1.0), list[float]()
        for _ in self.terms:
            self.normalizer.mul_(_MOMENTUM).add_((1 - _MOMENTUM) * positives)
            divisors.append(float(self.normalizer))
        shares = [term.share / divisor for term, divisor in zip(self.terms, divisors, strict=True)]
        weight = self.config.loss_weight
        if weight <= 0:  # published: regression is weighed so that it counts as much as classification
            classes, regression = (whole[1:].double().view(2, -1).cpu() @ torch.tensor(shares).double()).tolist()
            weight = classes / max(regression, _LEAST_REGRESSION_LOSS)
        return whole.new_tensor([1.0, *shares, *shares, weight])

    def losses(self, sums: Tensor, factors: Tensor) -> Losses:
        """Class and regression loss, and their weighted sum."""
        classes, regression = (sums[1:] * factors[1:-1]).view(2, -1).sum(1)
        total = classes + factors[-1] * regression
        return Losses({"class_loss": classes, "regression_loss": regression}, total)

    def facts(self) -> dict[str, float]:
        """The running number of positive points."""
        return {"loss_normalizer": float(self.normalizer)}

    def _sum_term(
        self,
        term: PointTerm,
        outputs: HeadOutputs,
        targets: Targets,
        mask: Tensor,
        more: PointWeights | None,
    ) -> tuple[Tensor, Tensor]:
        """Class and regression sum of one term over all real points."""
        chosen = outputs.refined if term.is_refined else outputs
        batch, points, classes = index_labels(targets, mask, chosen.boundaries.per_class)
        distances = chosen.distances_at(batch, points, classes).float()
        wanted = targets.distances[batch, points]
        weights = torch.ones_like(targets.classes)
        if term.iou_power is not None and chosen.boundaries.per_class:
            # Of two empty segments the IoU's power has no finite gradient; the bound keeps it out of the sum.
            quality = distance_iou(distances, wanted).clamp(min=_LEAST_IOU) ** term.iou_power
            weights = weights.index_put((batch, points, classes), quality)
        regression = distance_diou(distances, wanted)
        if targets.weights is not None:
            weights = weights.where(~targets.positives(mask)[..., None], weights * targets.weights[..., None])
            regression = regression * targets.weights[batch, points]
        if more is not None:
            weights = weights * more.classes[..., None]
            regression = regression * more.boundaries[batch, points]
        logits = chosen.class_logits.float()[:, chosen.packing.points]
        elements = term.class_loss(logits, smooth_labels(targets.classes, self.config.label_smoothing))
        return (elements * weights * mask[..., None]).sum(), regression.sum()


def index_labels(targets: Targets, mask: Tensor, per_class: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Sample, point and class of every term of the regression loss, each int64 ``[M]``.

    Where boundaries differ by class a point has a term for each of its labels; otherwise one.
    """
    labelled = (targets.classes > 0.5) & mask[..., None]
    batch, points, classes = torch.nonzero(labelled if per_class else labelled.any(2, keepdim=True), as_tuple=True)
    return batch, points, classes


@dataclass(frozen=True)
class Measured:
    """What a part of a batch gives to its step.

    Attributes:
        sums: ``[M]``; those of several parts add up.
        vectors: To be compared with those of all parts; None where nothing is compared.
    """

    sums: Tensor
    vectors: Vectors | None


class NetworkWithObjective(nn.Module):
    """A network and what its outputs cost, as one module: features and batch in, sums and vectors out.

    Several processes average the gradients of both, so both must be inside one module.

    Args:
        network: Features and mask to outputs.
        objective: Outputs and batch to sums.
    """

    def __init__(self, network: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective
        self.run: Callable[[Tensor, Tensor], Any] = lambda features, mask: network(features, mask)

    def forward(self, features: Tensor, batch: TrainingBatch) -> Measured:
        """Of a part of a batch; ``features`` are its own, with noise where that is wanted."""
        outputs = self.run(features, batch.mask)
        return Measured(self.objective.measure(outputs, batch), self.objective.embed(outputs, batch))
