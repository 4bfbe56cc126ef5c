"""What the outputs of our reconstruction of DFE cost: CO2-Net's losses, those of the global branch, distillation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cltdr_cli.methods.wtal.config import WtalConfig, WtalTraining
from cltdr_cli.methods.wtal.distillation import Branch, Distillation, Schedule
from cltdr_cli.methods.wtal.objective import Co2Objective
from cltdr_cli.methods.wtal.outputs import WtalOutputs
from cltdr_cli.methods.wtal.teacher import Teacher
from cltdr_cli.training.label_batches import LabelBatch


class TaughtObjective(Co2Objective):
    """CO2-Net's losses alone during the warm-up; then also those of a global branch, which the local one learns from.

    The global branch has parameters and a memory of its own. They are saved with the run, and not with the released
    weights: nothing of it is there at test.

    Args:
        config: Sizes, and how the memory is kept and read.
        training: Weights, schedule, and the seed of the first weights.
    """

    steps_done: Tensor

    def __init__(self, config: WtalConfig, training: WtalTraining) -> None:
        super().__init__(training)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            self.teacher = Teacher(config, training.topk_divisor)
        self.schedule = Schedule(training.iterations, training.warmup_share, training.ramp_share)
        self.distillation = Distillation(training.distillation_temperature, training.feature_distillation_weight)
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))
        self._taught: WtalOutputs | None = None

    @property
    def is_warm(self) -> bool:
        """Whether the next step has a global branch."""
        return int(self.steps_done) >= self.schedule.warmup_steps

    def before_step(self, network: nn.Module, videos: Any) -> None:
        """Fill the memory at the end of the warm-up."""
        if int(self.steps_done) == self.schedule.warmup_steps:
            self.teacher.begin(network, videos)

    def measure(self, outputs: WtalOutputs, batch: LabelBatch) -> Tensor:
        """All terms, ``[M]``; after the warm-up the global branch answers first, in the precision of the network."""
        self._taught = self.teacher.answer(outputs, batch.labels) if self.is_warm else None
        return super().measure(outputs, batch)

    def terms(self, outputs: WtalOutputs, batch: LabelBatch) -> dict[str, Tensor]:
        """CO2-Net's; after the warm-up also those of the global branch, and the distance to it."""
        terms, taught, self._taught = super().terms(outputs, batch), self._taught, None
        if taught is None:
            return terms
        # What a batch says of its videos is read from the next step on.
        self.teacher.remember(outputs, batch.labels, batch.videos)
        branch = {f"global_{name}": value for name, value in self.branch_terms(taught, batch).items()}
        return {**terms, **branch, "distillation_loss": self.distillation(_branch(outputs), _branch(taught))}

    def weights(self) -> dict[str, float]:
        """CO2-Net's, the same for the global branch, and that of distillation, which rises after the warm-up."""
        step, own = int(self.steps_done), super().weights()
        self.steps_done += 1
        distillation = self.training_config.distillation_weight * self.schedule.weight(step)
        return {**own, **{f"global_{name}": weight for name, weight in own.items()}, "distillation_loss": distillation}

    def facts(self) -> dict[str, float]:
        """How much of the memory is filled, as a share of its slots."""
        return {"memory_filled": float(self.teacher.memory.filled.float().mean())}


def _branch(outputs: WtalOutputs) -> Branch:
    assert outputs.features is not None, "a network that is taught gives its features"
    return Branch(outputs.features.float(), outputs.logits.float(), outputs.attention.float())
