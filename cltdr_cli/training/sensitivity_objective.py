"""The objective of point detectors that learn by action sensitivity (ASL, ICCV 2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.models.points import PointGrid
from cltdr_cli.training.assignment import Assign
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.contrast import Vectors, contrast_sensitive, contrast_windows
from cltdr_cli.training.instance_vectors import Scene, embed_sensitive, embed_windows
from cltdr_cli.training.objective import Losses, PointObjective, PointTerm, PointWeights
from cltdr_cli.training.sensitivity import (
    KINDS,
    Gaussians,
    Places,
    Sensitivity,
    divide_by_mean,
    find_positions,
    find_quality,
    make_evaluators,
    sum_label_losses,
)
from cltdr_cli.training.targets import Targets

_EXTRA_SUMS = 4


class SensitivityObjective(PointObjective):
    """``PointObjective`` with each positive point weighed by its sensitivity, and what that is learned by.

    Negative points count as they do without. Gradients flow through the Gaussians into the weights, and not through
    the evaluators, which learn the detector's own quality at each positive point.

    Args:
        grid: All points of a padded sequence.
        terms: Sets of losses; the first one's running number divides the losses added here.
        assign: Decides the targets.
        config: Its ``sensitivity_`` keys, and those that ``PointObjective`` reads.
        num_classes: K.
        channels: D, of the features that the evaluators look at.
        looks_at_outputs: Whether ``assign`` needs outputs.
    """

    def __init__(
        self,
        grid: PointGrid,
        terms: Sequence[PointTerm],
        assign: Assign,
        config: TrainConfig,
        num_classes: int,
        channels: int,
        looks_at_outputs: bool = False,
    ) -> None:
        if config.sensitivity_replaces_iou_weight:
            terms = [replace(term, iou_power=None) for term in terms]
        super().__init__(grid, terms, assign, config, looks_at_outputs)
        self.learning_rate = config.sensitivity_learning_rate
        self.contrast_weight = config.sensitivity_contrast_weight
        limits = config.sensitivity_sigma_range, config.sensitivity_mu_shift
        self.gaussians = Gaussians(num_classes, config.sensitivity_form, *limits)
        self.evaluators = make_evaluators(channels, config.seed) if config.sensitivity_instance else None

    def measure(self, outputs: HeadOutputs, batch: Batch) -> Tensor:
        """As ``PointObjective``; then the sums of both Gaussian weights, the evaluators' loss and the label loss."""
        with torch.autocast(batch.mask.device.type, enabled=False):
            points, mask, targets = self.find_targets(outputs, batch)
            places = Places.of(points, batch, targets, mask)
            learned = self.gaussians(places.positions, places.labels, places.strides)
            evaluated = self._evaluate(outputs, places)
            sums = self.sum_terms(outputs, targets, mask, self._weigh(learned, evaluated, places, mask))
            extra = self._sum_extra(learned, evaluated, places, outputs, targets)
            return torch.cat([sums, extra, self._sum_label_loss(outputs, batch, mask)])

    def count(self, batch: Batch) -> Tensor | None:
        """As ``PointObjective``; None where vectors are compared, since they hang on the outputs."""
        found = None if self.contrast_weight else super().count(batch)
        return None if found is None else torch.cat([found, found.new_zeros(_EXTRA_SUMS)])

    def scale(self, whole: Tensor) -> Tensor:
        """As ``PointObjective``; then what the added sums are multiplied by."""
        factors = super().scale(whole[:-_EXTRA_SUMS])
        mean, share = 1 / whole[0].clamp(min=1), factors[1] / self.terms[0].share
        return torch.cat([factors, torch.stack([mean, mean, share, share])])

    def losses(self, sums: Tensor, factors: Tensor) -> Losses:
        """As ``PointObjective``, and the evaluators' loss; beside them the mean weights of the positive points."""
        base = super().losses(sums[:-_EXTRA_SUMS], factors[:-_EXTRA_SUMS])
        classes, boundaries, evaluation, labels = sums[-_EXTRA_SUMS:] * factors[-_EXTRA_SUMS:]
        weight = self.config.sensitivity_label_weight
        named = {**base.named, "class_sensitivity_mean": classes, "boundary_sensitivity_mean": boundaries}
        named |= {"evaluation_loss": evaluation} if self.evaluators is not None else {}
        named |= {"label_loss": labels} if weight else {}
        return Losses(named, base.total + evaluation + weight * labels)

    def embed(self, outputs: HeadOutputs, batch: Batch) -> Vectors | None:
        """Vectors of the sensitive steps of level 0, or of windows in the released form; None without contrast."""
        if not self.contrast_weight:
            return None
        with torch.autocast(batch.mask.device.type, enabled=False):
            assert outputs.embeddings is not None, "networks give their embeddings in training"
            features = outputs.packing.unpack(outputs.embeddings)[0].float()
            scene = Scene(features, batch.mask[:, : features.shape[1]], batch.segments, batch.labels)
            if self.config.sensitivity_form == "released":
                return embed_windows(scene)
            return embed_sensitive(scene, self._weigh_steps(outputs, scene), self.config.sensitivity_topk)

    def contrast(self, vectors: Vectors) -> Tensor:
        """Cost of each vector, as the form has it."""
        if self.config.sensitivity_form == "released":
            return contrast_windows(vectors) / float(self.normalizer)
        return contrast_sensitive(vectors)

    def settle(self) -> None:
        """Keep the Gaussians in their range."""
        self.gaussians.keep_in_range()

    def facts(self) -> dict[str, float]:
        """As ``PointObjective``, and the Gaussians'."""
        return {**super().facts(), **self.gaussians.facts()}

    def describe(self) -> dict[str, object]:
        """Every class's Gaussians: by kind, lists in the order of classes; null for what is no number."""
        state = {"mu": self.gaussians.mu.tolist(), "sigma": self.gaussians.sigma.tolist()}
        plain = {key: [[v if math.isfinite(v) else None for v in row] for row in rows] for key, rows in state.items()}
        return {"sensitivity": {key: dict(zip(KINDS, rows, strict=True)) for key, rows in plain.items()}}

    def _evaluate(self, outputs: HeadOutputs, places: Places) -> Sensitivity | None:
        """What the evaluators say at positive points, each ``[M]``."""
        if self.evaluators is None:
            return None
        assert outputs.embeddings is not None, "networks give their embeddings in training"
        every = self.evaluators(outputs.embeddings.float(), outputs.packing)
        return Sensitivity(*(values[places.samples, places.points] for values in every))

    def _weigh(self, learned: Sensitivity, evaluated: Sensitivity | None, places: Places, mask: Tensor) -> PointWeights:
        """Sums of both parts at positive points, 1 elsewhere."""
        sums = learned if evaluated is None else _add(learned, evaluated)
        if self.config.sensitivity_normalize:
            sums = [divide_by_mean(values, places) for values in sums]
        ones = torch.ones(mask.shape, device=mask.device)
        return PointWeights(*(ones.index_put((places.samples, places.points), values) for values in sums))

    def _sum_extra(
        self,
        learned: Sensitivity,
        evaluated: Sensitivity | None,
        places: Places,
        outputs: HeadOutputs,
        targets: Targets,
    ) -> Tensor:
        """Sums ``[3]`` over positive points, each by its weight: both Gaussian weights, and the evaluators' loss."""
        index = places.samples, places.points
        counts = torch.ones_like(places.positions) if targets.weights is None else targets.weights[index]
        sums = [(counts * values.detach()).sum() for values in learned]
        if evaluated is None:
            return torch.stack([*sums, torch.zeros_like(sums[0])])
        quality = find_quality(outputs.refined, places, targets.distances[index])
        misses = sum((said - true).square() for said, true in zip(evaluated, quality, strict=True))
        return torch.stack([*sums, (counts * misses).sum()])

    def _sum_label_loss(self, outputs: HeadOutputs, batch: Batch, mask: Tensor) -> Tensor:
        """The label-involved loss ``[1]``, of the outputs that detections come from."""
        if not self.config.sensitivity_label_weight:
            return torch.zeros(1, device=mask.device)
        logits = outputs.refined.class_logits.float()[:, outputs.packing.points]
        return sum_label_losses(logits, mask, batch.labels, ~batch.mask.all(1))[None]

    @torch.no_grad()
    def _weigh_steps(self, outputs: HeadOutputs, scene: Scene) -> Sensitivity:
        """Weights ``[B, N, T]`` of every step of level 0, for every instance."""
        positions = find_positions(scene.times, scene.segments[:, :, None])
        labels = scene.labels.clamp(min=0)[..., None].expand_as(positions)
        learned = self.gaussians(positions, labels)
        if self.evaluators is None or outputs.embeddings is None:
            return learned
        every = self.evaluators(outputs.embeddings.float(), outputs.packing)
        steps = scene.features.shape[1]
        return _add(learned, Sensitivity(*(values[:, None, :steps] for values in every)))


def _add(learned: Sensitivity, evaluated: Sensitivity) -> Sensitivity:
    """Gaussian weights and what the evaluators say; no gradient flows through the latter."""
    return Sensitivity(*(weights + said.detach() for weights, said in zip(learned, evaluated, strict=True)))
