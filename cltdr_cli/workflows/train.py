"""Training a localizer: the function behind ``cltdr train``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from cltdr_cli import __version__
from cltdr_cli.data.folds import Fold
from cltdr_cli.features.kinds import describe_other_kinds
from cltdr_cli.files import write_text
from cltdr_cli.methods.record import build_network
from cltdr_cli.models.heads import expect_nothing_of
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.training.learner import Learner, Precision
from cltdr_cli.training.loop import Hooks, Training
from cltdr_cli.training.processes import Processes, join_processes
from cltdr_cli.training.run_folder import RunFolder
from cltdr_cli.workflows.auto_preset import AUTO
from cltdr_cli.workflows.feature_scan import look_through, refuse_faults
from cltdr_cli.workflows.resumption import Resumption
from cltdr_cli.workflows.training_data import TrainingData, read_training_data
from cltdr_cli.workflows.training_evaluation import SplitEvaluation
from cltdr_cli.workflows.training_report import MISSING, describe_round, report_beginning, report_end
from cltdr_cli.workflows.training_schedule import RunSettings, make_schedule, refuse_epochs
from cltdr_cli.zoo.checkpoint import save_checkpoint
from cltdr_cli.zoo.devices import resolve_device
from cltdr_cli.zoo.preset import load_preset


@dataclass(frozen=True)
class TrainingSummary:
    """What a run left in its folder.

    Attributes:
        last: Checkpoint after the last epoch (or iteration, where there are no epochs).
        best: Checkpoint of the epoch that scored best on the split that chose; the last one where none did.
        best_score: Average mAP of that epoch as a fraction; None where nothing was evaluated.
        best_epoch: Its number, from 1, or the number of iterations done; 0 where nothing was evaluated.
    """

    last: Path
    best: Path
    best_score: float | None
    best_epoch: int


def train(
    *,
    preset: str | Path,
    annotations: str | Path | Sequence[str | Path],
    features: str | Path,
    out: str | Path,
    force: bool = False,
    fps: float | None = None,
    background: Sequence[str] = (),
    video_info: Sequence[str | Path] = (),
    epochs: int | None = None,
    warmup_epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int | None = None,
    settings: Sequence[str] = (),
    labels: str | Path = "preset",
    pseudo_labels: str | Path | None = None,
    min_score: float | None = None,
    train_split: str | None = None,
    eval_split: str | None = None,
    eval_every: int | None = None,
    hold_out: float | None = None,
    group_by: str | None = None,
    fold: Fold | None = None,
    patience: int = 0,
    save_every: int = 0,
    resume: bool = False,
    amp: bool = False,
    precision: Literal["fp32", "bf16", "fp16"] | None = None,
    accumulate: int = 1,
    compile_network: bool = False,
    workers: int = 2,
    cache_gb: float = 4.0,
    device: str = "auto",
    report: Reporter = SILENT,
) -> TrainingSummary:
    """Train a localizer on features and annotations; in each of the processes of torchrun, if it started us.

    Args:
        preset: Name or YAML file: network, features, losses; ``auto`` makes one for these features and annotation.
        annotations: JSON, CSV or THUMOS folder, in any published layout; or several, of which reviewed ones stand in
            for what the others say of their videos.
        features: Folder of feature files, as the preset names them.
        out: Folder of the run: checkpoints, resume state, log, settings.
        force: Whether features of another extractor or flow are taken, if width and grid fit.
        fps: Frames per second of the videos, where the annotation does not say it.
        background: Labels that are no action, where the annotation has one label per frame.
        video_info: CSV files of durations, rates or subsets, or lists ``train.split1.bundle``.
        epochs: After the warm-up; None as the preset says, as are the next four. Presets that learn from video labels
            train by iterations and have none: ``settings=["training.iterations=N"]``.
        warmup_epochs: Epochs of warm-up.
        batch_size: Videos per step, over all processes.
        lr: Base learning rate.
        seed: Of weights, order, crops, noise.
        settings: Changes to any value of the preset, ``key=value``.
        labels: Where class names come from: ``preset``, ``annotations``, or a file.
        pseudo_labels: File of detections, such as those of a model that learned from video labels, to train on in
            place of the annotated segments of the training videos, which are then not read.
        min_score: Of the detections that count; needed with ``pseudo_labels``.
        train_split: Split to train on; None for the data set's.
        eval_split: Split to evaluate on while training; it chooses the best epoch.
        eval_every: Epochs between evaluations (None: 1); where there are none, iterations (None: 200).
        hold_out: Share of the training videos to evaluate on instead, in place of ``eval_split``.
        group_by: Regular expression; videos whose ids it matches alike are held out together.
        fold: The part that is held out, in place of ``hold_out`` (``cross_validate`` gives each in turn).
        patience: Stop after so many evaluations without a better one; 0 never does.
        save_every: Steps between saved states, besides each epoch's end; 0 for none.
        resume: Whether to continue the run in ``out`` where it was stopped. Learning rate, length, weight decay and
            clipping may be others than before; docs/training.md says what follows.
        amp: Mixed precision: bf16 where the device has it, else fp16.
        precision: Arithmetic of the network, in place of ``amp``; None is fp32.
        accumulate: Parts that a batch is computed in, to save memory; same result.
        compile_network: Whether to use torch.compile.
        workers: Threads that read features ahead.
        cache_gb: Features kept in memory, in GB per process.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        report: Hears of progress and warnings.

    Raises:
        CltdrError: Settings, data or folder are not in order, or the loss is not finite.
    """
    if str(preset) != AUTO:
        refuse_epochs(load_preset(preset), epochs=epochs, warmup_epochs=warmup_epochs)
    given = {"epochs": epochs, "warmup_epochs": warmup_epochs, "batch_size": batch_size, "learning_rate": lr}
    changes = [f"training.{key}={value}" for key, value in {**given, "seed": seed}.items() if value is not None]
    if hold_out is not None:
        fold = Fold(0, round(1 / hold_out), group_by)
    data = read_training_data(
        str(preset), _list_paths(annotations), Path(features), [*settings, *changes], str(labels),
        (train_split, eval_split), force, None if pseudo_labels is None else Path(pseudo_labels), min_score,
        fps, background, [Path(file) for file in video_info], fold,
    )  # fmt: skip
    run = RunSettings(
        precision or ("auto" if amp else "fp32"), accumulate, compile_network, workers, int(cache_gb * 1e9),
        eval_every, save_every, patience,
    )  # fmt: skip
    with join_processes(resolve_device(device)) as (processes, place):
        heard = report if processes.is_first else SILENT
        hooks = _make_hooks(data, Path(features), RunFolder(Path(out)), processes, place, heard)
        training = _make_training(data, Path(out), run, hooks, processes, place)
        resumption = _begin(training, data, Path(features), resume, heard)
        if processes.is_first:
            report_beginning(training, data, Path(out), resumption.is_taken_up if resume else None, heard)
            for text in resumption.notices(training):
                heard.notice(text)
            if force and (text := describe_other_kinds((v.path for v in data.split.videos), data.preset.features)):
                heard.warning(text)
        _run(training, heard)
        if processes.is_first:
            report_end(training, heard)
    return TrainingSummary(training.folder.last, training.folder.best, training.best.score, training.best.epoch)


def _list_paths(annotations: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files and folders that are named; one or several."""
    return [Path(annotations)] if isinstance(annotations, str | Path) else list(map(Path, annotations))


def _make_training(
    data: TrainingData, out: Path, run: RunSettings, hooks: Hooks, processes: Processes, device: torch.device
) -> Training:
    """Everything built; nothing is written yet."""
    config, method = data.config, data.method
    schedule = make_schedule(data, run, processes, device.type == "cuda")
    if device.type == "cuda":
        # Convolution gradients are otherwise summed in an order that differs from run to run.
        torch.backends.cudnn.deterministic = True
    assert method.objective is not None, "read_training_data refuses methods that are not trained"
    network = build_network(method, data.model, config.seed)
    expect_nothing_of(network, data.empty_classes)
    learner = Learner(
        network.to(device),
        method.objective(data.model, config),
        config,
        schedule.timetable.round_steps,
        device,
        processes,
        _choose_precision(run.precision, device),
        schedule.padded_steps if run.compiled else None,
    )
    return Training(learner, schedule.source, RunFolder(out), hooks, schedule.timetable, data.identity)


def _choose_precision(wanted: str, device: torch.device) -> Precision:
    if wanted == "auto":
        has_bf16 = device.type == "cpu" or torch.cuda.is_bf16_supported()
        return "bf16" if has_bf16 else "fp16"
    return "bf16" if wanted == "bf16" else "fp16" if wanted == "fp16" else "fp32"


def _make_hooks(
    data: TrainingData,
    features: Path,
    folder: RunFolder,
    processes: Processes,
    device: torch.device,
    report: Reporter,
) -> Hooks:
    def write_weights(path: Path, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        chosen = facts.get("scores", {}).get("display_score", data.preset.display_score)
        preset = replace(data.preset, display_score=chosen)
        made_by = {"cltdr": __version__, "torch": torch.__version__, "split": data.split_name}
        made_from = {"annotations": data.annotations.source.name, "videos": len(data.split.videos)}
        made_from |= {"pseudo_labels": data.pseudo_labels.facts} if data.pseudo_labels else {}
        numbers = {} if data.label_ids is None else {"label_ids": list(data.label_ids)}
        save_checkpoint(path, state, preset, data.class_names, {**facts, **numbers, **made_by, **made_from})
        if path == folder.last:
            write_text(folder.preset, preset.to_yaml())

    if data.eval_split is None:
        return Hooks(write_weights)
    evaluation = SplitEvaluation.of(data, features, device, processes, report)
    return Hooks(write_weights, evaluation, evaluation.split)


def _begin(training: Training, data: TrainingData, features: Path, resume: bool, report: Reporter) -> Resumption:
    """Open the run's folder, look through the features, and take up a saved state if one is asked for and there."""
    processes, folder = training.learner.processes, training.folder
    if processes.is_first:
        folder.open(resume)
        training.files = _look_through_features(training, data, features, report)
    processes.wait()
    resumption = Resumption(data.preset, training.identity, training.files, folder)
    if resume:
        resumption.take_up(training)
    if processes.is_first and (not resumption.is_taken_up or resumption.changes):
        write_text(folder.preset, data.preset.to_yaml())
    if processes.is_first and not resumption.is_taken_up and data.split.missing:
        write_text(folder.path / MISSING, "".join(f"{name}\n" for name in data.split.missing))
    return resumption


def _look_through_features(training: Training, data: TrainingData, folder: Path, report: Reporter) -> dict[str, str]:
    """Digest of each feature file by its name; what would stop the run midway is found now.

    Raises:
        FeatureError: A file cannot be used.
    """
    evaluation = training.hooks.evaluate
    evaluated = evaluation.paths.values() if isinstance(evaluation, SplitEvaluation) else ()
    scan = look_through([*(video.path for video in data.split.videos), *evaluated], data.files, report)
    refuse_faults(scan)
    return {path.relative_to(folder).as_posix(): found.ends for path, found in scan.measured.items()}


def _run(training: Training, report: Reporter) -> None:
    timetable, total = training.timetable, training.timetable.total_steps
    with report.progress("training", total, "steps") as bar:
        bar.update(training.learner.step)
        training.hooks = replace(
            training.hooks,
            on_step=lambda result: bar.update(result.step, total),
            on_round=lambda record: report.notice(describe_round(record, timetable)),
        )
        training.run()
