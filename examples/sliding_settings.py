"""What the grouping settings of the sliding classifier are worth, on features and annotations of real videos.

    python examples/sliding_settings.py FEATURES/gtea FEATURES/50salads-mid

Each folder holds ``split-*/features/<video>.npy`` and ``split-*/annotations.json`` (ActivityNet layout, subsets
``training`` and ``test``). A linear classifier is trained on single steps of the training videos, on labelled steps
only, as Kinetics' classifiers know no background either. One setting after the other is changed and judged on people
left out of the training videos; the last line scores the settings of the preset on the test videos.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cltdr_cli.evaluation.average_precision import evaluate
from cltdr_cli.evaluation.tables import GroundTruth, Predictions
from cltdr_cli.inference.localize import NetworkLocalizer
from cltdr_cli.methods.sliding import adopt, decode
from cltdr_cli.methods.sliding.config import SlidingConfig
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.zoo.preset import load_preset

PRESET = "kinetics600-movinet-a0"
TIOU = (0.3, 0.4, 0.5, 0.6, 0.7)
FOLDS = 3
"""Groups of people among the training videos of a split, each left out once."""

TRIED: dict[str, Sequence[object]] = {
    "smoothing_seconds": (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0),
    "merge_gap_seconds": (0.0, 0.5, 1.0, 2.0),
    "min_duration_seconds": (0.0, 0.5, 1.0, 2.0),
    "outer_context": (0.0, 0.25, 0.5),
    "thresholds": ((0.5,), (0.2, 0.4, 0.6, 0.8), (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
}


@dataclass(frozen=True)
class Video:
    """Features of one video and its actions as ``(start, end, label)``."""

    sequence: FeatureSequence
    actions: tuple[tuple[float, float, int], ...]

    @property
    def person(self) -> str:
        """Who is filmed: ``S1`` of GTEA's ``S1_Tea_C1``, ``01`` of 50Salads' ``01-1``."""
        return self.sequence.video_id.partition("_")[0].partition("-")[0]


@dataclass(frozen=True)
class Split:
    """One split of a data set."""

    labels: tuple[str, ...]
    training: tuple[Video, ...]
    test: tuple[Video, ...]


def read_split(folder: Path) -> Split:
    """Read features and annotations; the stride is what brings the rate in the file to that of the features."""
    database = json.loads((folder / "annotations.json").read_text())["database"]
    labels = tuple(sorted({item["label"] for facts in database.values() for item in facts["annotations"]}))
    parts: dict[str, list[Video]] = {"training": [], "test": []}
    for name, facts in database.items():
        features = np.load(folder / "features" / f"{name}.npy").astype(np.float32)
        stride = 12 if "50salads" in str(folder) else 3
        sequence = FeatureSequence(features, FeatureGrid(facts["fps"], stride, stride), facts["duration"], name)
        actions = tuple((*item["segment"], labels.index(item["label"])) for item in facts["annotations"])
        parts[facts["subset"]].append(Video(sequence, actions))
    return Split(labels, tuple(parts["training"]), tuple(parts["test"]))


def train_classifier(videos: Iterable[Video], classes: int) -> nn.Linear:
    """A linear classifier of the labelled steps of these videos."""
    rows, labels = [], []
    for video in videos:
        centres = video.sequence.grid.to_seconds(np.arange(len(video.sequence)))
        for start, end, label in video.actions:
            inside = (centres >= start) & (centres < end)
            rows.append(video.sequence.features[inside])
            labels += [label] * int(inside.sum())
    inputs, wanted = torch.from_numpy(np.concatenate(rows)), torch.tensor(labels)
    torch.manual_seed(0)
    head = nn.Linear(inputs.shape[1], classes)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=60)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        total = nn.functional.cross_entropy(head(inputs), wanted) + 1e-4 * head.weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)  # type: ignore[arg-type]
    return head.eval().requires_grad_(False)


def measure(head: nn.Linear, videos: Sequence[Video], config: SlidingConfig, labels: tuple[str, ...]) -> float:
    """Average mAP in percent, tIoU 0.3 to 0.7."""
    inference = load_preset(PRESET).inference
    localizer = NetworkLocalizer(
        adopt(config, head), lambda out, grid: decode(out, config, inference, grid), inference, torch.device("cpu")
    )
    found = [localizer(video.sequence) for video in videos]
    predictions = Predictions(
        np.concatenate([np.full(len(each.scores), at) for at, each in enumerate(found)]),
        np.concatenate([each.labels for each in found]),
        np.concatenate([each.segments_seconds for each in found]).astype(np.float64),
        np.concatenate([each.scores for each in found]).astype(np.float64),
    )
    actions = [(at, *action) for at, video in enumerate(videos) for action in video.actions]
    truth = GroundTruth(
        np.array([row[0] for row in actions]),
        np.array([row[3] for row in actions]),
        np.array([row[1:3] for row in actions]),
        tuple(video.sequence.video_id for video in videos),
        labels,
    )
    return 100 * evaluate(truth, predictions, TIOU).average


def leave_out(split: Split) -> Iterable[tuple[nn.Linear, list[Video]]]:
    """Classifiers of the training videos but those of some people, and the videos of these people."""
    people = sorted({video.person for video in split.training})
    for fold in range(FOLDS):
        out = set(people[fold::FOLDS])
        held = [video for video in split.training if video.person in out]
        head = train_classifier([v for v in split.training if v.person not in out], len(split.labels))
        yield head, held


def main(folders: Sequence[str]) -> None:
    """Print average mAP per setting, each changed alone from those of the preset."""
    for folder in map(Path, folders):
        splits = [read_split(path) for path in sorted(folder.glob("split-*"))]
        judged = [(head, held, split.labels) for split in splits for head, held in leave_out(split)]
        classes = len(splits[0].labels)
        start = replace(load_preset(PRESET).model, num_classes=classes, top_classes=classes)
        for name, values in TRIED.items():
            for value in values:
                config = replace(start, **{name: value})
                scores = [measure(head, held, config, labels) for head, held, labels in judged]
                print(f"{folder.name:14} {name:22} {value!s:42} {np.mean(scores):5.1f}", flush=True)
        test = [measure(train_classifier(s.training, classes), s.test, start, s.labels) for s in splits]
        print(f"{folder.name:14} test, as in the preset {np.mean(test):24.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
