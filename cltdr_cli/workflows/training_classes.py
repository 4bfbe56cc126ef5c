"""The classes of a training run: those of the preset, of the annotation, or of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.class_lists import ClassList, read_numbered_class_list
from cltdr_cli.data.training_set import CLASS_AGNOSTIC, refuse_other_labels
from cltdr_cli.errors import UsageError
from cltdr_cli.zoo.preset import Preset


def find_class_order(labels: str, preset: Preset | None) -> ClassList:
    """Class names for annotations that number their classes, and in whose order classes are numbered."""
    if labels == "annotations":
        return ClassList()
    if labels != "preset":
        return read_numbered_class_list(Path(labels))
    return ClassList(() if preset is None or preset.benchmark.class_agnostic else preset.class_names or ())


def choose_classes(
    preset: Preset, labels: str, annotations: Annotations, listed: Sequence[str]
) -> tuple[Preset, tuple[str, ...]]:
    """The classes that are asked for, and the preset with as many of them.

    Raises:
        AnnotationError: The annotation has a label that the given file of class names lacks.
    """
    if preset.benchmark.class_agnostic:
        return preset, (CLASS_AGNOSTIC,)
    names = tuple(annotations.label_ids)
    if labels == "preset":
        return preset, preset.class_names or names
    if labels != "annotations":
        refuse_other_labels(annotations.source, names, listed)
    model = replace(preset.model, num_classes=len(names))
    return replace(preset, model=model, benchmark=replace(preset.benchmark, labels=None)), names


def check_class_count(preset: Preset, class_names: Sequence[str]) -> None:
    """Refuse a network with another number of outputs than there are classes.

    Raises:
        UsageError: They differ.
    """
    if preset.model.num_classes != len(class_names):
        raise UsageError(
            f"the network has {preset.model.num_classes} classes and {len(class_names)} are named",
            f"Set model.num_classes={len(class_names)}, or give other labels=.",
        )
