"""Kinds of features: another extractor, optical flow or form gives other values, even at the same width."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from cltdr_cli.features.sidecar import Recipe, read_sidecar, sidecar_path


class ExpectedKind(Protocol):
    """The kind of features that a model was trained on."""

    @property
    def extractor(self) -> str:
        """Name of the extractor."""
        ...

    @property
    def flow(self) -> str | None:
        """Name of the optical flow; None if there is none or it is unknown."""
        ...

    @property
    def dense(self) -> bool:
        """Whether they are dense I3D features."""
        ...

    @property
    def option(self) -> str | None:
        """Preprocessing option of the extractor; None is any."""
        ...

    @property
    def reset_seconds(self) -> float | None:
        """When a causal extractor forgets what it saw; None is never."""
        ...

    @property
    def takes_any_kind(self) -> bool:
        """Whether features of any kind are accepted, as long as width and grid are right."""
        ...


_FORMS = {False: "windows", True: "dense"}


class OtherKind(NamedTuple):
    """How two kinds of features differ: in ``extractor``, ``flow``, ``form``, ``option`` or ``reset_seconds``."""

    aspect: str
    found: str
    wanted: str


def find_kind_difference(recipe: Recipe, expected: ExpectedKind) -> OtherKind | None:
    """How features differ from the kind that a model needs; None if they do not, or it is unknown."""
    if expected.takes_any_kind:
        return None
    if recipe.extractor != expected.extractor:
        return OtherKind("extractor", recipe.extractor, expected.extractor)
    if recipe.flow is not None and expected.flow is not None and recipe.flow != expected.flow:
        return OtherKind("flow", recipe.flow, expected.flow)
    if recipe.is_dense != expected.dense:
        return OtherKind("form", _FORMS[recipe.is_dense], _FORMS[expected.dense])
    if expected.option is not None and recipe.option != expected.option:
        return OtherKind("option", recipe.option, expected.option)
    if recipe.causal and recipe.reset_seconds != expected.reset_seconds:
        return OtherKind("reset_seconds", str(recipe.reset_seconds), str(expected.reset_seconds))
    return None


def describe_other_kind(path: Path, expected: ExpectedKind) -> str:
    """Describe how a feature file differs from the kind that a model needs; empty if it does not.

    Raises:
        FeatureError: The sidecar cannot be read.
    """
    sidecar = read_sidecar(sidecar_path(path))
    difference = find_kind_difference(sidecar.recipe, expected) if sidecar is not None else None
    if difference is None:
        return ""
    aspect, found, wanted = difference
    return f"made with {aspect} {found}, the model needs {aspect} {wanted}"


def describe_other_kinds(paths: Iterable[Path], expected: ExpectedKind) -> str:
    """A warning about the files among ``paths`` whose sidecars name another kind; empty where there are none.

    Raises:
        FeatureError: A sidecar cannot be read.
    """
    found = [(path, text) for path in paths if (text := describe_other_kind(path, expected))]
    if not found:
        return ""
    (first, text), others = found[0], len(found) - 1
    more = f", and {others} more" if others else ""
    return f"{first}{more}: {text}; force= uses them all the same, and the scores may mean little"
