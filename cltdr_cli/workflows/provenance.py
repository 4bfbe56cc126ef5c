"""How a detector and its scores came about: versions, settings, seed, machine, time."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from cltdr_cli import __version__
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.training.run_folder import RunFolder
from cltdr_cli.zoo.load import LoadedDetector
from cltdr_cli.zoo.preset import Preset

CLOCKS = ("seconds", "processor_seconds")
"""What the log tells of an epoch: how long it took, and what all processor cores together worked."""


def describe_detector(loaded: LoadedDetector, checkpoint: Path | None) -> dict[str, Any]:
    """What one needs to make the same scores again, as plain JSON.

    ``training_seconds`` is the time of the epochs in the log beside the checkpoint, evaluation left out, and
    ``training_processor_seconds`` what all processor cores together worked in it; null where the log is missing or
    does not say.

    Args:
        loaded: What detected.
        checkpoint: Its file, where it was loaded from one.
    """
    preset = loaded.preset
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"cltdr": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": {"system": platform.platform(), "processors": os.cpu_count(), "threads": torch.get_num_threads()},
        "preset": preset.name,
        "method": preset.method,
        "seed": preset.training.seed if preset.training else None,
        "settings": {part: _to_plain(getattr(preset, part)) for part in ("features", "model", "inference", "training")},
        "parameters": count_parameters(preset),
        "weights": loaded.digests,
        **{f"training_{clock}": checkpoint and sum_epochs(checkpoint.parent, clock) for clock in CLOCKS},
    }


def count_parameters(preset: Preset) -> int | None:
    """Trainable numbers of a preset's network; None for methods without a network of their own."""
    method = find_method(preset.method)
    if method.build is None:
        return None
    with torch.device("meta"):
        network = build_network(method, preset.model)
    return sum(value.numel() for value in network.parameters())


def sum_epochs(run: Path, clock: str) -> float | None:
    """Seconds of all epochs in the log of a run's folder; None without a log, or where it was not measured."""
    epochs = [record for record in RunFolder(run).records() if record["kind"] == "epoch"]
    is_told = bool(epochs) and all(clock in epoch for epoch in epochs)
    return round(sum(epoch[clock] for epoch in epochs), 1) if is_told else None


def read_learning_curve(run: Path) -> tuple[dict[str, Any], ...]:
    """Records of the epochs and evaluations in the log of a run's folder; empty without a log."""
    return tuple(record for record in RunFolder(run).records() if record["kind"] in ("epoch", "evaluation"))


def _to_plain(section: Any) -> Any:
    return None if section is None else asdict(section)
