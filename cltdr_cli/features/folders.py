"""Folders that appear whole or not at all, for formats that keep one video in a folder of files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cltdr_cli.errors import OutputError
from cltdr_cli.files import partial_path


@contextmanager
def replacing_folder(path: Path) -> Generator[Path]:
    """Give a temporary folder to fill; it becomes ``path`` if the block ends well, and vanishes if it does not.

    A folder cannot take the place of a filled one in one step, so the old one is moved aside first: a stop between
    the two leaves nothing under ``path``, which is redone, and never a mixture.

    Args:
        path: The folder to create or replace; missing parent folders are created.

    Raises:
        OutputError: The disk does not take it. Other errors of the block pass.
    """
    partial = partial_path(path)
    try:
        partial.mkdir(parents=True)
        yield partial
        _settle(partial, path)
    except OSError as error:
        hint = "free some space, or choose another folder"
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}", hint) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _settle(partial: Path, path: Path) -> None:
    """On the disk before it gets its name: after a power cut there is a whole folder or none."""
    for parent, _, names in os.walk(partial):
        for name in names:
            with Path(parent, name).open("rb+") as file:
                os.fsync(file.fileno())
    if not path.exists():
        partial.rename(path)
        return
    old = partial_path(path)
    path.rename(old)
    partial.rename(path)
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)
