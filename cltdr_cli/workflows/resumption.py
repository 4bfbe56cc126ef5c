"""Whether a saved run may be continued with these settings and data, and what changes when it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cltdr_cli.errors import CltdrError, PresetError, UsageError
from cltdr_cli.training.loop import Training
from cltdr_cli.training.optim import learning_rate
from cltdr_cli.training.run_folder import RunFolder, explain_other_parts, find_other_parts
from cltdr_cli.zoo.preset import Preset

SAFE_KEYS = frozenset(
    f"training.{name}"
    for name in (
        "learning_rate", "eta_min", "warmup_epochs", "epochs", "iterations", "weight_decay", "clip_grad_l2norm",
    )
)  # fmt: skip
"""Settings that a resumed run may have otherwise: each acts step by step, and nothing that was saved hangs on it."""

_DESCRIPTIVE_KEYS = (
    "name",
    "summary",
    "source",
    "license",
    "reported",
    "reproduced",
    "benchmark.dataset",
    "display_score",
)
"""What a preset says of itself; it changes nothing in a run. Versions and own data word it differently, and training
itself chooses the display score."""

_MOST_NAMES = 3


@dataclass
class Resumption:
    """A run that is to be continued, held against the one that was saved.

    Attributes:
        preset: Settings of this run.
        identity: What must be the same, by name; ``preset`` is compared key by key.
        files: Digest of each feature file by its video; empty where another process compares them.
        folder: Of the run.
        changes: Key of each changed setting, with its value before and now.
        before: Settings of the saved run, where they are not the same text.
        is_taken_up: Whether there was a saved state, and the run goes on from it.
    """

    preset: Preset
    identity: Mapping[str, str]
    files: Mapping[str, str]
    folder: RunFolder
    changes: dict[str, tuple[object, object]] = field(default_factory=dict[str, tuple[object, object]])
    before: Preset | None = None
    is_taken_up: bool = False

    def take_up(self, training: Training) -> None:
        """Let a run continue from the saved state, if there is one.

        Raises:
            CltdrError: It is of a run with other data or settings, or cannot be read.
            UsageError: Fewer steps are asked for than are done.
        """
        self.is_taken_up = training.resume(self.check)
        if training.learner.step > training.timetable.total_steps:
            raise _explain_fewer(training)

    def check(self, state: Mapping[str, Any]) -> None:
        """Refuse a saved state that this run cannot continue.

        Raises:
            CltdrError: Data, classes, features or settings are others; settings are named by key.
        """
        changed = find_other_parts(self.identity, state["identity"])
        if "preset" in changed:
            changed.remove("preset")
            self._compare_settings(state["identity"]["preset"])
        if changed:
            raise explain_other_parts(self.folder, changed)
        self._compare_files(state["files"])

    def _compare_settings(self, text: str) -> None:
        try:
            self.before = Preset.from_yaml(text, f"settings in {self.folder.resume.name}")
        except PresetError as error:
            raise explain_other_parts(self.folder, ["preset"], f": {error.message}") from error
        self.changes = find_changes(self.before, self.preset)
        unsafe = {key: values for key, values in self.changes.items() if key not in SAFE_KEYS}
        if unsafe:
            listed = "\n".join(_describe_change(key, *values) for key, values in unsafe.items())
            others = ", ".join(sorted(key.removeprefix("training.") for key in SAFE_KEYS))
            raise CltdrError(
                f"{self.folder.path} was trained with another preset; these settings cannot change midway:\n{listed}",
                f"Resume with the settings in its {self.folder.preset.name}, or start again in another folder. In the "
                f"section training these may change: {others}.",
            )

    def _compare_files(self, saved: Mapping[str, str]) -> None:
        if not saved or not self.files:
            return  # of an older version, or compared by another process
        names = [name for name, digest in self.files.items() if saved.get(name, digest) != digest]
        if names:
            shown = ", ".join(names[:_MOST_NAMES]) + ", …" * (len(names) > _MOST_NAMES)
            raise CltdrError(
                f"{len(names)} of {len(self.files)} feature files are not those that {self.folder.path} was trained "
                f"on: size, head or tail differ ({shown})",
                "Put the former files back, or start again in another folder.",
            )

    def notices(self, training: Training) -> Iterator[str]:
        """What is different from now on, a line each."""
        step, total = training.learner.step, training.timetable.total_steps
        for key, values in self.changes.items():
            if key in SAFE_KEYS:
                yield f"changed for the rest of the run: {_describe_change(key, *values)}"
        if training.is_stopped_early and step < total:
            yield "it stopped before its last epoch, as no evaluation was better: without patience= it goes on"
        if step == total or self.before is None or self.before.training is None:
            return
        length = training.learner.steps_per_epoch
        old, new = (learning_rate(preset.training, step, length) for preset in (self.before, self.preset))
        if old == new:
            return
        text = f"the learning rate of the next step would have been {old:.3g} and is {new:.3g}"
        if {"training.epochs", "training.warmup_epochs"} & self.changes.keys():
            text += (
                ": it falls along one cosine to the last epoch, so another number of epochs moves it in every step. "
                "From here on it is that of a run of the new length; the steps before had that of the old one, so "
                "the result is not quite that of such a run from its beginning"
            )
        yield text


def find_changes(before: Preset, now: Preset) -> dict[str, tuple[object, object]]:
    """Key ``section.name`` of each setting that differs, with both values; what describes a preset is left out."""
    old, new = _flatten(before), _flatten(now)
    return {key: (old.get(key), new.get(key)) for key in {**new, **old} if old.get(key) != new.get(key)}


def _flatten(preset: Preset) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in asdict(preset).items():  # pyright: ignore[reportArgumentType] # pydantic's are dataclasses, too
        if isinstance(value, dict) and name not in _DESCRIPTIVE_KEYS:
            flat |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            flat[name] = value
    return {key: value for key, value in flat.items() if key not in _DESCRIPTIVE_KEYS}


def _describe_change(key: str, before: object, now: object) -> str:
    return f"{key} was {before}, is {now}"


def _explain_fewer(training: Training) -> UsageError:
    timetable, step = training.timetable, training.learner.step
    unit, warmup = timetable.unit, " (warm-up included)" if timetable.unit == "epoch" else ""
    return UsageError(
        f"{training.folder.path} has done {timetable.count(step)} {unit}s{warmup}, and this run would end "
        f"after {timetable.count(timetable.total_steps)}",
        f"Give as many {unit}s as its {training.folder.preset.name} says, or more.",
    )
