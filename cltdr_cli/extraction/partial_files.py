"""Remove what killed programs left in a folder of features: unfinished files and unused locks."""

from __future__ import annotations

from pathlib import Path

from cltdr_cli.extraction.locks import list_locked_names, lock_name
from cltdr_cli.features.formats import WRITERS
from cltdr_cli.features.sidecar import sidecar_path
from cltdr_cli.files import PROBE_NAME, remove_partials


def remove_all_partial_files(folder: Path) -> None:
    """Remove all unfinished files, except those of programs that are still running.

    Unfinished files are only written while a lock is held, so each has a lock file beside it, except the file that
    tests whether the folder can be written.

    Raises:
        OutputError: The folder cannot be written.
    """
    remove_partials(folder / PROBE_NAME)
    for name in list_locked_names(folder):
        with lock_name(folder, name) as mine:
            if mine:
                remove_partial_files(folder, name)


def remove_partial_files(folder: Path, name: str) -> None:
    """Remove the unfinished files of one name, in every format; call it only while holding its lock."""
    remove_partials(folder / name)
    for path in (folder / f"{name}{form.suffix}" for form in WRITERS.values()):
        remove_partials(path)
    remove_partials(sidecar_path(folder / f"{name}.npy"))
