"""What a training run says at its beginning, after each epoch and at its end."""

from __future__ import annotations

from pathlib import Path

from cltdr_cli.reporting import Reporter
from cltdr_cli.training.events import tensorboard_is_here
from cltdr_cli.training.loop import Training
from cltdr_cli.training.optim import initial_share
from cltdr_cli.training.run_folder import Record
from cltdr_cli.workflows.training_data import TrainingData

MISSING = "missing_features.txt"
"""File in a run's folder that lists the videos without features."""

_MOST_INITIAL_SHARE = 0.05
"""More of the random initial weights in the average shows in the results."""


def describe_epoch(record: Record, epochs: int) -> str:
    """One line for the log record of an epoch or an evaluation."""
    head = f"epoch {record['epoch']}/{epochs}"
    if record["kind"] == "epoch":
        return f"{head}: loss {record['mean_loss']:.4f}, {record['seconds']:.1f} s"
    best = ", the best so far" if record["is_best"] else ""
    return f"{head}: average mAP {100 * record['score']:.2f} on {record['split']}{best}"


def report_beginning(
    training: Training, data: TrainingData, out: Path, is_resumed: bool | None, report: Reporter
) -> None:
    """What is trained on what, and what is missing; ``is_resumed`` is None where nobody asked to resume."""
    for text in data.notes:
        report.notice(text)
    for finding in data.split.findings:
        report.warning(str(finding))
    if data.split.missing:
        report.notice(f"{out / MISSING} lists the missing ones")
    config, learner = data.config, training.learner
    report.notice(
        f"{data.preset.name}: {len(data.split.videos)} videos of {data.split_name or 'the annotation'}, "
        f"{len(data.class_names)} classes; {config.warmup_epochs} + {config.epochs} epochs of "
        f"{training.loader.steps_per_epoch} steps of {config.batch_size} on {learner.device} ({learner.precision})"
    )
    share = initial_share(config, training.total_steps)
    if share > _MOST_INITIAL_SHARE:
        report.warning(
            f"the averaged weights, which are evaluated and saved, will still be {share:.0%} the random initial ones "
            f"after the {training.total_steps} steps of this run: give the setting training.ema_warmup=true, which "
            "averages over the last part of short runs, or more epochs"
        )
    if is_resumed is not None:
        done = f"after step {learner.step} of {training.total_steps}" if learner.step else "at the start"
        report.notice(f"resumed {done}")
    if not tensorboard_is_here():
        report.notice("no TensorBoard events: pip install 'cltdr-cli[train]' (log.jsonl has all numbers)")
    if data.eval_split is None:
        report.notice("no eval_split=: nothing chooses among epochs, best.safetensors will be the last")


def report_end(training: Training, report: Reporter) -> None:
    """What came out."""
    folder, best = training.folder, training.best
    evaluations = [record for record in folder.records() if record["kind"] == "evaluation"]
    if not evaluations or best.score is None:
        report.notice(f"trained: {folder.last}")
        return
    last = evaluations[-1]
    report.notice(f"last: average mAP {100 * last['score']:.2f} on {last['split']} ({folder.last})")
    report.notice(
        f"best: average mAP {100 * best.score:.2f} after epoch {best.epoch}, chosen on {best.split} itself "
        f"({folder.best})"
    )
