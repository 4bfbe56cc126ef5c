"""The folder of one run: weights, resume state, log. It stays usable when the program is killed at any moment."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cltdr_cli.errors import CltdrError, UsageError
from cltdr_cli.files import PARTIAL_SUFFIX, check_writable_folder, replacing, write_text

Record = dict[str, Any]

STATE_KEYS = ("identity", "learner", "best", "epoch_losses")
"""What ``resume.pt`` holds; since 0.5 also ``files``, the digests of the feature files."""


class RunFolder:
    """Files in a run's folder, and how they are written.

    Attributes:
        path: The folder.
        last: Averaged weights after the last finished epoch.
        best: Those of the epoch that scored best on the split that chose.
        resume: Everything that training continues from.
        log: One JSON record a line: every step, epoch and evaluation, by ``step`` (steps done).
        preset: The settings, overrides included.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last, self.best = path / "last.safetensors", path / "best.safetensors"
        self.resume, self.log, self.preset = path / "resume.pt", path / "log.jsonl", path / "preset.yaml"

    @property
    def holds_run(self) -> bool:
        """Whether something was trained here before."""
        return any(file.exists() for file in (self.resume, self.log, self.last))

    def open(self, resume: bool) -> None:
        """Make the folder, and refuse to write over another run.

        Raises:
            UsageError: A run is here already and is not to be resumed.
            OutputError: The folder takes no files.
        """
        if self.holds_run and not resume:
            raise UsageError(
                f"{self.path} holds a run already", "Continue it with resume=, or give another folder as out=."
            )
        check_writable_folder(self.path)
        for left_over in self.path.glob(f".*{PARTIAL_SUFFIX}"):
            left_over.unlink(missing_ok=True)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record to the log; numbers that JSON does not have become null."""
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite, allow_nan=False) + "\n")

    def records(self) -> list[Record]:
        """The log; a last line that a kill cut short is left out."""
        if not self.log.exists():
            return []
        found: list[Record] = []
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found

    def forget_after(self, step: int) -> None:
        """Drop records after ``step`` steps: these steps will be done again, and logged again."""
        kept = [json.dumps(record) for record in self.records() if record.get("step", 0) <= step]
        write_text(self.log, "".join(line + "\n" for line in kept))

    def save_state(self, state: Record) -> None:
        """Replace the state to resume from; if the program is killed meanwhile, the old one stays.

        Raises:
            OutputError: The disk does not take it.
        """
        import torch

        with replacing(self.resume) as partial:
            torch.save(state, partial)

    def load_state(self) -> Record | None:
        """The state to resume from; None where a run was stopped before it saved one.

        Raises:
            CltdrError: It cannot be read.
        """
        import pickle

        import torch

        if not self.resume.exists():
            return None
        try:
            state = torch.load(self.resume, map_location="cpu", weights_only=True)
            return {**{key: state[key] for key in STATE_KEYS}, "files": state.get("files", {})}
        except (
            RuntimeError,
            OSError,
            TypeError,
            IndexError,
            EOFError,
            ValueError,
            KeyError,
            AttributeError,
            pickle.UnpicklingError,
        ) as error:
            raise CltdrError(
                f"{self.resume} cannot be read: {error}",
                "Start again in another folder; the weights here stay.",
            ) from error


def find_other_parts(identity: Mapping[str, str], saved: Mapping[str, str]) -> list[str]:
    """Names of what differs between a run and a saved one; what older versions did not save counts as the same."""
    return [name for name, value in identity.items() if saved.get(name, value) != value]


def explain_other_parts(folder: RunFolder, changed: Sequence[str], details: str = "") -> CltdrError:
    """The run in a folder was another one.

    Args:
        folder: Of the run.
        changed: What is another now: ``preset``, ``training data``.
        details: More about it.
    """
    return CltdrError(
        f"{folder.path} was trained with another {' and another '.join(changed)}{details}",
        f"Resume with the settings in its {folder.preset.name} and with the same data, or start again in another "
        "folder.",
    )
