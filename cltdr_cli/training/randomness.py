"""Random numbers of training, each a function of (seed, epoch, video); no generator state has to be saved.

So a resumed run, a run in parts and a run on several processes draw the same numbers as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cltdr_cli.models.layers import SampleDropout, ScaledDropPath

ORDER, CROP, SAMPLE, NOISE, DROP, DROPOUT, CHANNELS, MIX = range(8)
"""Uses of random numbers; each has a stream of its own."""


def stream_seed(*words: int) -> int:
    """A 63-bit seed of some non-negative integers; close words give unrelated seeds."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


def epoch_order(seed: int, epoch: int, videos: int) -> list[int]:
    """The videos of one epoch in random order."""
    return np.random.default_rng(stream_seed(seed, ORDER, epoch)).permutation(videos).tolist()


def add_noise(features: Tensor, deviation: float, seeds: Sequence[int]) -> Tensor:
    """Gaussian noise on padded features ``[B, T, C]``, padding included as published; one seed per sample."""
    if deviation == 0:
        return features
    noise = torch.empty_like(features)
    for row, seed in zip(noise, seeds, strict=True):
        generator = torch.Generator(features.device).manual_seed(stream_seed(seed, NOISE))
        row.normal_(0, deviation, generator=generator)
    return noise.add_(features)


def drop_channels(features: Tensor, share: float, seeds: Sequence[int]) -> Tensor:
    """Padded features ``[B, T, C]`` with some channels zero throughout, the others scaled up; a seed per sample."""
    if share == 0:
        return features
    draws = [
        torch.rand(features.shape[2], generator=torch.Generator().manual_seed(stream_seed(seed, CHANNELS)))
        for seed in seeds
    ]
    kept = (torch.stack(draws) >= share).to(features.device, features.dtype)
    return features * kept[:, None] / (1 - share)


def seed_network(model: nn.Module, seeds: Sequence[int]) -> None:
    """Decide for the next batch what each drop path and dropout lets through; one seed per sample."""
    paths = [module for module in model.modules() if isinstance(module, ScaledDropPath)]
    if paths:
        rows = [
            torch.rand(len(paths), generator=torch.Generator().manual_seed(stream_seed(seed, DROP))) for seed in seeds
        ]
        columns = torch.stack(rows, dim=1).to(paths[0].scale.device)
        for path, draws in zip(paths, columns, strict=True):
            path.draws = draws
    dropouts = [module for module in model.modules() if isinstance(module, SampleDropout) and module.probability]
    for number, dropout in enumerate(dropouts):
        dropout.seeds = tuple(stream_seed(seed, DROPOUT, number) for seed in seeds)
