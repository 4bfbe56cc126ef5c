"""The golden training cases: where they are, and a learner put at their start."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from cltdr_cli.data.samples import Sample
from cltdr_cli.models.cltdr import build_cltdr
from cltdr_cli.models.published_keys import renamed
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.learner import Learner
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
    model = build_cltdr(preset.model)
    content = torch.load(folder / "train_start.pth.tar", weights_only=True)
    state, unknown = renamed(content.get("state_dict", content))
    assert not unknown
    model.load_state_dict(state)
    steps = json.loads((folder / "train.json").read_text())["iterations_per_epoch"]
    return Learner(model, preset.training, steps, torch.device("cpu"), **options)
