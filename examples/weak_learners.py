"""The trainings of ``weak_learning.py``: which presets, with which settings, and what their results are measured on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cltdr_cli import evaluate, train
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.methods.wtal.config import WtalInference
from cltdr_cli.methods.wtal.losses import pool_best_steps
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.workflows.scores import SplitScores
from cltdr_cli.zoo.checkpoint import load_checkpoint
from cltdr_cli.zoo.load import make_localizer
from weak_world import WIDTH, WINDOWS

TIOU = "0.1:0.7:0.1"

WEAK = (
    "features.extractor=drawn", f"features.width={WIDTH}", f"model.input_dim={WIDTH}", "model.attention_dim=64",
    "training.learning_rate=1e-3", "training.batch_size=10",
)  # fmt: skip
"""The real presets, thinner so that a CPU trains them."""

SUPERVISED = (
    "features.extractor=drawn", f"features.width={WIDTH}", f"features.stride_frames={WINDOWS.stride}",
    f"features.rate={WINDOWS.rate}", f"model.input_dim={WIDTH}", "max_seq_len=512", "embd_dim=64", "fpn_dim=64",
    "head_dim=64", "mlp_dim=96", "embd_layers=1", "stem_blocks=1", "head_num_layers=2", "init_conv_vars=0.1",
    "regression_range=[[0, 4], [4, 8], [8, 16], [16, 32], [32, 64], [64, 10000]]", "training.learning_rate=1e-3",
    "warmup_epochs=2", "epochs=6", "ema_decay=0.98", "pre_nms_topk=400", "max_seg_num=200",
)  # fmt: skip
SUPERVISED_PRESET = "thumos14-i3d"


@dataclass(frozen=True)
class Learner:
    """One way to learn from video labels.

    Attributes:
        name: In tables.
        preset: What is trained.
        changes: To its settings, besides the sizes.
    """

    name: str
    preset: str
    changes: tuple[str, ...] = ()

    @property
    def has_teacher(self) -> bool:
        """Whether there is a global branch."""
        return self.preset.endswith("dfe") and "model.enhancement=local" not in self.changes

    @property
    def settings(self) -> list[str]:
        """All changes to the preset."""
        halves = () if self.preset.endswith("hamnet") else (f"model.rgb_dim={WIDTH // 2}",)
        return [*WEAK, *halves, *self.changes]


LEARNERS = (
    Learner("HAM-Net", "thumos14-hamnet"),
    Learner("CO2-Net", "thumos14-co2net"),
    Learner("DFE, local part alone", "thumos14-dfe", ("model.enhancement=local",)),
    Learner("DFE", "thumos14-dfe"),
)
ABLATIONS = (
    Learner("DFE without distillation", "thumos14-dfe", ("training.distillation_weight=0.0",)),
    Learner("DFE without label mask", "thumos14-dfe", ("model.memory_label_mask=false",)),
    Learner("DFE with a queue", "thumos14-dfe", ("model.memory_update=queue",)),
    Learner("DFE with 1 slot", "thumos14-dfe", ("model.memory_slots=1",)),
    Learner("DFE with 10 slots", "thumos14-dfe", ("model.memory_slots=10",)),
    Learner("local attention", "thumos14-dfe", ("model.enhancement=local", "model.local_kind=attention")),
)
ON_WINDOWS = "training.local_sampling=window"
WINDOWED = (
    Learner("CO2-Net on windows", "thumos14-co2net", (ON_WINDOWS,)),
    Learner("local part on windows", "thumos14-dfe", ("model.enhancement=local", ON_WINDOWS)),
    Learner("DFE on windows", "thumos14-dfe", (ON_WINDOWS,)),
)
"""Trained on steps in a row, as they are met at test, where the others see a sample of the whole video.

``DFE`` everywhere is our reconstruction of DFE (ICASSP 2023); its code was never published and only its abstract is
known."""


def learn(learner: Learner, truth: Path, features: Path, run: Path, seed: int, lengths: Sequence[str]) -> Path:
    """Train from video labels, with settings of the training's length; the checkpoint after the last iteration."""
    summary = train(
        preset=learner.preset, annotations=truth, features=features, out=run, labels="annotations", seed=seed,
        settings=[*learner.settings, *lengths], device="cpu", resume=True, workers=1, eval_every=10**6,
    )  # fmt: skip
    return summary.last


def learn_supervised(truth: Path, features: Path, run: Path, seed: int, pseudo: tuple[Path, float] | None) -> Path:
    """Train from segments: those of the annotation, or the detections of another model from a score on."""
    path, least = pseudo or (None, None)
    summary = train(
        preset=SUPERVISED_PRESET, annotations=truth, features=features, out=run, labels="annotations", seed=seed,
        settings=SUPERVISED, pseudo_labels=path, min_score=least, device="cpu", resume=True, workers=1,
    )  # fmt: skip
    return summary.last


def score(truth: Path, checkpoint: Path, features: Path) -> dict[str, float]:
    """Detect in the test videos; mAP by tIoU, and on average over 0.1 to 0.7."""
    return _as_record(
        evaluate("thumos14", annotations=truth, features=features, checkpoint=checkpoint, tiou=TIOU, device="cpu")
    )


def score_file(truth: Path, predictions: Path) -> dict[str, float]:
    """The same for detections in a file."""
    return _as_record(evaluate("thumos14", annotations=truth, predictions=predictions, tiou=TIOU, ties="stable"))


def _as_record(scores: SplitScores) -> dict[str, float]:
    content = scores.to_json()
    by_tiou = {f"{tiou:.1f}": value for tiou, value in zip(content["tiou"], content["mAP"], strict=True)}
    return {**by_tiou, "average": content["average_mAP"]}


class Taught(nn.Module):
    """A network with the global branch that taught it.

    No video's labels are known at test. A branch that read only the slots of the video's labels in training reads those
    of the classes that the local branch finds in the video; one that read all slots reads all.

    Args:
        network: The local branch.
        teacher: Memory and global enhancement.
        inference: From which score on a class is found.
    """

    def __init__(self, network: nn.Module, teacher: nn.Module, inference: WtalInference) -> None:
        super().__init__()
        self.network, self.teacher, self.inference = network, teacher, inference

    def forward(self, features: Tensor, mask: Tensor, steps: int | None = None) -> object:
        """Features ``[1, T, D]`` -> outputs of the global branch."""
        outputs = self.network(features, mask)
        scores = outputs.attention[..., None] * outputs.logits
        found = pool_best_steps(scores, self.inference.topk_divisor).softmax(1)[:, :-1]
        least = found.amax(1, keepdim=True).clamp(max=self.inference.class_threshold)
        return self.teacher.answer(outputs, (found >= least).float())


def score_with_teacher(truth: Path, database: dict[str, dict], run: Path, features: Path) -> dict[str, float]:
    """As ``score``, with the global branch at test: the run keeps it, though no checkpoint has it."""
    checkpoint = load_checkpoint(run / "last.safetensors")
    preset, method = checkpoint.preset, find_method(checkpoint.preset.method)
    network = build_network(method, preset.model)
    network.load_state_dict(checkpoint.state)
    objective = method.objective(preset.model, preset.training)
    state = torch.load(run / "resume.pt", weights_only=True)
    objective.load_state_dict(state["learner"]["objective"])
    localizer = make_localizer(preset, Taught(network, objective.teacher, preset.inference), "cpu")
    results: dict[str, list[dict]] = {}
    for name, video in database.items():
        if video["subset"].lower() != "test":
            continue
        grid = FeatureGrid(WINDOWS.rate, WINDOWS.stride, WINDOWS.window)
        found = localizer(FeatureSequence(np.load(features / f"{name}.npy"), grid, video["duration"], name))
        rows = zip(found.segments_seconds.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
        results[name] = [{"label": checkpoint.labels[k], "segment": span, "score": value} for span, value, k in rows]
    path = run / "with_teacher.json"
    path.write_text(json.dumps({"results": results}))
    return score_file(truth, path)
