"""The optimiser with its parameter groups, the learning rate of every step, and the averaged weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cltdr_cli.training.config import OptimizerConfig, TrainConfig
from cltdr_cli.training.objective import Objective


def find_decayed(model: nn.Module) -> frozenset[str]:
    """Names of the parameters that weight decay shrinks: those with two or more dimensions.

    A module names exceptions among its own parameters in an attribute ``without_decay``.
    """
    spared = {
        f"{name}.{parameter}" if name else parameter
        for name, module in model.named_modules()
        for parameter in getattr(module, "without_decay", ())
    }
    return frozenset(name for name, value in model.named_parameters() if value.dim() > 1 and name not in spared)


def build_optimizer(
    model: nn.Module, config: OptimizerConfig, objective: Objective | None = None
) -> torch.optim.Optimizer:
    """AdamW over the trainable parameters: with weight decay, without, and the objective's own, without.

    A group's ``rate_factor`` multiplies the rate of each step. Or ``adam``, whose decay is an L2 term in the gradient
    of every parameter.
    """
    if config.optimizer == "adam":
        modules = (model,) if objective is None else (model, objective)
        whole = [value for module in modules for value in module.parameters() if value.requires_grad]
        return torch.optim.Adam(whole, lr=0.0, betas=config.betas, weight_decay=config.weight_decay)
    decayed = find_decayed(model)
    trainable = {name: value for name, value in model.named_parameters() if value.requires_grad}
    groups = [
        {
            "params": [value for name, value in trainable.items() if name in decayed],
            "weight_decay": config.weight_decay,
        },
        {"params": [value for name, value in trainable.items() if name not in decayed], "weight_decay": 0.0},
    ]
    own = [] if objective is None else [value for value in objective.parameters() if value.requires_grad]
    if objective is not None and own:
        factor = (objective.learning_rate or config.learning_rate) / config.learning_rate
        groups.append({"params": own, "weight_decay": 0.0, "rate_factor": factor})
    return torch.optim.AdamW(groups, lr=0.0, betas=config.betas)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let the next step of every group have this rate, by the group's own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate_factor", 1.0)


def learning_rate(config: OptimizerConfig, step: int, steps_per_epoch: int) -> float:
    """Rate of optimiser step ``step`` (from 0): a linear warm-up from 0, then half a cosine down to ``eta_min``.

    The first step of a warm-up runs at rate 0 and its last one at the base rate, as published. Training without
    epochs has the base rate in every step.
    """
    if not isinstance(config, TrainConfig):
        return config.learning_rate
    warmup = config.warmup_epochs * steps_per_epoch
    total = warmup + config.epochs * steps_per_epoch
    if step < warmup:
        return config.learning_rate * step / max(warmup - 1, 1)
    phase = min((step - warmup) / (total - warmup), 1.0)
    return config.eta_min + 0.5 * (config.learning_rate - config.eta_min) * (1 + math.cos(math.pi * phase))


def average_decay(config: OptimizerConfig, step: int) -> float:
    """Share of the old average in the new one at optimiser step ``step`` (from 1)."""
    return min(config.ema_decay, (1 + step) / (10 + step)) if config.ema_warmup else config.ema_decay


def initial_share(config: OptimizerConfig, steps: int) -> float:
    """Share of the random initial weights in the average after so many steps."""
    return math.prod(average_decay(config, step) for step in range(1, steps + 1))


class AveragedWeights:
    """Exponential moving average of a model's whole state, the weights that are evaluated and shipped.

    Args:
        model: Its present state is the first average. Parameters that its attribute ``averaged_times`` names move
            so many times a step: published programs average a shared module once for each place.
    """

    def __init__(self, model: nn.Module) -> None:
        self._times: Mapping[str, int] = getattr(model, "averaged_times", {})
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, decay: float) -> None:
        """Move towards the model's present state; ``decay`` is the share of the old average in the new one."""
        move, new = get_ema_multi_avg_fn(decay), model.state_dict()
        floating = [name for name, value in self.state.items() if value.is_floating_point()]
        averages, values = [self.state[name] for name in floating], [new[name].detach() for name in floating]
        for time in range(max([1, *self._times.values()]) if averages else 0):
            due = [i for i, name in enumerate(floating) if time < self._times.get(name, 1)]
            move([averages[i] for i in due], [values[i] for i in due], 0)  # the count of updates is not read
        for name in self.state.keys() - set(floating):
            self.state[name].copy_(new[name])

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take up an average that was saved."""
        for name, value in self.state.items():
            value.copy_(state[name])


def clip_gradients(model: nn.Module, limit: float | None) -> Tensor:
    """Total L2 norm of the gradients before clipping; they are scaled down to ``limit`` if that is less."""
    gradients = [value for value in model.parameters() if value.grad is not None]
    return nn.utils.clip_grad_norm_(gradients, math.inf if limit is None else limit)
