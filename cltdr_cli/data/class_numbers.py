"""Numbers of classes: those that a class list or an annotation writes beside its names, else places in the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from cltdr_cli.data.class_lists import ClassList


class UntimedLabel(NamedTuple):
    """An action that a file names without saying when it happens; ``label_id`` is the number of its class there."""

    label: str
    label_id: int | None = None


def number_classes(labels: Iterable[UntimedLabel], classes: ClassList, are_paired: bool = True) -> dict[str, int]:
    """Number the classes of an annotation.

    Written numbers hold: those of the class list first, else those that the annotation writes beside its labels, also
    with gaps and from any first number. Where neither has any, or the annotation's contradict each other, classes have
    their place in the list, or else among the sorted names.

    Args:
        labels: Every label of the annotation with its number.
        classes: The class list; may be empty.
        are_paired: Whether the annotation writes numbers beside names, so that they hold beside a list of names.

    Returns:
        Numbers by name: in the order of the list, then classes that it lacks; without a list sorted by number.
    """
    written = list(labels)
    rest = sorted({one.label for one in written} - set(classes.names))
    names = [*classes.names, *rest]
    if classes.numbers is not None:
        return _fill(names, dict(zip(classes.names, classes.numbers, strict=True)))
    found = find_numbers(written) if are_paired or not classes.names else {}
    if not found or find_number_conflicts(written):
        return {name: place for place, name in enumerate(names)}
    filled = _fill(names, found)
    return filled if classes.names else dict(sorted(filled.items(), key=lambda item: item[1]))


def find_numbers(labels: Iterable[UntimedLabel]) -> dict[str, int]:
    """The first number of each label that has one."""
    found: dict[str, int] = {}
    for one in labels:
        if one.label_id is not None:
            found.setdefault(one.label, one.label_id)
    return found


def find_number_conflicts(labels: Iterable[UntimedLabel]) -> list[str]:
    """Labels with several numbers, and numbers with several labels, in words."""
    numbers: dict[str, set[int]] = {}
    names: dict[int, set[str]] = {}
    for one in labels:
        if one.label_id is not None:
            numbers.setdefault(one.label, set()).add(one.label_id)
            names.setdefault(one.label_id, set()).add(one.label)
    several = [f"{name} is {' and '.join(map(str, sorted(ids)))}" for name, ids in numbers.items() if len(ids) > 1]
    shared = [f"{number} is {' and '.join(sorted(those))}" for number, those in names.items() if len(those) > 1]
    return several + shared


def find_shift(used: Iterable[int], known: Mapping[int, str]) -> int:
    """By how much all numbers of a file are off: 1 or -1 where shifted ones are all known and the own ones are not.

    Returns:
        What must be added to the numbers; 0 where they are not off.
    """
    numbers = set(used)
    if not numbers or numbers <= known.keys():
        return 0
    return next((shift for shift in (1, -1) if {number + shift for number in numbers} <= known.keys()), 0)


def _fill(names: Sequence[str], written: Mapping[str, int]) -> dict[str, int]:
    """The written numbers, and for names without one their place in the same count, or else the next free number."""
    shifts = {number - place for place, name in enumerate(names) if (number := written.get(name)) is not None}
    if len(shifts) == 1:
        shift = shifts.pop()
        return {name: place + shift for place, name in enumerate(names)}
    free = count(max(written.values(), default=-1) + 1)
    return {name: written[name] if name in written else next(free) for name in names}
