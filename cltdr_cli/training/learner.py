"""Everything that changes while training, and the one step that changes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cltdr_cli.models.cltdr import Cltdr
from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.objective import Losses, LossNormalizer, losses
from cltdr_cli.training.optim import AveragedWeights, build_optimizer, clip_gradients, learning_rate
from cltdr_cli.training.processes import Processes
from cltdr_cli.training.randomness import add_noise, draw_drop_paths
from cltdr_cli.training.targets import Points, Targets, assign

Precision = Literal["fp32", "bf16", "fp16"]

_FIRST_SCALE = 1024.0
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class StepResult:
    """What one optimiser step says of itself.

    Attributes:
        step: Steps done, this one included.
        class_loss: Summed over all processes and parts, as is ``regression_loss``.
        regression_loss: Before ``loss_weight``.
        total_loss: What was minimised.
        gradient_norm: L2, before clipping; not finite where fp16 overflowed and the step was skipped.
        learning_rate: Of this step.
        loss_normalizer: After this step.
    """

    step: int
    class_loss: float
    regression_loss: float
    total_loss: float
    gradient_norm: float
    learning_rate: float
    loss_normalizer: float


class Learner:
    """A network with its averages, optimiser, loss normaliser and step count.

    Args:
        model: On ``device``.
        config: How it is trained.
        steps_per_epoch: Optimiser steps in an epoch.
        device: Where the network is.
        processes: Who trains together.
        precision: ``bf16`` and ``fp16`` run the network under autocast; losses are float32 anyway.
        compiled: Pass the network through ``torch.compile``.
    """

    def __init__(
        self,
        model: Cltdr,
        config: TrainConfig,
        steps_per_epoch: int,
        device: torch.device,
        processes: Processes | None = None,
        precision: Precision = "fp32",
        compiled: bool = False,
    ) -> None:
        self.model, self.config, self.steps_per_epoch, self.device = model, config, steps_per_epoch, device
        self.processes = processes or Processes()
        self.precision: Precision = precision
        freeze_unread(model)
        self.points = Points.of(model.config, device)
        self.average = AveragedWeights(model, config.ema_decay)
        self.optimizer = build_optimizer(model, config)
        self.normalizer = LossNormalizer(config.init_loss_norm)
        # The usual first scale overflows in the first steps, which are then lost; it doubles soon enough.
        self.scaler = torch.amp.GradScaler(device.type, _FIRST_SCALE, enabled=precision == "fp16")
        self.step = 0
        self._wrapped = self.processes.wrap(model, device)
        self._forward = compiled_forward(self._wrapped, model.config.max_seq_len) if compiled else self._wrapped

    def train_step(self, parts: Sequence[Batch]) -> StepResult:
        """One optimiser step on this process's share of a batch, computed in one or several parts.

        The losses and gradients do not depend on how the batch is parted, nor over how many processes.
        """
        self.model.train()
        rate = learning_rate(self.config, self.step, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        wanted = [self._targets(part) for part in parts]
        counts = [t.positives(self.points.mask(p.mask)).sum() for t, p in zip(wanted, parts, strict=True)]
        divisors = self.normalizer.updated(int(self.processes.summed(torch.stack(counts).sum())))
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(3, device=self.device)
        for index, (part, targets) in enumerate(zip(parts, wanted, strict=True)):
            with self._without_exchange(index + 1 < len(parts)):
                found = self._losses(part, targets, divisors)
                # The processes' gradients are averaged, but their losses have to be summed.
                self.scaler.scale(found.total * self.processes.count).backward()
            sums += torch.stack([found.classes, found.regression, found.total]).detach()
        norm = self._update()
        self.step += 1
        classes, regression, total = self.processes.summed(sums).tolist()
        return StepResult(self.step, classes, regression, total, float(norm), rate, self.normalizer.value)

    def _targets(self, part: Batch) -> Targets:
        config = self.config
        return assign(
            self.points,
            part.segments,
            part.labels,
            self.model.config.num_classes,
            config.center_sample,
            config.center_sample_radius,
        )

    def _losses(self, part: Batch, targets: Targets, divisors: tuple[float, float]) -> Losses:
        draw_drop_paths(self.model, part.seeds)
        features = add_noise(part.features, self.config.input_noise, part.seeds)
        with self._autocast():
            outputs: HeadOutputs = self._forward(features, part.mask)
        rows = self.points.rows(outputs.packing)
        mask = self.points.mask(part.mask)[:, rows]
        return losses(outputs, targets.at(rows), mask, divisors, self.config)

    def _update(self) -> Tensor:
        self.scaler.unscale_(self.optimizer)
        norm = clip_gradients(self.model, self.config.clip_grad_l2norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update(self.model)
        return norm

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, _AUTOCAST[self.precision])

    def _without_exchange(self, is_wanted: bool) -> AbstractContextManager[object]:
        """Gradients of all parts but the last stay in this process."""
        no_sync = getattr(self._wrapped, "no_sync", None)
        return no_sync() if is_wanted and no_sync is not None else nullcontext()

    def state(self) -> dict[str, Any]:
        """Tensors and plain data from which ``load`` continues exactly here."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "normalizer": self.normalizer.value,
            "step": self.step,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state of ``state``."""
        self.model.load_state_dict(state["model"])
        self.average.load(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.normalizer.value = float(state["normalizer"])
        self.step = int(state["step"])


def freeze_unread(model: Cltdr) -> None:
    """Take parameters that no output depends on out of training.

    Without boundary bins nothing reads the refined shifts; published programs keep their convolutions as they
    are, too, since they never get a gradient.
    """
    head = model.refine_head
    if head is None or model.config.use_trident_head:
        return
    unread = (head.start, head.end) if head.score is not None else (head, model.fusion)
    for module in unread:
        if module is not None:
            module.requires_grad_(False)


def compiled_forward(
    model: nn.Module, steps: int, backend: str = "inductor"
) -> Callable[[Tensor, Tensor], HeadOutputs]:
    """The network through ``torch.compile`` at one fixed length; real lengths would compile it again and again."""
    compiled = torch.compile(model, dynamic=False, backend=backend)
    return lambda features, mask: compiled(features, mask, steps)
