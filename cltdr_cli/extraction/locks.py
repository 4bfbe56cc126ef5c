"""Locks on videos, so that several programs can work into one folder and each video is made by one of them."""

from __future__ import annotations

import errno
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from cltdr_cli.errors import OutputError
from cltdr_cli.plain_text import safe_file_name

_LOCK_SUFFIX = ".cltdr-lock"

_NO_LOCKS = {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS}
"""Errors of file systems without locks: there two programs at worst make the same file twice, each whole."""


@contextmanager
def lock_name(folder: Path, name: str) -> Generator[bool]:
    """Hold the lock on a name while the block runs; gives False, and holds nothing, where another program has it.

    It is a lock of the operating system on ``.<name>.cltdr-lock`` and ends with the program that holds it, however
    that ends. The holder removes the file; one that a killed program left is taken over.

    Args:
        folder: Where the results go.
        name: Of the result.

    Raises:
        OutputError: The folder takes no files, or is gone.
    """
    path = folder / f".{safe_file_name(name)}{_LOCK_SUFFIX}"
    lock = FileLock(path, blocking=False, thread_local=False)
    try:
        is_held = _acquire(lock)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or error}",
            "The folder of the results must exist and take files as long as the work goes on.",
        ) from error
    try:
        yield is_held
    finally:
        if is_held:
            _release(lock, path)


def list_locked_names(folder: Path) -> list[str]:
    """Names that have a lock file in a folder: held now, or when a program was killed."""
    found = folder.glob(f".*{_LOCK_SUFFIX}")
    return sorted(path.name[1:].removesuffix(_LOCK_SUFFIX) for path in found)


def _acquire(lock: FileLock) -> bool:
    try:
        lock.acquire()
    except Timeout:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _release(lock: FileLock, path: Path) -> None:
    """The file is removed while it is locked: whoever opened it meanwhile sees that it is gone and starts again."""
    if sys.platform == "win32":  # where no open file can be removed
        lock.release()
    with suppress(OSError):  # the folder is gone, or another program holds the lock by now
        path.unlink()
    lock.release()
