"""The learner: network, objective, optimiser and averaged weights, and the optimiser step that changes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cltdr_cli.errors import CltdrError
from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.training.batches import TrainingBatch
from cltdr_cli.training.config import OptimizerConfig
from cltdr_cli.training.contrast import Comparison
from cltdr_cli.training.objective import Losses, Measured, NetworkWithObjective, Objective
from cltdr_cli.training.optim import (
    AveragedWeights,
    average_decay,
    build_optimizer,
    clip_gradients,
    learning_rate,
    set_learning_rate,
)
from cltdr_cli.training.processes import Processes
from cltdr_cli.training.randomness import add_noise, drop_channels, seed_network

Precision = Literal["fp32", "bf16", "fp16"]

_FIRST_SCALE = 1024.0
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class StepResult:
    """Losses and other numbers of one optimiser step.

    Attributes:
        step: Steps done, this one included.
        losses: By name, summed over all processes and parts, before their weights.
        total_loss: What was minimised.
        gradient_norm: L2 of the network's, before clipping; not finite where fp16 overflowed and the step was skipped.
        learning_rate: Of this step.
        facts: Numbers of the objective's state after this step, such as ``loss_normalizer``.
    """

    step: int
    losses: dict[str, float]
    total_loss: float
    gradient_norm: float
    learning_rate: float
    facts: dict[str, float]

    def to_record(self) -> dict[str, float]:
        """All numbers by name, for the log."""
        rest = {name: value for name, value in vars(self).items() if name not in ("losses", "facts")}
        return {"step": rest.pop("step"), **self.losses, **rest, **self.facts}


class Learner:
    """A network with its averages, objective, optimiser and step count.

    Args:
        model: On ``device``.
        objective: What the outputs cost; moved to ``device``.
        config: How it is trained.
        steps_per_epoch: Optimiser steps in an epoch.
        device: Where the network is.
        processes: Who trains together.
        precision: ``bf16`` and ``fp16`` run the network under autocast; losses are float32 anyway.
        compiled_steps: Pass the network through ``torch.compile`` at this padded length; None does not.
    """

    def __init__(  # noqa: PLR0913 - each is a part of its own, made elsewhere
        self,
        model: nn.Module,
        objective: Objective,
        config: OptimizerConfig,
        steps_per_epoch: int,
        device: torch.device,
        processes: Processes | None = None,
        precision: Precision = "fp32",
        compiled_steps: int | None = None,
    ) -> None:
        self.model, self.config, self.steps_per_epoch, self.device = model, config, steps_per_epoch, device
        self.objective = objective.to(device)
        self.processes = processes or Processes()
        self.precision: Precision = precision
        self.average = AveragedWeights(model)
        self.optimizer = build_optimizer(model, config, objective)
        # The usual first scale overflows in the first steps, which are then lost; it doubles soon enough.
        self.scaler = torch.amp.GradScaler(device.type, _FIRST_SCALE, enabled=precision == "fp16")
        self.step = 0
        self._trained = NetworkWithObjective(model, self.objective)
        if compiled_steps is not None:
            self._trained.run = compile_network(model, compiled_steps)
        self._measure = self.processes.wrap(self._trained, device)

    def train_step(self, parts: Sequence[TrainingBatch]) -> StepResult:
        """One optimiser step on this process's share of a batch, computed in one or several parts.

        The losses and gradients do not depend on how the batch is parted, nor over how many processes.
        """
        self.model.train()
        rate = learning_rate(self.config, self.step, self.steps_per_epoch)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        named, total = self._learn_from(parts)
        norm = self._update()
        self.step += 1
        names = sorted(named)
        numbers = self.processes.sum_over_all(torch.stack([total, *(named[name] for name in names)])).tolist()
        losses = dict(zip(names, numbers[1:], strict=True))
        return StepResult(self.step, losses, numbers[0], float(norm), rate, self.objective.facts())

    def _learn_from(self, parts: Sequence[TrainingBatch]) -> tuple[dict[str, Tensor], Tensor]:
        """Gradients of all parts; returns their named losses and total, of this process."""
        first = self._measure_part(parts[0]) if len(parts) == 1 else None
        ahead = [first] if first is not None else self._look_ahead(parts)
        whole = torch.stack([part.sums.detach() for part in ahead]).sum(0)
        factors = self.objective.scale(self.processes.sum_over_all(whole))
        compared = self._compare(ahead)
        named, total = dict[str, Tensor](), torch.zeros((), device=self.device)
        for index, part in enumerate(parts):
            with self._without_exchange(index + 1 < len(parts)):
                measured = self._measure_part(part) if first is None else first
                found = self.objective.losses(measured.sums, factors)
                if compared is not None and measured.vectors is not None:
                    found = self._add_contrast(found, compared[index].cost(measured.vectors))
                # The processes' gradients are averaged, but their losses have to be summed.
                self.scaler.scale(found.total * self.processes.count).backward()
            total += found.total.detach()
            for name, value in found.named.items():
                named[name] = named.get(name, 0) + value.detach()
        return named, total

    def _look_ahead(self, parts: Sequence[TrainingBatch]) -> list[Measured]:
        """Of all parts, before the first gradient: from the targets alone where the objective can do that."""
        counts = [count for part in parts if (count := self.objective.count(part)) is not None]
        if len(counts) == len(parts):
            return [Measured(count, None) for count in counts]
        with torch.no_grad():
            return [self._measure_part(part, self._trained) for part in parts]

    def _compare(self, ahead: Sequence[Measured]) -> list[Comparison] | None:
        """Every part's vectors among those of all parts and processes; None where nothing is compared."""
        own = [part.vectors.detach() for part in ahead if part.vectors is not None]
        if not own:
            return None
        everyone = self.processes.gather([vectors.to(torch.device("cpu")) for vectors in own])
        before = sum(len(parts) for parts in everyone[: self.processes.rank])
        pool = [vectors.to(self.device) for parts in everyone for vectors in parts]
        return Comparison.of_parts(self.objective.contrast, pool, before, len(own))

    def _add_contrast(self, losses: Losses, cost: Tensor) -> Losses:
        total = losses.total + self.objective.contrast_weight * cost
        return Losses({**losses.named, "contrast_loss": cost}, total)

    def _measure_part(self, part: TrainingBatch, module: nn.Module | None = None) -> Measured:
        seed_network(self.model, part.seeds)
        features = drop_channels(part.features, self.config.channel_dropout, part.seeds)
        features = add_noise(features, self.config.input_noise, part.seeds)
        with self._autocast():
            return (module or self._measure)(features, part)

    def _update(self) -> Tensor:
        self.scaler.unscale_(self.optimizer)
        norm = clip_gradients(self.model, self.config.clip_grad_l2norm)
        clip_gradients(self.objective, self.config.clip_grad_l2norm)  # by itself: the network trains as without it
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.objective.settle()
        self.average.update(self.model, average_decay(self.config, self.step + 1))
        return norm

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, _AUTOCAST[self.precision])

    def _without_exchange(self, is_wanted: bool) -> AbstractContextManager[object]:
        """Gradients of all parts but the last stay in this process."""
        no_sync = getattr(self._measure, "no_sync", None)
        return no_sync() if is_wanted and no_sync is not None else nullcontext()

    def state(self) -> dict[str, Any]:
        """Tensors and plain data; ``load`` continues exactly from there."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "objective": self.objective.state_dict(),
            "step": self.step,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` gave.

        Raises:
            CltdrError: It was saved by an older version.
        """
        if "objective" not in state:
            raise CltdrError(
                "the saved state is of a version before 0.3, which this one cannot continue",
                "train on with the version that began it, or start again in another folder",
            )
        self.model.load_state_dict(state["model"])
        self.average.load(state["average"])
        self._load_optimizer(state["optimizer"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.objective.load_state_dict(state["objective"])
        self.step = int(state["step"])

    def _load_optimizer(self, state: dict[str, Any]) -> None:
        """Moments as saved, but weight decay and factors of the rate by this run's settings, which may be new."""
        settings = [
            {name: value for name, value in group.items() if name in ("weight_decay", "rate_factor")}
            for group in self.optimizer.param_groups
        ]
        self.optimizer.load_state_dict(state)
        for group, own in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(own)

    def find_broken(self) -> list[str]:
        """Names of the tensors that hold NaN or infinity: weights, their averages, the objective's, moments."""
        moments = {
            f"{name} of the optimiser for parameter {index}": value
            for index, state in enumerate(self.optimizer.state.values())
            for name, value in state.items()
            if isinstance(value, Tensor)
        }
        averages = {f"{name} (averaged)": value for name, value in self.average.state.items()}
        learned = dict(self.objective.named_parameters())
        tensors = {**self.model.state_dict(), **averages, **learned, **moments}
        return [name for name, value in tensors.items() if _is_broken(value)]


def _is_broken(value: Tensor) -> bool:
    return value.is_floating_point() and not bool(value.isfinite().all())


def compile_network(model: nn.Module, steps: int, backend: str = "inductor") -> Callable[[Tensor, Tensor], HeadOutputs]:
    """The network through ``torch.compile`` at one fixed length; real lengths would compile it again and again."""
    compiled = torch.compile(model, dynamic=False, backend=backend)
    return lambda features, mask: compiled(features, mask, steps)
