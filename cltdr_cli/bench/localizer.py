"""Speed of a localizer on this machine, beside the same network computed the plain way."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from cltdr_cli.errors import UsageError
from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.decode import decode, select_pairs, to_candidates
from cltdr_cli.inference.localize import NetworkLocalizer
from cltdr_cli.inference.nms import Candidates, suppress
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.models.convolution import plain_convolution
from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.zoo.load import make_localizer
from cltdr_cli.zoo.preset import load_preset

Decoder = Callable[[HeadOutputs, InferenceConfig], Candidates]


@dataclass
class Timing:
    """Seconds of every run of one way to localize, first the network, then decoding and NMS."""

    network: list[float] = field(default_factory=list[float])
    selection: list[float] = field(default_factory=list[float])

    @property
    def total(self) -> list[float]:
        """Seconds of both, run by run."""
        return [a + b for a, b in zip(self.network, self.selection, strict=True)]


@dataclass(frozen=True)
class Comparison:
    """Both ways on one input, in turns within one process.

    Attributes:
        steps: Length of the features.
        fast: Ours.
        plain: The same weights through PyTorch's convolutions, every head at every padded step, every class
            decoded at every point, as the published program goes about it. NMS is ours in both.
        detections: Segments that came out.
    """

    steps: int
    fast: Timing
    plain: Timing
    detections: int

    def rows(self) -> list[tuple[str, float, float, float, float, float]]:
        """Per part: its name, median and least seconds of ours, then of the plain way, ratio of the medians."""
        parts = {
            "network": (self.fast.network, self.plain.network),
            "decoding and NMS": (self.fast.selection, self.plain.selection),
            "total": (self.fast.total, self.plain.total),
        }
        return [
            (name, *_summarize(fast), *_summarize(plain), statistics.median(plain) / statistics.median(fast))
            for name, (fast, plain) in parts.items()
        ]


def build_random(preset: str, device: torch.device) -> tuple[NetworkLocalizer, int]:
    """A preset's localizer with random weights, and the width of its features; speed does not depend on weights.

    Raises:
        UsageError: Its method has no network of its own.
    """
    chosen = load_preset(preset)
    method = find_method(chosen.method)
    if method.build is None or method.supervision != "segments":
        raise UsageError(
            f"preset {preset}: the method {chosen.method!r} has no point detector to measure",
            "Choose a preset of a trained localizer: `cltdr presets list`.",
        )
    return make_localizer(chosen, build_network(method, chosen.model, 0), device), chosen.model.input_dim


def compare_ways(
    localizer: NetworkLocalizer, width: int, steps: int, runs: int, on_run: Callable[[], object] = lambda: None
) -> Comparison:
    """Time both ways ``runs`` times in turns, after one run of each that does not count.

    Args:
        localizer: Network and post-processing; random weights do.
        width: Channels of its features.
        steps: Length of the random features.
        runs: Repetitions, at least 1.
        on_run: Called after each of the ``2 · (runs + 1)`` runs.
    """
    features = torch.randn(steps, width, generator=torch.Generator().manual_seed(steps)).to(localizer.device)
    fast, plain = Timing(), Timing()
    detections = 0
    for number in range(runs + 1):
        for timing, network, decoder in (
            (fast, _fast_network, decode),
            (plain, _plain_network, decode_everything),
        ):
            found, *seconds = _time_run(localizer, features, network, decoder)
            if number:
                timing.network.append(seconds[0])
                timing.selection.append(seconds[1])
            detections = len(found)
            on_run()
    return Comparison(steps, fast, plain, detections)


def decode_everything(outputs: HeadOutputs, config: InferenceConfig) -> Candidates:
    """The candidates of ``decode``, but boundaries are read at every point and class before any is dropped."""
    outputs = outputs.refined
    every = torch.arange(len(outputs.packing.points), device=outputs.class_logits.device)
    first = torch.zeros_like(every)
    classes = range(outputs.class_logits.shape[2] if outputs.boundaries.per_class else 1)
    distances = torch.stack([outputs.distances_at(first, every, first + label) for label in classes], 1)
    points, labels, scores = select_pairs(outputs, config, 0)
    chosen = labels if outputs.boundaries.per_class else torch.zeros_like(labels)
    return to_candidates(outputs, points, labels, scores, distances[points, chosen], config)


def _fast_network(localizer: NetworkLocalizer, features: Tensor, mask: Tensor) -> HeadOutputs:
    return localizer.network(features, mask)


def _plain_network(localizer: NetworkLocalizer, features: Tensor, mask: Tensor) -> HeadOutputs:
    whole = F.pad(features, (0, 0, 0, mask.shape[1] - features.shape[1]))
    with plain_convolution():
        return localizer.network(whole, mask, real_steps=mask.shape[1])


def _time_run(
    localizer: NetworkLocalizer,
    features: Tensor,
    network: Callable[[NetworkLocalizer, Tensor, Tensor], HeadOutputs],
    decoder: Decoder,
) -> tuple[Candidates, float, float]:
    with torch.inference_mode():
        start = _now(localizer.device)
        outputs = network(localizer, *localizer.pad(features))
        between = _now(localizer.device)
        found = suppress(decoder(outputs, localizer.config), localizer.config)
        return found, between - start, _now(localizer.device) - between


def _now(device: torch.device) -> float:
    """Seconds, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _summarize(seconds: list[float]) -> tuple[float, float]:
    return statistics.median(seconds), min(seconds)
