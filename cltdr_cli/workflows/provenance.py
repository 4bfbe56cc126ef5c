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


def describe_detector(loaded: LoadedDetector, checkpoint: Path | None) -> dict[str, Any]:
    """What one needs to make the same scores again, as plain JSON.

    ``training_seconds`` is the time of the epochs in the log beside the checkpoint, evaluation left out; null where
    there is no log.

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
        "training_seconds": None if checkpoint is None else sum_training_seconds(checkpoint.parent),
    }


def count_parameters(preset: Preset) -> int | None:
    """Trainable numbers of a preset's network; None for methods without a network of their own."""
    method = find_method(preset.method)
    if method.build is None:
        return None
    with torch.device("meta"):
        network = build_network(method, preset.model)
    return sum(value.numel() for value in network.parameters())


def sum_training_seconds(run: Path) -> float | None:
    """Seconds of all epochs in the log of a run's folder; None without a log."""
    seconds = [record["seconds"] for record in RunFolder(run).records() if record["kind"] == "epoch"]
    return round(sum(seconds), 1) if seconds else None


def read_learning_curve(run: Path) -> tuple[dict[str, Any], ...]:
    """Records of the epochs and evaluations in the log of a run's folder; empty without a log."""
    return tuple(record for record in RunFolder(run).records() if record["kind"] in ("epoch", "evaluation"))


def _to_plain(section: Any) -> Any:
    return None if section is None else asdict(section)
