"""The training loop: steps, rounds, evaluation of the averaged weights, and a state to resume from.

A round is an epoch or, where there are none, the iterations between two evaluations.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from cltdr_cli.training.batches import TrainingBatch
from cltdr_cli.training.breakdown import Saved, explain_broken_step, explain_broken_weights
from cltdr_cli.training.events import EventWriter
from cltdr_cli.training.learner import Learner, StepResult
from cltdr_cli.training.run_folder import Record, RunFolder, explain_other_parts, find_other_parts
from cltdr_cli.training.timetable import Timetable

Evaluate = Callable[[nn.Module], Record]
"""Averaged network, in evaluation mode -> what was measured; the best is chosen by its ``score``.

Called in every process; what it returns in the first one counts.
"""

WriteWeights = Callable[[Path, Mapping[str, Tensor], Mapping[str, object]], None]
"""Path, weights and facts -> a checkpoint file."""

CheckState = Callable[[Mapping[str, Any]], None]
"""A saved state -> nothing; raises ``CltdrError`` where this run cannot continue from it."""


@dataclass(frozen=True)
class Hooks:
    """Functions that the loop calls: for writing weights, for evaluation, and to report progress.

    Attributes:
        write_weights: Writes a checkpoint.
        evaluate: Scores a network; None never does.
        split: Name of the split that ``evaluate`` scores; its scores choose the best round.
        on_step: Called after every step.
        on_round: Called with the log record of every round and every evaluation.
    """

    write_weights: WriteWeights
    evaluate: Evaluate | None = None
    split: str | None = None
    on_step: Callable[[StepResult], None] = lambda result: None
    on_round: Callable[[Record], None] = lambda record: None


class BatchSource(Protocol):
    """Gives the batches of every step; ``loader.Loader`` and ``label_loader.LabelLoader`` are such."""

    @property
    def videos(self) -> Any:
        """All that there is to train on, of the kind that the method learns from."""
        ...

    def batches(self, first_step: int, last_step: int) -> Iterator[Sequence[TrainingBatch]]:
        """The parts of the batch of each step, from the first up to (not including) the last."""
        ...

    def name_videos(self, step: int) -> list[str]:
        """Ids of the videos in the batch of a step, of all processes."""
        ...


@dataclass
class Best:
    """The best evaluation so far.

    Attributes:
        score: None before the first.
        epoch: Epochs done then; of runs by iterations these.
        split: Name of the split whose score it is.
    """

    score: float | None = None
    epoch: int = 0
    split: str | None = None


def read_clocks() -> tuple[float, float]:
    """Seconds of the clock, and seconds that the processor cores worked for this process, all of them together."""
    return time.monotonic(), time.process_time()


@dataclass
class Training:
    """One training run: a learner, its data, and the folder it writes to.

    Attributes:
        learner: Network, objective and optimiser.
        loader: Gives the batches.
        folder: Where everything is written.
        hooks: Functions that the loop calls.
        timetable: How long to train, and how often to evaluate and save.
        identity: Settings and data by name; a resumed run must have the same as the run that was stopped.
        files: Digest of each feature file, by the video; kept with the state. Empty where nobody looked.
        best: The best evaluation so far.
    """

    learner: Learner
    loader: BatchSource
    folder: RunFolder
    hooks: Hooks
    timetable: Timetable
    identity: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    best: Best = field(default_factory=Best)
    _saved_step: int | None = None
    _round_losses: list[float] = field(default_factory=list[float])

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.timetable.total_steps

    @property
    def _saved(self) -> Saved:
        settings: Any = self.learner.config
        return Saved(self._saved_step, any(item.name == "clip_grad_l2norm" for item in fields(settings)))

    @property
    def is_stopped_early(self) -> bool:
        """Whether the last evaluations, as many as the timetable's patience, have brought nothing better."""
        timetable = self.timetable
        steps = self.learner.step - self.best.epoch * (1 if timetable.unit == "iteration" else timetable.round_steps)
        patience = timetable.patience * timetable.eval_every * timetable.round_steps
        return bool(patience) and self.best.score is not None and steps >= patience

    def resume(self, check: CheckState | None = None) -> bool:
        """Continue from the saved state, if there is one; returns whether there was.

        Args:
            check: Whether this run may continue from it; by default everything in ``identity`` must be the same.

        Raises:
            CltdrError: The state is of a run with other settings or data, or cannot be read.
        """
        state = self.folder.load_state()
        if state is None:
            return False
        (check or self._check_identity)(state)
        self.learner.load(state["learner"])
        self.best = Best(**state["best"])
        self._round_losses = list(state["epoch_losses"])
        self._saved_step = self.learner.step
        return True

    def _check_identity(self, state: Mapping[str, Any]) -> None:
        changed = find_other_parts(self.identity, state["identity"])
        if changed:
            raise explain_other_parts(self.folder, changed)

    def run(self) -> None:
        """Train to the end.

        Raises:
            CltdrError: Loss, gradient or weights are not finite; the last saved state stays.
        """
        processes, learner = self.learner.processes, self.learner
        if processes.is_first:
            self.folder.forget_after(learner.step)
        events = EventWriter(self.folder.path, learner.step) if processes.is_first else None
        try:
            self._train(events)
        finally:
            if events is not None:
                events.close()

    def _train(self, events: EventWriter | None) -> None:
        learner, begin = self.learner, read_clocks()
        if self.is_stopped_early:
            return
        for parts in self.loader.batches(learner.step, self.timetable.total_steps):
            learner.objective.before_step(learner.model, self.loader.videos)
            result = learner.train_step([part.to(learner.device) for part in parts])
            self._record_step(result, events)
            if self.timetable.ends_round(learner.step):
                self._end_round(events, begin)
                if self.is_stopped_early:
                    return
                begin = read_clocks()
            elif self.timetable.save_every and learner.step % self.timetable.save_every == 0:
                self._save()

    def _record_step(self, result: StepResult, events: EventWriter | None) -> None:
        overflows = self.learner.precision == "fp16"  # such steps are skipped, and their gradient does no harm
        if not math.isfinite(result.total_loss) or not (overflows or math.isfinite(result.gradient_norm)):
            raise explain_broken_step(result, self.loader.name_videos(result.step - 1), self._saved)
        self._round_losses.append(result.total_loss)
        if self.learner.processes.is_first:
            self._log({"kind": "step", **result.to_record()}, events)
        self.hooks.on_step(result)

    def _end_round(self, events: EventWriter | None, begin: tuple[float, float]) -> None:
        """Log, evaluate and write the weights; the state to resume from comes last, when all this is on disk."""
        seconds, processor_seconds = (now - then for now, then in zip(read_clocks(), begin, strict=True))
        self._refuse_broken_weights()
        step, losses, timetable = self.learner.step, self._round_losses, self.timetable
        done = timetable.count(step)
        record: Record = {
            "kind": timetable.unit,
            "step": step,
            timetable.unit: done,
            "mean_loss": sum(losses) / len(losses),
            "seconds": round(seconds, 3),
            "processor_seconds": round(processor_seconds, 3),
            **self.learner.objective.describe(),
        }
        self._round_losses = []
        self._report(record, events)
        is_due = self.hooks.evaluate is not None and timetable.is_evaluated(step)
        found = self._evaluate(done, events) if is_due else None
        if self.learner.processes.is_first:
            facts = {**self._describe(done, record["mean_loss"]), **({"scores": found} if found else {})}
            self.hooks.write_weights(self.folder.last, self.learner.average.state, facts)
            is_last = step == timetable.total_steps
            if self.best.epoch == done or (self.hooks.evaluate is None and is_last):
                self.hooks.write_weights(self.folder.best, self.learner.average.state, facts)
        self._save()

    def _evaluate(self, done: int, events: EventWriter | None) -> Record:
        assert self.hooks.evaluate is not None
        network = copy.deepcopy(self.learner.model).eval().requires_grad_(False)
        network.load_state_dict(self.learner.average.state)
        found = self.hooks.evaluate(network)
        record = {
            "kind": "evaluation",
            "step": self.learner.step,
            self.timetable.unit: done,
            "split": self.hooks.split,
            **found,
        }
        score = float(found.get("score", math.nan))
        if math.isfinite(score) and (self.best.score is None or score > self.best.score):
            self.best = Best(score, done, self.hooks.split)
        self._report({**record, "is_best": self.best.epoch == done}, events)
        return found

    def _describe(self, done: int, mean_loss: float) -> dict[str, object]:
        """How a checkpoint was made, for its metadata."""
        unit = self.timetable.unit
        return {
            "trained": True,
            "source": "cltdr train",
            unit: done,
            f"{unit}s": self.timetable.count(self.total_steps),
            "step": self.learner.step,
            "mean_loss": mean_loss,
            "chosen_by_split": self.hooks.split,
            f"best_{unit}": self.best.epoch or None,
            "processes": self.learner.processes.count,
            "precision": self.learner.precision,
            **{name: value for name, value in self.identity.items() if name != "preset"},
        }

    def _report(self, record: Record, events: EventWriter | None) -> None:
        if self.learner.processes.is_first:
            self._log(record, events)
            self.hooks.on_round(record)

    def _log(self, record: Record, events: EventWriter | None) -> None:
        self.folder.append(record)
        if events is not None:
            events.add(record)

    def _save(self) -> None:
        self._refuse_broken_weights()
        if self.learner.processes.is_first:
            state: dict[str, Any] = {
                "identity": dict(self.identity),
                "learner": self.learner.state(),
                "best": asdict(self.best),
                "epoch_losses": self._round_losses,
                "files": dict(self.files),
            }
            self.folder.save_state(state)
        self._saved_step = self.learner.step
        self.learner.processes.wait()

    def _refuse_broken_weights(self) -> None:
        """A network of NaN is never written, evaluated, or called the best: the last saved state stays."""
        broken = self.learner.find_broken()
        if broken:
            raise explain_broken_weights(self.learner.step, broken, self._saved)
