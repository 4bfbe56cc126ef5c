"""What gives the batches of a run, and how long it goes on: by epochs of videos, or by iterations."""

from __future__ import annotations

from dataclasses import dataclass

from cltdr_cli.data.label_set import LabelledSplit, LabelSet
from cltdr_cli.data.training_set import TrainingSet, TrainingSplit
from cltdr_cli.errors import UsageError
from cltdr_cli.methods import find_method
from cltdr_cli.training.label_loader import LabelLoader
from cltdr_cli.training.loader import Loader, Share
from cltdr_cli.training.loop import BatchSource
from cltdr_cli.training.processes import Processes
from cltdr_cli.training.timetable import Timetable
from cltdr_cli.workflows.training_data import TrainingData
from cltdr_cli.zoo.preset import Preset

EVAL_EVERY_ITERATIONS = 200


@dataclass(frozen=True)
class RunSettings:
    """How a run computes and how often it looks up, whatever it learns.

    Attributes:
        precision: Arithmetic of the network; ``auto`` is what the device does best in mixed precision.
        parts: Parts that a batch is computed in.
        compiled: Whether the network goes through ``torch.compile``.
        threads: That read features ahead.
        cache_bytes: Features kept in memory.
        eval_every: Epochs, or iterations, between evaluations; None for 1 or 200.
        save_every: Steps between saved states, besides those after each epoch or evaluation; 0 for none.
        patience: Training stops after so many evaluations without a better one; 0 never does.
    """

    precision: str
    parts: int
    compiled: bool
    threads: int
    cache_bytes: int
    eval_every: int | None
    save_every: int
    patience: int = 0


@dataclass(frozen=True)
class Schedule:
    """Batches and times of a run.

    Attributes:
        source: Gives the batches.
        timetable: How long to train, and how often to evaluate and save.
        padded_steps: Length of every sequence in a batch.
    """

    source: BatchSource
    timetable: Timetable
    padded_steps: int


def make_schedule(data: TrainingData, run: RunSettings, processes: Processes, pinned: bool) -> Schedule:
    """The batches that the method learns from; ``pinned`` is whether a GPU copies from them.

    Raises:
        UsageError: There are too few videos, or they cannot be shared out as the run wants.
    """
    if isinstance(data.split, LabelledSplit):
        return _schedule_iterations(data, data.split, run, processes, pinned)
    return _schedule_epochs(data, data.split, run, processes, pinned)


def _schedule_epochs(
    data: TrainingData, split: TrainingSplit, run: RunSettings, processes: Processes, pinned: bool
) -> Schedule:
    config, steps, method, files = data.config, data.model.max_seq_len, data.method, data.files
    overrun = method.overruns.get(data.data_set.name)
    videos = TrainingSet(
        split.videos,
        files,
        steps,
        data.class_names,
        run.cache_bytes,
        None if overrun is None else (overrun.windows, overrun.least_share(config.trunc_thresh)),
    )
    margin = method.crop_margin_windows * files.window_frames / files.stride_frames
    loader = Loader(videos, config, steps, Share(processes, run.parts), run.threads, pinned, margin)
    epochs, length = config.warmup_epochs + config.epochs, loader.steps_per_epoch
    timetable = Timetable(epochs * length, length, run.eval_every or 1, run.save_every, patience=run.patience)
    return Schedule(loader, timetable, steps)


def _schedule_iterations(
    data: TrainingData, split: LabelledSplit, run: RunSettings, processes: Processes, pinned: bool
) -> Schedule:
    if processes.count > 1 or run.parts > 1:
        parts = f"{processes.count} processes" if processes.count > 1 else f"{run.parts} parts"
        raise UsageError(
            f"preset {data.preset.name} learns from the videos of a batch together, which {parts} cannot share",
            "Train it in one process and leave accumulate= out; for less memory lower training.sampled_steps.",
        )
    assert data.method.sampler is not None, "methods that learn from video labels have one"
    config, videos = data.config, LabelSet(split.videos, data.files, data.class_names, run.cache_bytes)
    sampler = data.method.sampler(data.model, config, videos.labels)
    loader = LabelLoader(videos, sampler, config.seed, run.threads, pinned)
    every = run.eval_every or EVAL_EVERY_ITERATIONS
    timetable = Timetable(config.iterations, every, save_every=run.save_every, unit="iteration", patience=run.patience)
    return Schedule(loader, timetable, config.sampled_steps)


def refuse_epochs(preset: Preset, **given: int | None) -> None:
    """Raise UsageError where a number of epochs is given to a method that trains by iterations."""
    names = [f"{name}=" for name, value in given.items() if value is not None]
    if names and find_method(preset.method).supervision == "video":
        raise UsageError(
            f"preset {preset.name} trains by iterations and has no epochs: {' and '.join(names)} cannot be given",
            "Give their number as a setting: `--set training.iterations=N` on the command line.",
        )
