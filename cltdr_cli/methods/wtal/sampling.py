"""Which videos are in a batch, and which of their steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.methods.wtal.config import WtalTraining
from cltdr_cli.training.label_loader import Draw
from cltdr_cli.training.randomness import ORDER, epoch_order, stream_seed

Steps = NDArray[np.int64]


def stratify(length: int, samples: int) -> tuple[Steps, Steps]:
    """Least and greatest step, both included, of each of ``samples`` parts of ``length`` steps (published).

    Neighbouring parts share a step. A video shorter than ``samples`` has steps several times; one of just that
    length has each once.
    """
    low = np.arange(samples) * length // samples
    high = low if length == samples else np.maximum(low, np.append(low[1:], length - 1))
    return low, high


def choose_stratified(length: int, samples: int, rng: np.random.Generator) -> Steps:
    """A random step of each part: int64 ``[samples]``."""
    low, high = stratify(length, samples)
    return rng.integers(low, high, endpoint=True)


def choose_window(length: int, samples: int, rng: np.random.Generator) -> Steps:
    """``samples`` steps in a row from a random start; of shorter videos as ``choose_stratified``."""
    if length <= samples:
        return choose_stratified(length, samples, rng)
    return int(rng.integers(length - samples, endpoint=True)) + np.arange(samples)


_CHOICES = {"stratified": choose_stratified, "window": choose_window}


@dataclass(frozen=True)
class _StepSampler:
    """Chooses the steps of a video as ``training.local_sampling`` says.

    Attributes:
        training: Batch size, seed and the like.
        labels: float32 ``[V, K]`` of all videos.
    """

    training: WtalTraining
    labels: NDArray[np.float32]

    def choose_steps(self, length: int, rng: np.random.Generator) -> Steps:
        """Steps int64 ``[T]`` of a video of ``length`` steps."""
        return _CHOICES[self.training.local_sampling](length, self.training.sampled_steps, rng)


class PairSampler(_StepSampler):
    """Pairs of videos with a class in common, then videos drawn from all with replacement (CO2-Net, W-TALC).

    A class is drawn among those with two videos or more, with replacement; where there are none, nothing is paired.
    """

    def draw(self, iteration: int) -> Draw:
        """The videos of a batch."""
        rng = np.random.default_rng(stream_seed(self.training.seed, ORDER, iteration))
        classes = np.flatnonzero(self.labels.sum(0) >= 2)
        pairs = (self.training.pairs or 0) if len(classes) else 0
        videos = [
            video
            for label in (rng.choice(classes, pairs) if pairs else ())
            for video in rng.choice(np.flatnonzero(self.labels[:, label]), 2, replace=False)
        ]
        rest = rng.integers(len(self.labels), size=self.training.batch_size - len(videos))
        return Draw(tuple(map(int, [*videos, *rest])), pairs)


class EpochSampler(_StepSampler):
    """Every video once in an epoch, in random order; batches follow each other through the epochs (HAM-Net)."""

    def draw(self, iteration: int) -> Draw:
        """The videos of a batch; the last ones of an epoch share it with the first ones of the next."""
        count, size = len(self.labels), self.training.batch_size
        places = range(iteration * size, (iteration + 1) * size)
        orders = {epoch: epoch_order(self.training.seed, epoch, count) for epoch in {at // count for at in places}}
        return Draw(tuple(orders[at // count][at % count] for at in places))
