"""AdamW's parameter groups, the learning rate of every step, and the averaged weights (spec §8)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from cltdr_cli.models.convolution import TimeConv, TimeConvTranspose
from cltdr_cli.models.gmg import FourierMixer
from cltdr_cli.training.config import TrainConfig

_DECAYED: dict[type[nn.Module], tuple[str, ...]] = {
    TimeConv: ("weight",),
    TimeConvTranspose: ("weight",),
    nn.Linear: ("weight",),
    FourierMixer: ("w1", "w2"),
}
"""Kinds of modules to their parameters that weight decay shrinks; all others stay as they are."""


def decayed_parameters(model: nn.Module) -> frozenset[str]:
    """Names of the parameters with weight decay: weights of convolutions and products, spectral weights."""
    return frozenset(
        f"{name}.{parameter}" if name else parameter
        for name, module in model.named_modules()
        for parameter in _DECAYED.get(type(module), ())
    )


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over the trainable parameters, in two groups: with and without weight decay."""
    decayed = decayed_parameters(model)
    trainable = {name: value for name, value in model.named_parameters() if value.requires_grad}
    groups = [
        {
            "params": [value for name, value in trainable.items() if name in decayed],
            "weight_decay": config.weight_decay,
        },
        {"params": [value for name, value in trainable.items() if name not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=config.betas)


def learning_rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """Rate of optimiser step ``step`` (from 0): a linear warm-up from 0, then half a cosine down to ``eta_min``.

    The first step of a warm-up runs at rate 0 and its last one at the base rate, as published.
    """
    warmup = config.warmup_epochs * steps_per_epoch
    total = warmup + config.epochs * steps_per_epoch
    if step < warmup:
        return config.learning_rate * step / max(warmup - 1, 1)
    phase = min((step - warmup) / (total - warmup), 1.0)
    return config.eta_min + 0.5 * (config.learning_rate - config.eta_min) * (1 + math.cos(math.pi * phase))


class AveragedWeights:
    """Exponential moving average of a model's whole state, the weights that are evaluated and shipped.

    Args:
        model: Its present state is the first average.
        decay: Share of the old average in the new one.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._move = get_ema_multi_avg_fn(decay)
        self.state = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model's present state."""
        new = model.state_dict()
        floating = [name for name, value in self.state.items() if value.is_floating_point()]
        averages, values = [self.state[name] for name in floating], [new[name].detach() for name in floating]
        if averages:
            self._move(averages, values, 0)  # the count of updates is not read
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
