"""What is in the box: names of presets and label lists. Only lists files, so help and typos answer at once."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path

from cltdr_cli.errors import PresetError
from cltdr_cli.zoo.labels import read_labels


def presets() -> tuple[str, ...]:
    """Names of all presets in the box, sorted."""
    return _names("presets", ".yaml")


def preset_path(name: str) -> Path:
    """File of a preset.

    Raises:
        PresetError: There is none of that name; the nearest names are given.
    """
    return _path("presets", name, ".yaml", presets(), "preset", "`cltdr presets list` names all; a FILE.yaml is taken")


def label_lists() -> tuple[str, ...]:
    """Names of all label lists in the box, sorted."""
    return _names("labels", ".txt")


def labels(name: str) -> tuple[str, ...]:
    """Class names of a benchmark, in the index order of its published annotation files.

    Raises:
        PresetError: There is none of that name; the nearest names are given.
    """
    lists = label_lists()
    return read_labels(_path("labels", name, ".txt", lists, "label list", "there are: " + ", ".join(lists)))


@cache
def _folder(kind: str) -> Path:
    return Path(str(files("cltdr_cli.zoo"))) / kind


def _names(kind: str, suffix: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _folder(kind).glob(f"*{suffix}")))


def _path(kind: str, name: str, suffix: str, known: tuple[str, ...], what: str, hint: str) -> Path:
    if name in known:
        return _folder(kind) / f"{name}{suffix}"
    start = [other for other in known if name and other.startswith(name.lower())]
    near = list(dict.fromkeys([*start, *get_close_matches(name.lower(), known, n=3, cutoff=0.5)]))[:3]
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    raise PresetError(f"there is no {what} {name!r}{guess}", hint)
