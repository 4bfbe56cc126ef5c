"""Lists of class names: those shipped for known data sets, and those in files of the user."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from cltdr_cli.data.source_files import read_csv_rows
from cltdr_cli.errors import AnnotationError


def read_packaged_class_list(name: str) -> tuple[str, ...]:
    """Read the shipped class names of a data set, by number (``zoo/labels``)."""
    text = resources.files("cltdr_cli").joinpath(f"zoo/labels/{name}.txt").read_text(encoding="utf-8")
    return _split_lines(text)


@dataclass(frozen=True)
class ClassList:
    """The classes of a data set, in the order in which networks count them.

    Attributes:
        names: Class names.
        numbers: The number written beside each name; None where the list only has names.
        first_id: Number of the first class in annotations that number classes, where the list only has names.
    """

    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] | None = None
    first_id: int = 0

    def name(self, number: int) -> str:
        """Name of the class with this number; the number itself if the list does not have it."""
        if self.numbers is not None:
            return dict(zip(self.numbers, self.names, strict=True)).get(number, str(number))
        return self.name_at(number - self.first_id, number)

    def without(self, names: Collection[str]) -> ClassList:
        """The list without some classes; written numbers stay."""
        kept = [place for place, name in enumerate(self.names) if name not in names]
        numbers = None if self.numbers is None else tuple(self.numbers[place] for place in kept)
        return ClassList(tuple(self.names[place] for place in kept), numbers, self.first_id)

    def name_at(self, place: int, number: int) -> str:
        """Name of the class at a place, counted from 0; the number if there is none."""
        return self.names[place] if 0 <= place < len(self.names) else str(number)


def read_class_list(path: Path) -> tuple[str, ...]:
    """Read class names from a file, as ``read_numbered_class_list`` does, without their numbers.

    Raises:
        AnnotationError: The file is unreadable or empty, or a name or number occurs twice.
    """
    return read_numbered_class_list(path).names


def read_numbered_class_list(path: Path) -> ClassList:
    """Read class names from a file, with their numbers where it has them.

    A text file has one name per line; if all lines begin with a number (``7 BaseballPitch``), they are sorted by it.
    A CSV file has the columns ``id,key`` (EPIC-KITCHENS-100), or one column with a header (ActivityNet).

    Raises:
        AnnotationError: The file is unreadable or empty, or a name or number occurs twice.
    """
    try:
        classes = _read_csv_classes(path) if path.suffix.lower() == ".csv" else _read_text_classes(path)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise AnnotationError(f"{path} cannot be read as a list of classes: {error}") from error
    twice = sorted({name for name in classes.names if classes.names.count(name) > 1})
    if twice or not classes.names:
        raise AnnotationError(f"{path}: {f'the class {twice[0]!r} occurs twice' if twice else 'it names no class'}")
    return classes


def find_nearest(name: str, class_names: Sequence[str]) -> str | None:
    """The class that a mistyped name probably means; None where no class is near."""
    by_folded = {other.casefold(): other for other in class_names}
    near = get_close_matches(name.strip().casefold(), by_folded, 1, 0.7)
    return by_folded[near[0]] if near else None


def suggest_names(names: Iterable[str], class_names: Sequence[str]) -> str:
    """``jmup → jump, Run → run`` for the first few names that are near a class; empty where none is."""
    pairs = [f"{name} → {near}" for name in list(names)[:20] if (near := find_nearest(name, class_names))]
    return ", ".join(pairs[:3])


def _read_csv_classes(path: Path) -> ClassList:
    rows = read_csv_rows(path)
    columns = list(rows[0]) if rows else []
    if {"id", "key"} <= set(columns):
        return _sort_by_number([(int(row["id"]), row["key"]) for row in rows])
    if len(columns) != 1:
        raise ValueError(f"columns {', '.join(columns)}: need id and key, or one column")
    return ClassList(tuple(row[columns[0]] for row in rows))


def _read_text_classes(path: Path) -> ClassList:
    lines = _split_lines(path.read_text(encoding="utf-8-sig"))
    split = [line.split(maxsplit=1) for line in lines]
    if lines and all(len(words) == 2 and words[0].isdecimal() for words in split):
        return _sort_by_number([(int(number), name) for number, name in split])
    return ClassList(lines)


def _sort_by_number(numbered: Sequence[tuple[int, str]]) -> ClassList:
    if len({number for number, _ in numbered}) != len(numbered):
        raise ValueError("a number occurs twice")
    ordered = sorted(numbered)
    return ClassList(tuple(name for _, name in ordered), tuple(number for number, _ in ordered))


def _split_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
