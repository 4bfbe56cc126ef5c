"""The distillation losses of our reconstruction of DFE: the local branch learns from the global one.

DFE (ICASSP 2023) has no published code and only its abstract is known; which quantities are distilled, and how, is our
own choice.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Branch:
    """What one branch says of a batch.

    Attributes:
        features: ``[B, T, D]``, before any dropout.
        logits: ``[B, T, C + 1]``, background last.
        attention: ``[B, T]``.
    """

    features: Tensor
    logits: Tensor
    attention: Tensor


@dataclass(frozen=True)
class Distillation:
    """How far the local branch is from the global one, which takes no gradient.

    Attributes:
        temperature: Of the softmax over classes and background.
        feature_weight: Of the features' loss.
    """

    temperature: float = 2.0
    feature_weight: float = 0.5

    def __call__(self, local: Branch, teacher: Branch) -> Tensor:
        """The three losses together, each a mean over videos and steps."""
        return (
            class_distance(local.logits, teacher.logits, self.temperature)
            + attention_distance(local.attention, teacher.attention)
            + self.feature_weight * feature_distance(local.features, teacher.features)
        )


def class_distance(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``τ²·KL(softmax(teacher/τ) ‖ softmax(logits/τ))`` over all C + 1 entries, mean over videos and steps."""
    ours = (logits / temperature).log_softmax(2)
    theirs = (teacher.detach() / temperature).log_softmax(2)
    return temperature**2 * F.kl_div(ours, theirs, reduction="none", log_target=True).sum(2).mean()


def attention_distance(attention: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference."""
    return (attention - teacher.detach()).square().mean()


def feature_distance(features: Tensor, teacher: Tensor) -> Tensor:
    """Mean of ``1 - cosine``."""
    return (1 - F.cosine_similarity(features, teacher.detach(), dim=2)).mean()


@dataclass(frozen=True)
class Schedule:
    """When memory, global branch and distillation come in.

    Attributes:
        steps: Of the whole training.
        warmup_share: Of the steps, in which only the local branch learns.
        ramp_share: Of the steps, over which the distillation's weight then rises.
    """

    steps: int
    warmup_share: float
    ramp_share: float

    @property
    def warmup_steps(self) -> int:
        """Steps of the local branch alone; after them the memory is filled."""
        return round(self.warmup_share * self.steps)

    def weight(self, step: int) -> float:
        """Of the distillation in the step after ``step`` steps: 0 until the warm-up ends, then rising evenly to 1."""
        length = self.ramp_share * self.steps
        begun = step - self.warmup_steps
        if begun < 0:
            return 0.0
        return min(1.0, begun / length) if length > 0 else 1.0
