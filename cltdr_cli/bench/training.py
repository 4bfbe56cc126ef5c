"""Speed of training: optimiser steps per second, and their share of the device's matrix-product rate."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cltdr_cli.errors import UsageError
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.learner import Learner, Precision
from cltdr_cli.training.objective import Objective
from cltdr_cli.zoo.preset import load_preset

WARM_UP_STEPS = 3
_INSTANCES = 15
_PEAK_SIZE = {"cpu": 2048, "cuda": 8192}
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class TrainCase:
    """A way to train.

    Attributes:
        precision: Arithmetic of the network.
        compiled: Whether the network goes through ``torch.compile``.
    """

    precision: Precision
    compiled: bool = False

    @property
    def name(self) -> str:
        """Such as ``bf16, compiled``."""
        return f"{self.precision}, compiled" if self.compiled else self.precision


DEFAULT_CASES = (TrainCase("fp32"), TrainCase("bf16"), TrainCase("bf16", compiled=True))


@dataclass(frozen=True)
class TrainTiming:
    """Speed of one case.

    Attributes:
        name: Of the case.
        steps_per_second: From the median step; forward, backward, optimiser and averages.
        median_seconds: Of a step.
        first_seconds: Of the first step, which includes compilation.
        gflop_per_step: Multiplications and additions of products and convolutions, forward and backward.
        share_of_peak: Their rate, over that of one large matrix product of this precision on this device.
        peak_gflops: The latter, in 10⁹ a second.
        memory_bytes: Most memory in use on a GPU; 0 on a CPU.
    """

    name: str
    steps_per_second: float
    median_seconds: float
    first_seconds: float
    gflop_per_step: float
    share_of_peak: float
    peak_gflops: float
    memory_bytes: int


@dataclass(frozen=True)
class TrainedMethod:
    """What is timed.

    Attributes:
        model: Sizes: ``input_dim``, ``num_classes`` and ``max_seq_len`` are read here.
        config: Batch size, noise, losses.
        build: A network with fresh weights, of a seed.
        objective: What its outputs cost.
    """

    model: Any
    config: TrainConfig
    build: Callable[[int], nn.Module]
    objective: Callable[[], Objective]


def find_trained(preset: str) -> TrainedMethod:
    """Network, objective and training numbers of a preset.

    Raises:
        UsageError: The preset is not trained.
    """
    chosen = load_preset(preset)
    method, training = find_method(chosen.method), chosen.training
    if method.objective is None or method.supervision != "segments":
        raise UsageError(
            f"preset {preset}: nothing of it is trained on segments, which this measures",
            "Choose another: `cltdr presets list`.",
        )
    objective = method.objective
    return TrainedMethod(
        chosen.model,
        training,
        lambda seed: build_network(method, chosen.model, seed),
        lambda: objective(chosen.model, training),
    )


def time_training(
    trained: TrainedMethod,
    device: torch.device,
    cases: Sequence[TrainCase] = DEFAULT_CASES,
    steps: int = 20,
    on_case: Callable[[TrainTiming], None] | None = None,
) -> list[TrainTiming]:
    """Time optimiser steps on random features of full length, already on the device.

    Args:
        trained: The method, such as that of the preset thumos14-i3d.
        device: Where it trains.
        cases: Ways to train.
        steps: Timed steps of each case, at least 1.
        on_case: Called with each row when it is done.
    """
    batch = draw_batch(trained.model, trained.config.batch_size).to(device)
    gflop = _count_gflop(trained, batch, device)
    rows: list[TrainTiming] = []
    for case in cases:
        rows.append(_time_case(case, trained, batch, gflop, steps))
        if on_case is not None:
            on_case(rows[-1])
    return rows


def draw_batch(model: Any, size: int, seed: int = 0) -> Batch:
    """Random features of full length, with random instances."""
    draw = torch.Generator().manual_seed(seed)
    steps = model.max_seq_len
    starts = torch.rand(size, _INSTANCES, generator=draw) * steps * 0.9
    lengths = 2 + torch.rand(size, _INSTANCES, generator=draw) * steps * 0.05
    return Batch(
        torch.randn(size, steps, model.input_dim, generator=draw),
        torch.ones(size, steps, dtype=torch.bool),
        torch.stack([starts, starts + lengths], dim=2),
        torch.randint(0, model.num_classes, (size, _INSTANCES), generator=draw),
        tuple(range(size)),
    )


def _make_learner(case: TrainCase, trained: TrainedMethod, device: torch.device) -> Learner:
    network, config = trained.build(trained.config.seed).to(device), trained.config
    steps = trained.model.max_seq_len if case.compiled else None
    return Learner(network, trained.objective(), config, 1000, device, precision=case.precision, compiled_steps=steps)


def _count_gflop(trained: TrainedMethod, batch: Batch, device: torch.device) -> float:
    learner = _make_learner(TrainCase("fp32"), trained, device)
    with FlopCounterMode(display=False) as counter:
        learner.train_step([batch])
    return counter.get_total_flops() / 1e9


def _time_case(case: TrainCase, trained: TrainedMethod, batch: Batch, gflop: float, steps: int) -> TrainTiming:
    device = batch.features.device
    learner = _make_learner(case, trained, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = [_step_seconds(learner, batch) for _ in range(WARM_UP_STEPS + steps)]
    median = statistics.median(seconds[WARM_UP_STEPS:])
    peak = matrix_product_gflops(device, case.precision)
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return TrainTiming(case.name, 1 / median, median, seconds[0], gflop, gflop / median / peak, peak, memory)


def _step_seconds(learner: Learner, batch: Batch) -> float:
    begin = time.perf_counter()
    learner.train_step([batch])
    if learner.device.type == "cuda":
        torch.cuda.synchronize(learner.device)
    return time.perf_counter() - begin


def matrix_product_gflops(device: torch.device, precision: str, runs: int = 5) -> float:
    """10⁹ multiplications and additions a second of one large square matrix product: what the device can do."""
    size = _PEAK_SIZE.get(device.type, 2048)
    left, right = (torch.randn(size, size, device=device, dtype=_DTYPES[precision]) for _ in range(2))
    best = float("inf")
    for _ in range(runs + 1):
        begin = time.perf_counter()
        product = left @ right
        product[0, 0].item()
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / 1e9
