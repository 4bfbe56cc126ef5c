"""The steps behind cltdr train: settings and data checked, a learner built, the loop run and told of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from cltdr_cli import __version__, console
from cltdr_cli.commands.forced import taken_features, warn_of_other_kinds
from cltdr_cli.commands.options import resolve_device
from cltdr_cli.commands.training_evaluation import SplitEvaluation
from cltdr_cli.commands.training_splits import default_split, named_split
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import Annotations, canonical_split
from cltdr_cli.data.benchmarks import Benchmark, benchmark
from cltdr_cli.data.class_lists import read_class_list
from cltdr_cli.data.dataset import CLASS_AGNOSTIC, TrainingSet, TrainingSplit, training_split
from cltdr_cli.errors import UsageError
from cltdr_cli.files import write_text
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import Method, build_network
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.events import tensorboard_is_here
from cltdr_cli.training.learner import Learner, Precision
from cltdr_cli.training.loader import Loader, Share
from cltdr_cli.training.loop import Hooks, Timetable, Training
from cltdr_cli.training.processes import Processes, join_processes
from cltdr_cli.training.run_folder import Record, RunFolder
from cltdr_cli.zoo.checkpoint import save_checkpoint
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import FeatureConfig, Preset, load_preset

_MISSING = "missing_features.txt"


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; see ``commands.train``."""

    preset: str
    annotations: Path
    features: Path
    out: Path
    overrides: tuple[str, ...] = ()
    labels: str = "preset"
    train_split: str | None = None
    eval_split: str | None = None
    eval_every: int = 1
    save_every: int = 0
    resume: bool = False
    precision: str = "fp32"
    parts: int = 1
    compiled: bool = False
    threads: int = 2
    cache_bytes: int = 4_000_000_000
    device: str = "auto"
    force: bool = False


@dataclass(frozen=True)
class Subject:
    """What is trained on what.

    Attributes:
        preset: Settings, overrides included.
        method: What is trained.
        config: Training's.
        class_names: By index.
        record: The benchmark.
        annotations: All splits.
        split_name: What is trained on.
        split: Its videos that have features.
        files: What feature files are held against.
        eval_split: Whose scores choose the best epoch; None where nothing is evaluated.
    """

    preset: Preset
    method: Method
    config: TrainConfig
    class_names: tuple[str, ...]
    record: Benchmark
    annotations: Annotations
    split_name: str
    split: TrainingSplit
    files: FeatureConfig
    eval_split: str | None

    @property
    def identity(self) -> dict[str, str]:
        """What a resumed run must agree in."""
        videos = [(item.video.video_id, item.video.instances) for item in self.split.videos]
        data = json.dumps([self.split_name, videos])
        return {
            "preset": self.preset.to_yaml(),
            "choosing split": self.eval_split or "",
            "class list": hashlib.sha256(json.dumps(self.class_names).encode()).hexdigest(),
            "training data": hashlib.sha256(data.encode()).hexdigest(),
        }


def run_training(wishes: Wishes) -> None:
    """Train as wished; in each of the processes of torchrun, if it started us.

    Raises:
        CltdrError: Settings, data or folder are not in order; the loss is not finite.
    """
    subject = make_subject(wishes)
    with join_processes(resolve_device(wishes.device)) as (processes, device):
        if not processes.is_first:
            console.set_quiet(True)
        training = make_training(wishes, subject, processes, device)
        if processes.is_first:
            _tell_begin(wishes, subject, training)
        _run(training)
        if processes.is_first:
            _tell_end(training)


def make_subject(wishes: Wishes) -> Subject:
    """Preset, annotations and features, checked against each other."""
    preset = with_overrides(load_preset(wishes.preset), wishes.overrides)
    record = benchmark(preset.benchmark.dataset)
    annotations = read_annotations(
        wishes.annotations, _numbered_names(wishes, preset), first_id=record.first_id, task=record.task
    )
    split_name = named_split(
        annotations, wishes.train_split or default_split(annotations, record), "--train-split"
    )
    if wishes.eval_split is not None:
        named_split(annotations, wishes.eval_split, "--eval-split")
    preset, class_names = _with_classes(preset, wishes, annotations)
    method, config = find_method(preset.method), preset.training
    if not method.is_trained or config is None:
        raise UsageError(f"preset {preset.name} (method {preset.method}) is not trained", "cltdr presets list")
    if preset.model.num_classes != len(class_names):
        raise UsageError(
            f"the network has {preset.model.num_classes} classes and {len(class_names)} are named",
            f"--set model.num_classes={len(class_names)}, or other --labels",
        )
    chosen = annotations.of_split(split_name)
    files = taken_features(preset.features, wishes.force)
    split = training_split(chosen, wishes.features, files, class_names)
    chooses = wishes.eval_split and canonical_split(wishes.eval_split)
    return Subject(preset, method, config, class_names, record, annotations, split_name, split, files, chooses)


def _numbered_names(wishes: Wishes, preset: Preset) -> tuple[str, ...]:
    """Class names for annotations that number their classes, and in whose order classes are numbered."""
    if wishes.labels == "annotations":
        return ()
    if wishes.labels != "preset":
        return read_class_list(Path(wishes.labels))
    return () if preset.benchmark.class_agnostic else preset.class_names or ()


def _with_classes(preset: Preset, wishes: Wishes, annotations: Annotations) -> tuple[Preset, tuple[str, ...]]:
    """The classes that ``--labels`` asks for, and the preset with as many of them."""
    if preset.benchmark.class_agnostic:
        return preset, (CLASS_AGNOSTIC,)
    names = tuple(annotations.label_ids)
    if wishes.labels == "preset":
        return preset, preset.class_names or names
    model = replace(preset.model, num_classes=len(names))
    return replace(preset, model=model, benchmark=replace(preset.benchmark, labels=None)), names


def make_training(wishes: Wishes, subject: Subject, processes: Processes, device: torch.device) -> Training:
    """Everything built, and the saved state taken up where one is to be resumed."""
    folder = RunFolder(wishes.out)
    if processes.is_first:
        folder.open(wishes.resume)
    processes.wait()
    config, steps = subject.config, subject.preset.model.max_seq_len
    videos = TrainingSet(subject.split.videos, subject.files, steps, subject.class_names, wishes.cache_bytes)
    loader = Loader(videos, config, steps, Share(processes, wishes.parts), wishes.threads, device.type == "cuda")
    if device.type == "cuda":
        # Convolution gradients are otherwise summed in an order that differs from run to run.
        torch.backends.cudnn.deterministic = True
    method, model = subject.method, subject.preset.model
    assert method.objective is not None, "make_subject refuses methods that are not trained"
    learner = Learner(
        build_network(method, model, config.seed).to(device),
        method.objective(model, config),
        config,
        loader.steps_per_epoch,
        device,
        processes,
        _precision(wishes.precision, device),
        steps if wishes.compiled else None,
    )
    timetable = Timetable(config.warmup_epochs + config.epochs, wishes.eval_every, wishes.save_every)
    hooks = _hooks(wishes, subject, processes, device)
    training = Training(learner, loader, folder, hooks, timetable, subject.identity)
    is_resumed = training.resume() if wishes.resume else False
    if processes.is_first and not is_resumed:
        write_text(folder.preset, subject.preset.to_yaml())
        if subject.split.missing:
            write_text(wishes.out / _MISSING, "".join(f"{name}\n" for name in subject.split.missing))
    return training


def _precision(wanted: str, device: torch.device) -> Precision:
    if wanted == "auto":
        has_bf16 = device.type == "cpu" or torch.cuda.is_bf16_supported()
        return "bf16" if has_bf16 else "fp16"
    return "bf16" if wanted == "bf16" else "fp16" if wanted == "fp16" else "fp32"


def _hooks(wishes: Wishes, subject: Subject, processes: Processes, device: torch.device) -> Hooks:
    def write_weights(path: Path, state: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
        made_by = {"cltdr": __version__, "torch": torch.__version__, "split": subject.split_name}
        made_from = {"annotations": subject.annotations.source.name, "videos": len(subject.split.videos)}
        save_checkpoint(path, state, subject.preset, subject.class_names, {**facts, **made_by, **made_from})

    if wishes.eval_split is None:
        return Hooks(write_weights)
    evaluation = SplitEvaluation.of(
        subject.record,
        subject.annotations,
        wishes.eval_split,
        wishes.features,
        replace(subject.preset, features=subject.files),
        subject.class_names,
        device,
        processes,
    )
    return Hooks(write_weights, evaluation, evaluation.split)


def _run(training: Training) -> None:
    first, total = training.learner.step, training.total_steps
    with console.progress("training", total, "steps") as bar:
        bar.update(first)
        training.hooks = replace(
            training.hooks,
            on_step=lambda result: bar.update(result.step, total),
            on_epoch=lambda record: console.notice(_epoch_line(record, training.timetable.epochs)),
        )
        training.run()


def _epoch_line(record: Record, epochs: int) -> str:
    head = f"epoch {record['epoch']}/{epochs}"
    if record["kind"] == "epoch":
        return f"{head}: loss {record['mean_loss']:.4f}, {record['seconds']:.1f} s"
    best = ", the best so far" if record["is_best"] else ""
    return f"{head}: average mAP {100 * record['score']:.2f} on {record['split']}{best}"


def _tell_begin(wishes: Wishes, subject: Subject, training: Training) -> None:
    for finding in subject.split.findings:
        console.warning(str(finding))
    if wishes.force:
        warn_of_other_kinds([item.path for item in subject.split.videos], subject.preset.features)
    if subject.split.missing:
        console.notice(f"{wishes.out / _MISSING} lists the missing ones")
    config, learner = subject.config, training.learner
    console.notice(
        f"{subject.preset.name}: {len(subject.split.videos)} videos of {subject.split_name or 'the annotation'}, "
        f"{len(subject.class_names)} classes; {config.warmup_epochs} + {config.epochs} epochs of "
        f"{training.loader.steps_per_epoch} steps of {config.batch_size} on {learner.device} ({learner.precision})"
    )
    if wishes.resume:
        done = f"after step {learner.step} of {training.total_steps}" if learner.step else "at the start"
        console.notice(f"resumed {done}")
    if not tensorboard_is_here():
        console.notice("no TensorBoard events: pip install 'cltdr-cli[train]' (log.jsonl has all numbers)")
    if wishes.eval_split is None:
        console.notice("no --eval-split: nothing chooses among epochs, best.safetensors will be the last")


def _tell_end(training: Training) -> None:
    folder, best = training.folder, training.best
    evaluations = [r for r in folder.records() if r["kind"] == "evaluation"]
    if evaluations and best.score is not None:
        last = evaluations[-1]
        console.notice(f"last: average mAP {100 * last['score']:.2f} on {last['split']} ({folder.last})")
        console.notice(
            f"best: average mAP {100 * best.score:.2f} after epoch {best.epoch}, chosen on {best.split} itself "
            f"({folder.best})"
        )
    else:
        console.notice(f"trained: {folder.last}")
