"""One video is made by one program at a time, whoever else works into the same folder."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cltdr_cli.plain_text import safe_file_name

_NOT_HERE = {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS}
"""Errors of file systems that know no locks: there, two programs at worst make the same file twice, each whole."""


@contextmanager
def claimed(folder: Path, name: str) -> Generator[bool]:
    """Hold the claim on a name while the block runs; gives False, and holds nothing, where another has it.

    The claim is a lock of the operating system on ``.<name>.lock``: it ends with its holder, however that dies, so
    no claim is ever stale. The file is removed by the holder; one that a killed program left is taken over.

    Args:
        folder: Where the results go.
        name: Of the result.
    """
    path = folder / f".{safe_file_name(name)}.lock"
    file = _held(path)
    try:
        yield file is not None
    finally:
        if file is not None:
            path.unlink(missing_ok=True)  # while it is held, so that nobody locks a file that is about to go
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
