"""The golden training cases: where they are, and a learner put at their start."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cltdr_cli.data.samples import Sample
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.learner import Learner
from cltdr_cli.training.optim import learning_rate
from cltdr_cli.zoo.convert import convert_state
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset
from cltdr_cli.zoo.published import preset_from_published

COPIED = Path(__file__).parent / "golden" / "training"
CASES = (
    "thumos_like", "anet_like", "hacs_like", "epic_like",
    "avg_pool_hard_nms", "conv_backbone", "wide_head", "no_trident",
)  # fmt: skip


def golden_folder(case: str, request) -> Path:
    """The copy in the repository, or the original beside it."""
    copy = COPIED / case
    return copy if copy.is_dir() else request.getfixturevalue("shared") / "golden" / "localizer" / case


def golden_preset(folder: Path, *settings: str) -> Preset:
    return with_overrides(preset_from_published(folder / "config.yaml"), ["droppath=0", *settings])


def golden_samples(folder: Path) -> list[Sample]:
    truth = json.loads((folder / "train_gt.json").read_text())
    return [
        Sample(
            np.load(folder / f"train_features_{i}.npy"),
            np.array(item["segments"], np.float32),
            np.array(item["labels"], np.int64),
            seed=i,
        )
        for i, item in enumerate(truth)
    ]


def golden_batch(folder: Path, preset: Preset) -> Batch:
    return Batch.of(golden_samples(folder), preset.model.max_seq_len)


def golden_learner(folder: Path, preset: Preset, **options) -> Learner:
    content = torch.load(folder / "train_start.pth.tar", weights_only=True)
    state = convert_state(content.get("state_dict", content), preset)
    steps = json.loads((folder / "train.json").read_text())["iterations_per_epoch"]
    return make_learner(preset, steps, state, **options)


def make_learner(preset: Preset, steps: int, state=None, seed: int | None = None, **options) -> Learner:
    method = find_method(preset.method)
    model = build_network(method, preset.model, seed)
    if state is not None:
        model.load_state_dict(state)
    objective = method.objective(preset.model, preset.training)
    return Learner(model, objective, preset.training, steps, torch.device("cpu"), **options)


def assert_published_steps(learner: Learner, batch: Batch, expected: dict) -> None:
    """Losses, gradient norm, running normaliser and learning rate of each published step."""
    for step in expected["steps"]:
        found = learner.train_step([batch])
        assert found.losses["class_loss"] == pytest.approx(step["cls_loss"], rel=1e-4)
        assert found.losses["regression_loss"] == pytest.approx(step["reg_loss"], rel=1e-4)
        assert found.total_loss == pytest.approx(step["final_loss"], rel=1e-4)
        assert found.gradient_norm == pytest.approx(step["grad_norm"], rel=1e-4)
        assert found.facts["loss_normalizer"] == pytest.approx(step["loss_normalizer"], rel=1e-9)
        rate = learning_rate(learner.config, learner.step, learner.steps_per_epoch)
        assert rate == pytest.approx(step["lr"], rel=1e-9)
