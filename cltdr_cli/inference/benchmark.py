"""How long localizing takes on this machine, and how long it takes without what makes ours fast."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.decode import decode, select_pairs, to_candidates
from cltdr_cli.inference.localize import NetworkLocalizer
from cltdr_cli.inference.nms import Candidates, suppress
from cltdr_cli.models.convolution import plain_convolution
from cltdr_cli.models.outputs import HeadOutputs

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
            (name, *_middle(fast), *_middle(plain), statistics.median(plain) / statistics.median(fast))
            for name, (fast, plain) in parts.items()
        ]


def compare(
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
            found, *seconds = _timed(localizer, features, network, decoder)
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
    with plain_convolution():
        return localizer.network(features, mask, real_steps=features.shape[1])


def _timed(
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


def _middle(seconds: list[float]) -> tuple[float, float]:
    return statistics.median(seconds), min(seconds)
