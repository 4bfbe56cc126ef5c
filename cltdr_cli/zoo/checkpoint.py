"""Our checkpoints: safetensors with the preset, the class names and the facts of their making inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltdr_cli.errors import WeightsError
from cltdr_cli.file_kinds import is_safetensors, recognise_foreign_file
from cltdr_cli.files import replacing
from cltdr_cli.zoo.digests import file_digests
from cltdr_cli.zoo.preset import Preset

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "cltdr-checkpoint-1"
_HINT = "Checkpoints come from `cltdr train`; `cltdr convert` makes one of a published .pth.tar file."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A localizer at rest.

    Attributes:
        state: Parameters by our names.
        preset: Complete settings.
        labels: Class names in index order.
        facts: Plain JSON: ``trained`` (bool), ``source``, ``label_ids`` where classes have numbers that are not their
            indices, and whatever made the file wants to keep.
        digest: SHA-256 of the file.
    """

    state: dict[str, Tensor]
    preset: Preset
    labels: tuple[str, ...]
    facts: dict[str, Any]
    digest: str

    @property
    def label_ids(self) -> tuple[int, ...] | None:
        """Number of each class, as ``facts`` keep it; None where that is its index."""
        numbers: Any = self.facts.get("label_ids")
        if not isinstance(numbers, list) or len(numbers) != len(self.labels):
            return None
        return tuple(map(int, numbers))


def save_checkpoint(
    path: Path, state: Mapping[str, Tensor], preset: Preset, labels: Sequence[str], facts: Mapping[str, object]
) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    metadata = {
        "format": FORMAT,
        "preset": preset.to_yaml(),
        "labels": json.dumps(list(labels), ensure_ascii=False),
        "facts": json.dumps(dict(facts), ensure_ascii=False),
    }
    with replacing(path) as partial:
        save_file(tensors, partial, metadata)


def is_checkpoint(path: Path) -> bool:
    """Whether a file is one of our checkpoints, by its metadata."""
    from safetensors import SafetensorError, safe_open

    if not is_safetensors(path):
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (OSError, SafetensorError):
        return False


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one of our checkpoints; nothing in it is executed.

    Raises:
        WeightsError: There is no such file, or it is none of ours, or a weight is not finite.
    """
    from safetensors import SafetensorError, safe_open

    _check_kind(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise WeightsError(f"{path} is no checkpoint of cltdr (no {FORMAT!r} inside)", _HINT)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping, only its keys()
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as a checkpoint: {error}", _HINT) from error
    _check_finite(path, state)
    preset = Preset.from_yaml(metadata["preset"], f"preset inside {path.name}")
    try:
        labels, facts = json.loads(metadata["labels"]), json.loads(metadata["facts"])
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path} is damaged: its labels or facts cannot be read ({error})", _HINT) from error
    return Checkpoint(state, preset, tuple(map(str, labels)), dict(facts), file_digests(path)["sha256"])


def _check_kind(path: Path) -> None:
    """Raise WeightsError where the file is there and certainly no safetensors."""
    if not path.is_file() or is_safetensors(path):
        return
    kind = recognise_foreign_file(path)
    if kind is not None:
        raise WeightsError(f"{path} is {kind.name}", kind.advice)
    raise WeightsError(f"{path} is no checkpoint of cltdr (no safetensors file)", _HINT)


def _check_finite(path: Path, state: Mapping[str, Tensor]) -> None:
    broken = find_broken_weights(state)
    if broken:
        raise WeightsError(
            f"{path}: {len(broken)} of {len(state)} weights hold NaN or infinity, first {broken[0]}",
            "Such a network detects nothing. Take an earlier checkpoint of the run, or convert or train again.",
        )


def find_broken_weights(state: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity."""
    return [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
