"""Class names: a text file, one name a line, in index order."""

from __future__ import annotations

from pathlib import Path

from cltdr_cli.errors import PresetError


def read_labels(path: Path) -> tuple[str, ...]:
    """Class names of a label file; blank lines at its end do not count.

    Args:
        path: UTF-8 text (a byte-order mark is taken off); line ``i`` names class ``i``, from 0.

    Raises:
        PresetError: The file cannot be read, is empty, or has a blank or repeated name.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise PresetError(f"{path}: this is no text file (not UTF-8)", "a label file has one name a line") from error
    except OSError as error:
        raise PresetError(f"{path}: {error.strerror or error}", "a label file has one name a line") from error
    return check_labels([line.strip() for line in lines], str(path))


def check_labels(names: list[str], source: str) -> tuple[str, ...]:
    """The names, if every class has one of its own.

    Args:
        names: In index order.
        source: Where they come from, for messages.

    Raises:
        PresetError: There is none, or one is blank or repeated.
    """
    first: dict[str, int] = {}
    for line, name in enumerate(names, 1):
        if not name:
            raise PresetError(f"{source}:{line}: a blank line instead of a class name", "indices count every line")
        if name in first:
            raise PresetError(f"{source}:{line}: {name!r} stands there already, in line {first[name]}")
        first[name] = line
    if not names:
        raise PresetError(f"{source}: there are no class names", "a label file has one name a line")
    return tuple(names)


def match_labels(names: tuple[str, ...], num_classes: int, source: str) -> tuple[str, ...]:
    """The names, if there is one for each class of a model.

    Raises:
        PresetError: There are more or fewer.
    """
    if len(names) != num_classes:
        raise PresetError(
            f"{source}: {len(names)} class names, but the model has {num_classes} classes",
            "give the label file the model was trained with",
        )
    return names
