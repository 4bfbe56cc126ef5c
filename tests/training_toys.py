"""A toy world for training: features that show their labels, and a network that trains in seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset, load_preset

LABELS = ("wave", "jump", "bow")
WIDTH, STRIDE, WINDOW, RATE = 12, 4, 16, 25.0

SETTINGS = (
    "features.extractor=toy", f"features.width={WIDTH}", f"input_dim={WIDTH}", "num_classes=3", "max_seq_len=32",
    "branch_blocks=2", "regression_range=[[0, 4], [4, 8], [8, 10000]]", "block_kernel_sizes=[1, 1, 1]",
    "embd_dim=16", "fpn_dim=16", "head_dim=16", "mlp_dim=16", "num_bins=4", "embd_layers=1", "stem_blocks=1",
    "head_num_layers=2", "batch_size=4", "epochs=3", "warmup_epochs=1", "init_loss_norm=10",
    "benchmark.labels=null",
)  # fmt: skip


@dataclass(frozen=True)
class ToyWorld:
    """Files of a toy data set."""

    preset: Path
    annotations: Path
    features: Path

    def words(self, out: Path, *more: str) -> list[str]:
        """Arguments of ``cltdr``."""
        paths = {"preset": self.preset, "annotations": self.annotations, "features": self.features, "out": out}
        given = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
        return ["train", *given, "--device", "cpu", "--workers", "1", *more]


def toy_preset(*settings: str) -> Preset:
    return replace(with_overrides(load_preset("demo"), [*SETTINGS, *settings]), name="toy")


def toy_preset_of(method: str, *settings: str) -> Preset:
    """The first preset of a method in the box, shrunk: three levels, 16 channels, three classes."""
    source = next(preset for preset in map(load_preset, catalog.presets()) if preset.method == method)
    toy = replace(
        toy_preset(), method=method, model=_shrink(source.model), inference=_few(source.inference),
        training=source.training and _short(source.training),
    )  # fmt: skip
    return with_overrides(toy, settings)


def _few(inference):
    """An ``inference`` section without fusion and, where it caps segments, with at most 100."""
    few = {"fusion_keep_segments": None, "fusion_top_classes": None, "max_seg_num": 100}
    return replace(inference, **{key: few[key] for key in few if hasattr(inference, key)})


def _short(training):
    """A ``training`` section of seconds: three epochs, or twelve iterations where a method trains by them."""
    if hasattr(training, "iterations"):
        return replace(training, iterations=12, sampled_steps=24, batch_size=6, learning_rate=0.002)
    return replace(toy_preset().training, label_smoothing=training.label_smoothing)


def _shrink(model):
    """A ``model`` section with toy sizes; lists with an entry per level keep their first three."""
    small = {
        "input_dim": WIDTH, "num_classes": len(LABELS), "max_seq_len": 32, "branch_blocks": 2, "embd_dim": 16,
        "rgb_dim": WIDTH // 2, "attention_dim": 8,
        "fpn_dim": 16, "head_dim": 16, "mlp_dim": 16, "num_bins": 4, "embd_layers": 1, "head_num_layers": 2,
        "regression_range": ((0, 4), (4, 8), (8, 10000)),
    }  # fmt: skip
    changes = {field.name: small[field.name] for field in fields(model) if field.name in small}
    for field in fields(model):
        value = getattr(model, field.name)
        if isinstance(value, tuple) and len(value) == getattr(model, "levels", 0) and field.name not in changes:
            changes[field.name] = value[:3]
    return replace(model, **changes)


def toy_world(
    folder: Path,
    *settings: str,
    training: int = 9,
    validation: int = 4,
    seed: int = 0,
    preset: Preset | None = None,
) -> ToyWorld:
    world = ToyWorld(folder / "toy.yaml", folder / "truth.json", folder / "features")
    world.features.mkdir(parents=True)
    world.preset.write_text((preset or toy_preset(*settings)).to_yaml())
    rng = np.random.default_rng(seed)
    database = {}
    for index in range(training + validation):
        features, annotations = toy_video(rng)
        name = f"video{index}"
        np.save(world.features / f"{name}.npy", features)
        database[name] = {
            "subset": "training" if index < training else "validation",
            "duration": ((len(features) - 1) * STRIDE + WINDOW) / RATE,
            "fps": RATE,
            "annotations": annotations,
        }
    world.annotations.write_text(json.dumps({"database": database}))
    return world


def toy_video(rng: np.random.Generator) -> tuple[np.ndarray, list[dict]]:
    steps = int(rng.integers(20, 50))
    features = rng.normal(0, 0.3, (steps, WIDTH)).astype(np.float32)
    annotations = []
    for _ in range(2):
        label, start = int(rng.integers(0, len(LABELS))), int(rng.integers(0, steps - 8))
        end = start + int(rng.integers(3, 8))
        features[start:end, label] += 2
        segment = [(step * STRIDE + WINDOW / 2) / RATE for step in (start, end)]
        annotations.append({"label": LABELS[label], "label_id": label, "segment": segment})
    return features, annotations
