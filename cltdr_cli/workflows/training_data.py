"""What is trained on what: preset, classes and videos of a training run, checked against each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import Annotations, normalize_split
from cltdr_cli.data.datasets import DatasetRecord, find_dataset
from cltdr_cli.data.folds import HELD_OUT, Fold, hold_out
from cltdr_cli.data.label_set import LabelledSplit, labelled_split
from cltdr_cli.data.merged_annotations import merge_annotations
from cltdr_cli.data.prediction_files import read_predictions
from cltdr_cli.data.pseudo_labels import PseudoLabels, place_pseudo_labels
from cltdr_cli.data.training_set import TrainingSplit, training_split
from cltdr_cli.errors import UsageError
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import Method
from cltdr_cli.workflows.auto_preset import AUTO, make_auto_preset
from cltdr_cli.workflows.own_data import fit_batch, is_own_data, name_own_data
from cltdr_cli.workflows.training_classes import check_class_count, choose_classes, find_class_order
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import FeatureConfig, Preset, load_preset


@dataclass(frozen=True)
class TrainingData:
    """Settings and videos of a run.

    Attributes:
        preset: Settings, overrides included.
        method: What is trained.
        config: The preset's ``training`` section.
        class_names: By index.
        data_set: Its record.
        annotations: All splits.
        split_name: What is trained on.
        split: Its videos that have features.
        files: What feature files are held against.
        eval_split: Whose scores choose the best epoch; None where nothing is evaluated.
        pseudo_labels: Detections in place of the training videos' instances; None where those are trained on.
        notes: What was chosen for a preset ``auto`` or changed in another, and why.
    """

    preset: Preset
    method: Method
    config: Any
    class_names: tuple[str, ...]
    data_set: DatasetRecord
    annotations: Annotations
    split_name: str
    split: TrainingSplit | LabelledSplit
    files: FeatureConfig
    eval_split: str | None
    pseudo_labels: PseudoLabels | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_weak(self) -> bool:
        """Whether video labels are all that is learned from."""
        return self.method.supervision == "video"

    @property
    def chooses_on_test(self) -> bool:
        """Whether the split that chooses is the one that results are reported on."""
        return self.eval_split in ("test", self.data_set.test_splits[0])

    @property
    def tious(self) -> NDArray[np.float64] | None:
        """Thresholds whose average chooses, float64 ``[T]``; None for those of the data set."""
        return self.method.find_tious(self.data_set.name)

    @property
    def model(self) -> Any:
        """The preset's ``model`` section."""
        return self.preset.model

    @property
    def label_ids(self) -> tuple[int, ...] | None:
        """The annotation's number of each class; None where that is its index, or a class has none."""
        found = tuple(self.annotations.label_ids.get(name, -1) for name in self.class_names)
        return None if found == tuple(range(len(found))) or -1 in found else found

    @property
    def empty_classes(self) -> list[int]:
        """Indices of the classes without any instance in the annotation; methods without segments do not ask."""
        if self.preset.benchmark.class_agnostic or self.is_weak:
            return []
        seen = {item.label for video in self.annotations.videos.values() for item in video.instances}
        return [index for index, name in enumerate(self.class_names) if name not in seen]

    @property
    def identity(self) -> dict[str, str]:
        """What a resumed run must agree in: everything but the display score, which training itself chooses."""
        settings = self.preset.to_yaml().splitlines(keepends=True)
        data = json.dumps([self.split_name, self.split.describe()])
        return {
            "preset": "".join(line for line in settings if not line.startswith("display_score:")),
            "choosing split": self.eval_split or "",
            "class list": hashlib.sha256(json.dumps(self.class_names).encode()).hexdigest(),
            "training data": hashlib.sha256(data.encode()).hexdigest(),
        }


def read_training_data(
    preset: str,
    annotations: Path | Sequence[Path],
    features: Path,
    settings: Sequence[str],
    labels: str = "preset",
    splits: tuple[str | None, str | None] = (None, None),
    force: bool = False,
    pseudo_labels: Path | None = None,
    min_score: float | None = None,
    fps: float | None = None,
    background: Sequence[str] = (),
    video_info: Sequence[Path] = (),
    fold: Fold | None = None,
) -> TrainingData:
    """Read preset, annotations and the headers of feature files.

    Args:
        preset: Name or YAML file, or ``auto``.
        annotations: File or folder in any published layout; or several, see ``merge_annotations``.
        features: Folder of feature files.
        settings: Changes to the preset, ``key=value``.
        labels: Where class names come from: ``preset``, ``annotations``, or a file.
        splits: To train on, and to evaluate on; None for the data set's, and for none.
        force: Whether features of another kind are taken, if width and grid fit.
        pseudo_labels: File of detections in place of the training videos' instances; None takes the annotation's.
        min_score: Of the detections that count.
        fps: Frames per second of the videos, where the annotation does not say it.
        background: Labels that are no action, where the annotation has one label per frame.
        video_info: Tables of durations, rates or subsets; without any the published ones beside it are found.
        fold: Part of the training videos that is held out and evaluated on; None for none.

    Raises:
        CltdrError: Settings and data do not fit each other.
    """
    given = None if preset == AUTO else with_overrides(load_preset(preset), settings)
    data_set = find_dataset(given.benchmark.dataset if given else "custom")
    classes = find_class_order(labels, given)
    parts = [
        read_annotations(
            file,
            classes,
            first_id=data_set.first_id,
            task=data_set.task,
            video_info=list(video_info) or None,
            fps=fps if fps is not None or not file.is_dir() else data_set.fps,
            background=background or data_set.background,
        )
        for file in ([annotations] if isinstance(annotations, Path) else annotations)
    ]
    found = merge_annotations(parts, replace(classes, first_id=data_set.first_id))
    split_name = _check_split(found, splits[0] or _choose_split(found, data_set), "train_split=")
    chosen, notes = (given, []) if given else _make_preset(found, split_name, features, settings)
    eval_split = splits[1] and _check_split(found, splits[1], "eval_split=")
    if fold is not None:
        if eval_split is not None:
            raise UsageError("eval_split= and held-out training videos exclude each other", "Give one of them.")
        assert chosen.training is not None
        found, eval_split = hold_out(found, split_name, fold, chosen.training.seed), HELD_OUT
    chosen, class_names = choose_classes(chosen, labels, found, classes.names)
    if given and is_own_data(given, data_set, class_names, found.label_ids):
        chosen, data_set = name_own_data(chosen, given.name)
    method = find_method(chosen.method)
    if not method.is_trained or chosen.training is None:
        raise UsageError(f"preset {chosen.name} (method {chosen.method}) is not trained", "`cltdr presets list`")
    pseudo = _read_pseudo_labels(found, (split_name, splits[1]), pseudo_labels, min_score, method)
    found = pseudo.annotations if pseudo else found
    check_class_count(chosen, class_names)
    files = chosen.features.of_any_kind() if force else chosen.features
    chosen_videos = found.select_split(split_name)
    if method.supervision == "video":
        split = labelled_split(chosen_videos, features, files, class_names, chosen.training.fewest_steps)
    else:
        split = training_split(chosen_videos, features, files, class_names)
    chosen, more_notes = fit_batch(chosen, method, len(split.videos))
    return TrainingData(
        chosen,
        method,
        chosen.training,
        class_names,
        data_set,
        found,
        split_name,
        split,
        files,
        eval_split,
        pseudo,
        (*notes, *more_notes),
    )


def _make_preset(
    annotations: Annotations, split: str, features: Path, settings: Sequence[str]
) -> tuple[Preset, list[str]]:
    preset, notes = make_auto_preset(annotations, split, features)
    return with_overrides(preset, settings), notes


def _read_pseudo_labels(
    annotations: Annotations,
    splits: tuple[str, str | None],
    path: Path | None,
    min_score: float | None,
    method: Method,
) -> PseudoLabels | None:
    """Detections in place of the instances of the training split, if a file of some is given.

    Raises:
        CltdrError: The arguments contradict each other, or the file does not fit the annotation.
    """
    if path is None:
        if min_score is not None:
            raise UsageError("min_score= chooses among pseudo labels", "Give a file of detections as pseudo_labels=.")
        return None
    if method.supervision != "segments":
        raise UsageError(
            f"{method.title} does not learn from segments, and pseudo labels are segments",
            "Give a preset that does (`cltdr presets list`), or leave pseudo_labels= out.",
        )
    if splits[1] is not None and normalize_split(splits[1]) == splits[0]:
        raise UsageError(
            f"the split {splits[0]!r} cannot be evaluated on: its segments are not read where pseudo labels are given",
            "Give another eval_split=, or none.",
        )
    return place_pseudo_labels(annotations, splits[0], read_predictions(path), min_score)


def _choose_split(annotations: Annotations, data_set: DatasetRecord) -> str:
    """The data set's training split; everything, where the annotation has no splits.

    Raises:
        UsageError: The data set trains on another split, and the annotation has one that is called training.
    """
    there = annotations.count_splits()
    if set(there) == {""}:
        return ""
    if "training" in there and data_set.train_split != "training":
        raise UsageError(
            f"{annotations.source} has a split 'training', and the preset's data set, {data_set.name}, trains on "
            f"{data_set.train_split!r}",
            "For data of your own set benchmark.dataset=custom; else say which with train_split=.",
        )
    return data_set.train_split


def _check_split(annotations: Annotations, name: str, argument: str) -> str:
    """Our word for a split that the annotation has.

    Raises:
        UsageError: It has no such split.
    """
    there = annotations.count_splits()
    if normalize_split(name) not in there:
        listed = ", ".join(f"{split or 'unnamed'} ({count} videos)" for split, count in there.items())
        raise UsageError(f"{annotations.source} has no split {name!r}", f"It has {listed}: use {argument}.")
    return normalize_split(name)
