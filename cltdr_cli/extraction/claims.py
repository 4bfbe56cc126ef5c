"""One video is made by one program at a time, whoever else works into the same folder."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cltdr_cli.errors import OutputError
from cltdr_cli.plain_text import safe_file_name

_LOCK_SUFFIX = ".cltdr-lock"

_NOT_HERE = {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS}
"""Errors of file systems that know no locks: there, two programs at worst make the same file twice, each whole."""


@contextmanager
def claimed(folder: Path, name: str) -> Generator[bool]:
    """Hold the claim on a name while the block runs; gives False, and holds nothing, where another has it.

    The claim is a lock of the operating system on ``.<name>.cltdr-lock``: it ends with its holder, however that
    dies, so no claim is ever stale. The file is removed by the holder; one that a killed program left is taken
    over.

    Args:
        folder: Where the results go.
        name: Of the result.

    Raises:
        OutputError: The folder takes no files, or is gone.
    """
    path = folder / f".{safe_file_name(name)}{_LOCK_SUFFIX}"
    try:
        file = _held(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or error}",
            "The folder of the results must be there, and take files, as long as the work goes on.",
        ) from error
    try:
        yield file is not None
    finally:
        if file is not None:
            _let_go(path, file)


def claimed_names(folder: Path) -> list[str]:
    """Names that have a lock file in a folder: claimed now, or when a program was killed."""
    found = folder.glob(f".*{_LOCK_SUFFIX}")
    return sorted(path.name[1:].removesuffix(_LOCK_SUFFIX) for path in found)


def _let_go(path: Path, file: IO[bytes]) -> None:
    """Removed while it is held, so that nobody locks a file that is about to go; Windows removes no open file."""
    if sys.platform == "win32":
        file.close()
    with suppress(OSError):  # the folder is gone, or somebody else holds it by now
        path.unlink()
    file.close()


def _held(path: Path) -> IO[bytes] | None:
    while True:
        file = path.open("ab")
        if not _locks(file):
            file.close()
            return None
        if _is_still(path, file):
            return file
        file.close()  # its holder removed it between our opening and our locking


def _is_still(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _locks(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NOT_HERE
    return True
