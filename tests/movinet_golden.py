"""What the published port of MoViNet answers on seeded weights: the cases of the stream form, weights and frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from golden.seeded import seeded_tensor

SEED = 7000
STREAM = [
    "a0-stream_T16_S172", "a0-stream_T3_S172", "a0-stream_T9_S131", "a1-stream_T16_S172", "a1-stream_T6_S97",
    "a2-stream_T16_S224", "a2-stream_T5_S129",
]  # fmt: skip


def seed_weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Weights in the published layout, given its shapes."""
    return {key: seeded_movinet_tensor(key, tuple(shape)) for key, shape in shapes.items()}


def seeded_movinet_tensor(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    if key.endswith("norm.weight"):
        return 1 + torch.from_numpy(seeded_tensor(key, shape))
    if key.endswith(".alpha"):
        return 0.6 + 2 * torch.from_numpy(np.asarray(seeded_tensor(key, shape)))
    return torch.from_numpy(np.asarray(seeded_tensor(key, shape)))


def seeded_frames(count: int, side: int) -> torch.Tensor:
    """Blocky frames ``[T, 3, S, S]`` in [0, 1], as the golden numbers were computed on."""
    rng = np.random.RandomState(SEED + count)
    cells = -(-side // 16)
    coarse = rng.uniform(0, 1, (count, cells, cells, 3)) * rng.uniform(0.1, 1, (count, 1, 1, 3))
    pixels = np.round(coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :side, :side] * 255)
    return torch.from_numpy((pixels / 255).astype(np.float32)).permute(0, 3, 1, 2)


def parse(case: str) -> tuple[str, torch.Tensor]:
    name, count, side = case.split("_")
    return name, seeded_frames(int(count[1:]), int(side[1:]))


def error(ours: torch.Tensor, theirs: np.ndarray) -> float:
    """Relative: norm of the difference over that of the answer."""
    assert tuple(ours.shape) == theirs.shape
    return float(np.linalg.norm(ours.numpy() - theirs) / np.linalg.norm(theirs))
