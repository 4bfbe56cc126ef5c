"""The golden cases of CO2-Net and HAM-Net, and their presets in small."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from seeded_weights import seeded_tensor

from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.training.label_batches import LabelBatch
from cltdr_cli.training.learner import Learner
from cltdr_cli.zoo.convert import convert_state, read_published_state
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset, load_preset
from cltdr_cli.zoo.state_dict import load_state_dict

SMALL = ("co2net", "co2net_activitynet", "hamnet", "hamnet_activitynet")
REAL = ("co2net_real_width", "hamnet_real_width")

TERMS = {
    "mil": "video_loss", "base": "video_loss", "suppressed": "suppressed_loss", "coactivity": "coactivity_loss",
    "mutual": "mutual_loss", "norm": "norm_loss", "guide": "guide_loss", "masked": "masked_loss",
    "dropped": "dropped_loss",
}  # fmt: skip
"""Published name of a loss term -> ours."""


def read_case(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / name).read_text())


def preset_of(folder: Path, *more: str) -> Preset:
    """The preset in the box with the sizes of a golden case, and without dropout."""
    case = read_case(folder, "config.json")
    weights, train = case["weights"], read_case(folder, "train.json")
    settings = {
        "features.width": case["input_dim"], "model.input_dim": case["input_dim"], "benchmark.labels": "null",
        "model.attention_dim": case["hidden_dim"], "model.num_classes": case["num_classes"],
        "model.pool_kernel": case["pool_kernel"] or "null", "model.feature_dropout": 0.0,
        "training.sampled_steps": case["train_steps"], "training.batch_size": case["batch"],
        "training.topk_divisor": case["topk_divisor"], "training.norm_weight": weights["norm"],
        "training.guide_weight": weights["guide"], "training.learning_rate": train["lr"],
        "training.weight_decay": train["weight_decay"],
    }  # fmt: skip
    if case["network"] == "co2net":
        settings |= {"model.rgb_dim": case["rgb_dim"], "model.attention_dropout": 0.0}
        settings |= {f"training.{key}_weight": weights[key] for key in ("coactivity", "mutual")}
    else:
        settings |= {f"training.{key}_weight": weights[key] for key in ("background", "suppressed")}
        settings |= {f"training.{key}": case[key] for key in ("drop_threshold", "drop_share")}
    preset = load_preset(f"thumos14-{case['network']}")
    return with_overrides(preset, [*(f"{key}={value}" for key, value in settings.items()), *more])


@cache
def published_weights(folder: Path) -> dict[str, torch.Tensor]:
    """As in the published file; of real width by the rule that makes them again."""
    file = next((path for path in folder.glob("checkpoint.*")), None)
    case = read_case(folder, "config.json")
    if file is not None:
        preset = load_preset(f"thumos14-{case['network']}")
        return read_published_state(load_state_dict(file), file.name, preset).state
    return {
        key: torch.from_numpy(seeded_tensor(f"wtal3.{case['network']}.{key}", tuple(shape)))
        for key, shape in case["state_dict_shapes"].items()
    }


def network_of(folder: Path, preset: Preset) -> torch.nn.Module:
    network = build_network(find_method("wtal"), preset.model)
    network.load_state_dict(convert_state(published_weights(folder), preset))
    return network


def seeded_features(name: str, *shape: int) -> np.ndarray:
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    return (0.5 * np.abs(values)).astype(np.float32)


def batch_of(folder: Path) -> LabelBatch:
    case, arrays = read_case(folder, "config.json"), np.load(folder / "batch.npz")
    if "features" in arrays:
        features = arrays["features"]
    else:
        features = seeded_features(
            f"wtal3.{case['network']}.train", case["batch"], case["train_steps"], case["input_dim"]
        )
    pairs = len(case.get("pairs", ()))
    return LabelBatch(
        torch.from_numpy(features), torch.from_numpy(arrays["labels"]), tuple(range(len(features))), pairs
    )


def learner_of(folder: Path) -> Learner:
    preset = preset_of(folder)
    objective = find_method("wtal").objective(preset.model, preset.training)
    return Learner(network_of(folder, preset), objective, preset.training, 1, torch.device("cpu"))
