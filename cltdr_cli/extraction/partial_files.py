"""What killed programs left in a folder of features: unfinished files and locks that nobody holds."""

from __future__ import annotations

from pathlib import Path

from cltdr_cli.extraction.locks import list_locked_names, lock_name
from cltdr_cli.features.formats import WRITERS
from cltdr_cli.features.sidecar import sidecar_path
from cltdr_cli.files import PROBE_NAME, remove_partials


def remove_all_partial_files(folder: Path) -> None:
    """Remove them all; what a living program works on is left alone.

    Unfinished files are made under a claim only, so each has a lock file beside it; but for that which is made
    to try the folder.

    Raises:
        OutputError: The folder takes no files.
    """
    remove_partials(folder / PROBE_NAME)
    for name in list_locked_names(folder):
        with lock_name(folder, name) as mine:
            if mine:
                remove_partial_files(folder, name)


def remove_partial_files(folder: Path, name: str) -> None:
    """Remove the unfinished files of one name, in every format; only for the holder of its claim."""
    remove_partials(folder / name)
    for path in (folder / f"{name}{form.suffix}" for form in WRITERS.values()):
        remove_partials(path)
    remove_partials(sidecar_path(folder / f"{name}.npy"))
