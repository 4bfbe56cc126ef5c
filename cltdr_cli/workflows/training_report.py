"""What a training run says at its beginning, after each epoch and at its end."""

from __future__ import annotations

from pathlib import Path

from cltdr_cli.data.video_info import find_unusual_rates
from cltdr_cli.reporting import Reporter
from cltdr_cli.training.events import tensorboard_is_here
from cltdr_cli.training.loop import Training
from cltdr_cli.training.optim import initial_share
from cltdr_cli.training.run_folder import Record
from cltdr_cli.training.timetable import Timetable
from cltdr_cli.workflows.training_data import TrainingData

MISSING = "missing_features.txt"
"""File in a run's folder that lists the videos without features."""

_MOST_INITIAL_SHARE = 0.05
"""More of the random initial weights in the average shows in the results."""


def describe_round(record: Record, timetable: Timetable) -> str:
    """One line for the log record of a round or an evaluation."""
    unit = timetable.unit
    head = f"{unit} {record[unit]}/{timetable.count(timetable.total_steps)}"
    if record["kind"] == unit:
        return f"{head}: loss {record['mean_loss']:.4f}, {record['seconds']:.1f} s"
    best = ", the best so far" if record["is_best"] else ""
    return f"{head}: average mAP {100 * record['score']:.2f} on {record['split']}{best}"


def report_beginning(
    training: Training, data: TrainingData, out: Path, is_resumed: bool | None, report: Reporter
) -> None:
    """What is trained on what, and what is missing; ``is_resumed`` is None where nobody asked to resume."""
    _report_data(data, out, report)
    learner = training.learner
    report.notice(
        f"{data.preset.name}: {len(data.split.videos)} videos of {data.split_name or 'the annotation'}, "
        f"{len(data.class_names)} classes; {_describe_length(training, data)} on {learner.device} "
        f"({learner.precision})"
    )
    steps = training.timetable.total_steps
    share = initial_share(data.config, steps)
    if share > _MOST_INITIAL_SHARE:
        report.warning(
            f"the averaged weights, which are evaluated and saved, will still be {share:.0%} the random initial ones "
            f"after the {steps} steps of this run: give the setting training.ema_warmup=true, which "
            "averages over the last part of short runs, or more epochs"
        )
    if is_resumed is not None:
        done = f"after step {learner.step} of {training.timetable.total_steps}" if learner.step else "at the start"
        report.notice(f"resumed {done}")
    unit = training.timetable.unit
    if not tensorboard_is_here():
        report.notice("no TensorBoard events: pip install 'cltdr-cli[train]' (log.jsonl has all numbers)")
    if data.eval_split is None:
        report.notice(f"no eval_split=: nothing chooses among {unit}s, best.safetensors will be the last")
    elif data.is_weak and data.chooses_on_test:
        report.notice(
            f"best.safetensors will be chosen on {data.eval_split}, the split that results are reported on, as "
            "published for this family: last.safetensors is the honest figure"
        )


def _report_data(data: TrainingData, out: Path, report: Reporter) -> None:
    for text in data.notes:
        report.notice(text)
    pseudo = data.pseudo_labels
    if pseudo is not None:
        report.notice(str(pseudo))
    for note in data.annotations.notes:
        report.notice(f"{data.annotations.source.name}: {note}")
    for finding in (*(pseudo.findings if pseudo else ()), *data.split.findings, *data.split.misfits):
        report.warning(str(finding))
    for finding in find_unusual_rates(data.annotations, data.data_set.fps, data.data_set.name):
        report.warning(str(finding))
    if data.split.missing:
        report.notice(f"{out / MISSING} lists the missing ones")


def _describe_length(training: Training, data: TrainingData) -> str:
    config, timetable = data.config, training.timetable
    if timetable.unit == "iteration":
        return f"{timetable.total_steps} iterations of {config.batch_size} videos"
    epochs = f"{config.warmup_epochs} + {config.epochs} epochs"
    return f"{epochs} of {timetable.round_steps} steps of {config.batch_size}"


def report_end(training: Training, report: Reporter) -> None:
    """What came out."""
    folder, best, unit = training.folder, training.best, training.timetable.unit
    evaluations = [record for record in folder.records() if record["kind"] == "evaluation"]
    if not evaluations or best.score is None:
        report.notice(f"trained: {folder.last}")
        return
    last = evaluations[-1]
    report.notice(f"last: average mAP {100 * last['score']:.2f} on {last['split']} ({folder.last})")
    report.notice(
        f"best: average mAP {100 * best.score:.2f} after {unit} {best.epoch}, chosen on {best.split} itself "
        f"({folder.best})"
    )
