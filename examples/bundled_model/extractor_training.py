"""Training of the extractor: it learns which action a window of drawn frames shows; afterwards it is frozen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cltdr_cli.files import replacing
from extractors.catalog import DEMO
from extractors.demo import CELL_FRAMES, CLASSES, SPACE, WINDOW_CELLS, DemoNetwork
from pose_targets import HEAT_CHANNELS, POSE_CHANNELS
from snippets import Footage, SnippetBatch, SnippetConfig, draw_batch
from window_classes import compute_window_shares, find_clear_classes, pool_cells

HEAT_LAYER = 4
"""Index of the last layer whose map has one position for 8x8 pixels."""

HEAT_WEIGHT, POSE_WEIGHT = 10.0, 5.0
"""Weights that bring both losses to the size of a cross-entropy: most positions hold no joint, offsets are small."""


@dataclass(frozen=True)
class ExtractorTraining:
    """The numbers of the extractor's training.

    Attributes:
        steps: Optimiser steps.
        learning_rate: Peak of a one-cycle schedule.
        weight_decay: Of AdamW.
        dropout: Before the classifier.
        cell_weight: Of the loss on single cells, against that on windows.
        joint_weight: Of the loss on the joints of the figures.
        bf16: Whether the forward pass runs under bfloat16 autocast: 1.9 times the speed on one core that has the
            instructions; weights, batch statistics and optimiser state stay float32.
        seed: Of initial weights, snippets and dropout.
        snippets: How batches are drawn.
    """

    steps: int = 7000
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    dropout: float = 0.1
    cell_weight: float = 0.5
    joint_weight: float = 1.0
    bf16: bool = True
    seed: int = 1
    snippets: SnippetConfig = field(default_factory=SnippetConfig)


class PosedNetwork(nn.Module):
    """The extractor with two extra heads for the figure's joints, which are dropped when it is frozen."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.network = DemoNetwork(dropout=dropout)
        self.cell_head = nn.Linear(self.network.project.in_features // WINDOW_CELLS, CLASSES)
        self.heat_head = nn.Conv2d(SPACE[HEAT_LAYER][0], HEAT_CHANNELS, 1)
        self.pose_head = nn.Conv2d(SPACE[-1][0], POSE_CHANNELS, 1)
        nn.init.constant_(self.heat_head.bias, -3.0)  # pyright: ignore[reportArgumentType] # a convolution with bias

    def compute_loss(self, batch: SnippetBatch, config: ExtractorTraining) -> Tensor:
        """Cross-entropy of windows and of cells against their shares of each class, plus the joint loss."""
        network, count = self.network, len(batch.frames)
        maps = network.scales(batch.frames)
        cells = maps[-1].permute(0, 2, 3, 1).unflatten(0, (count, -1))
        pooled_cells = network.over_time(cells.unfold(1, WINDOW_CELLS, 1).movedim(-1, 2).flatten(0, 1))
        logits = network.head(network.dropout(network.projected(pooled_cells)))
        of_windows = functional.cross_entropy(logits, batch.windows.flatten(0, 1))
        targets = batch.cells.unfold(1, WINDOW_CELLS, 1).movedim(-1, 2)
        of_cells = functional.cross_entropy(self.cell_head(pooled_cells).flatten(0, 1), targets.flatten(0, 2))
        return of_windows + config.cell_weight * of_cells + config.joint_weight * self._compute_joint_loss(maps, batch)

    def _compute_joint_loss(self, maps: list[Tensor], batch: SnippetBatch) -> Tensor:
        heat = functional.binary_cross_entropy_with_logits(self.heat_head(maps[HEAT_LAYER]), batch.heat)
        pose = self.pose_head(maps[-1]).permute(0, 2, 3, 1)[batch.has_pose]
        truth = batch.pose.permute(0, 2, 3, 1)[batch.has_pose]
        if not len(truth):
            return 0.0 * heat
        return HEAT_WEIGHT * heat + POSE_WEIGHT * functional.l1_loss(pose, truth)


def train_extractor(
    footage: Sequence[Footage],
    validation: Sequence[Footage],
    config: ExtractorTraining,
    run: Path,
    on_saved: Callable[[Mapping[str, Any]], object] | None = None,
    every_steps: int = 500,
) -> DemoNetwork:
    """Train from random weights. A run that was stopped goes on from its last saved state.

    Args:
        footage: Training videos.
        validation: Videos whose accuracy is reported; nothing is chosen by it.
        config: The numbers.
        run: Folder of the saved state, ``state.pt``.
        on_saved: Called with step, loss and accuracy at every saved state.
        every_steps: Steps between two saved states.
    """
    torch.manual_seed(config.seed)
    model = PosedNetwork(config.dropout).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.15
    )
    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "schedule": schedule}
    done = _resume(run / "state.pt", parts, config)
    losses: list[float] = []
    began = time.monotonic()
    for step, batch in _draw_batches(footage, config, done):
        torch.manual_seed(config.seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            loss = model.compute_loss(batch, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % every_steps == 0 or step + 1 == config.steps:
            _save(run / "state.pt", parts, config, step + 1)
            seconds = (time.monotonic() - began) / len(losses)
            facts = {"step": step + 1, "loss": float(np.mean(losses[-every_steps:])), "seconds_per_step": seconds}
            if on_saved is not None:
                on_saved({**facts, **measure_accuracy(model.network, validation)})
    return model.network.eval()


def measure_accuracy(network: DemoNetwork, footage: Sequence[Footage], every_windows: int = 4) -> dict[str, float]:
    """Accuracy on windows that show one class only: over all windows, and as the mean over the nine classes."""
    network.eval()
    hits, classes = zip(*(_find_hits(network, video, every_windows) for video in footage), strict=True)
    network.train()
    hit, truth = np.concatenate(hits), np.concatenate(classes)
    per_class = [float(hit[truth == number].mean()) for number in np.unique(truth)]
    return {"accuracy": float(hit.mean()), "class_accuracy": float(np.mean(per_class))}


@torch.inference_mode()
def _find_hits(
    network: DemoNetwork, video: Footage, every_windows: int
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], np.ndarray[Any, np.dtype[np.int64]]]:
    truth = find_clear_classes(compute_window_shares(pool_cells(video.shares, CELL_FRAMES), WINDOW_CELLS))[
        ::every_windows
    ]
    kept = np.flatnonzero(truth >= 0)
    starts = kept * every_windows * CELL_FRAMES
    predicted: list[np.ndarray[Any, Any]] = []
    for some in np.array_split(starts, max(1, len(starts) // 16)):
        clips = np.stack([video.frames[start : start + CELL_FRAMES * WINDOW_CELLS] for start in some])
        pixels = torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float()
        predicted.append(network((pixels / 255 - DEMO.mean[0]) / DEMO.std[0]).argmax(1).numpy())
    return np.concatenate(predicted) == truth[kept], truth[kept]


def _draw_batches(
    footage: Sequence[Footage], config: ExtractorTraining, first: int
) -> Iterator[tuple[int, SnippetBatch]]:
    """Draw the batches of the steps from ``first`` on, always one ahead on a thread."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(draw_batch, footage, config.snippets, config.seed, first)
        for step in range(first, config.steps):
            batch = waiting.result()
            waiting = thread.submit(draw_batch, footage, config.snippets, config.seed, step + 1)
            yield step, batch


def _save(path: Path, parts: Mapping[str, Any], config: ExtractorTraining, done: int) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    with replacing(path) as partial:
        torch.save({**state, "done": done, "config": json.dumps(asdict(config))}, partial)


def _resume(path: Path, parts: Mapping[str, Any], config: ExtractorTraining) -> int:
    """Load the saved state if it has the same configuration; return the number of steps done."""
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    if state["config"] != json.dumps(asdict(config)):
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["done"])
