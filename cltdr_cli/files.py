"""Files and folders that appear whole or not at all: written under another name in the same folder, then renamed.

And a quick digest that tells whether a file is still the same.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import secrets
import shutil
import tempfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from cltdr_cli.errors import OutputError
from cltdr_cli.plain_text import as_utf8

_HINTS = {
    errno.ENOSPC: "free some space on this disk, or choose another folder",
    errno.EDQUOT: "your share of this disk is used up; choose another folder",
    errno.EFBIG: "this disk takes no file of that size; choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}
"""What to do about errors that only the disk can have raised."""

PROBE_NAME = "cltdr"
"""Name of a file that is only tried."""

PATH_KEY = "path_percent_encoded"
"""Key of the exact path of a file in JSON files, where its name is not UTF-8."""

PARTIAL_SUFFIX = ".part"
"""Ending of unfinished files; whatever bears it may be deleted when no program runs."""

_END_BYTES = 1 << 16
"""How much of a file's head and tail ``digest_ends`` reads: 64 KiB."""


def digest_ends(path: Path, end_bytes: int = _END_BYTES) -> str:
    """SHA-256 of a file's size, head and tail, in hex: a fraction of a millisecond for any size.

    It tells files apart that were made anew with the same size and time. A change in the middle alone, which leaves
    the size as it is, goes unnoticed. Of a folder, the names and ends of all files in it count.

    Args:
        path: The file or folder.
        end_bytes: Bytes of the head, and of the tail.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    inner = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in inner:
        name = "" if file == path else file.relative_to(path).as_posix()
        size = file.stat().st_size
        digest.update(f"{name}\0{size}\0".encode("utf-8", "surrogateescape"))
        with file.open("rb") as stream:
            digest.update(stream.read(end_bytes))
            stream.seek(max(end_bytes, size - end_bytes))
            digest.update(stream.read(end_bytes))
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Give a temporary path to write to; it becomes ``path`` if the block ends well, and vanishes if it does not.

    A symbolic link is followed. A device or pipe (``/dev/stdout``) gets the bytes instead.

    Args:
        path: The file to create or replace; missing parent folders are created.

    Raises:
        OutputError: The folder or disk does not take the file. Other errors of the block pass.
    """
    target = Path(os.path.realpath(path))
    is_stream = target.exists() and not target.is_file() and not target.is_dir()
    with explain_disk_errors(path):
        partial = _new_partial(Path(tempfile.gettempdir()) / "cltdr" if is_stream else target)
        mode = partial.stat().st_mode
    try:
        yield partial
        partial.chmod(mode)  # a library that puts its own file in this one's place may have made it private
        if is_stream:
            _copy_to_stream(partial, target)
        else:
            with explain_disk_errors(path):
                _settle(partial, target)
    except OSError as error:
        raise (_explain_disk_error(path, error) if error.errno in _HINTS else error) from error
    finally:
        partial.unlink(missing_ok=True)


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
        _settle_folder(partial, path)
    except OSError as error:
        hint = "free some space, or choose another folder"
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}", hint) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file at once, atomically.

    Raises:
        OutputError: The folder or disk does not take it.
    """
    with replacing(path) as partial, explain_disk_errors(path):
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with its line ends as they are, atomically; see ``as_utf8`` for what UTF-8 cannot hold.

    Raises:
        OutputError: The folder or disk does not take it.
    """
    write_bytes(path, as_utf8(text).encode("utf-8"))


def describe_path(path: Path) -> dict[str, str]:
    """The exact path of a file whose name is not UTF-8, for JSON files; empty for all others.

    ``urllib.parse.unquote_to_bytes`` and its like in other languages give its bytes back.
    """
    return {} if as_utf8(str(path)) == str(path) else {PATH_KEY: percent_encode(path)}


def percent_encode(path: Path | str) -> str:
    """A path in ASCII: all bytes but letters, digits and ``_.-~/`` are spelled ``%E9``."""
    return quote(os.fsencode(path))


def percent_decode(text: str) -> str:
    """The path that ``percent_encode`` spelled."""
    return os.fsdecode(unquote_to_bytes(text))


def check_writable(path: Path) -> None:
    """Find out before the work that its result could be written; missing parent folders are created.

    Raises:
        OutputError: ``path`` is a folder, or its folder takes no files.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder, not a file", "name a file in it")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path}: is write-protected", "choose another name, or allow writing")
    if not path.exists() or path.is_file():
        with explain_disk_errors(path):
            _new_partial(Path(os.path.realpath(path))).unlink()


def check_writable_folder(folder: Path) -> None:
    """Find out before the work that files can be created in ``folder``; it is created if missing.

    Raises:
        OutputError: It is a file, cannot be created, or takes no files.
    """
    with explain_disk_errors(folder):
        _new_partial(folder / PROBE_NAME).unlink(missing_ok=True)  # another program may clear away leftovers


def remove_partials(path: Path) -> None:
    """Delete what killed programs left unfinished of a file; only for whoever holds the right to write it."""
    for partial in path.parent.glob(f"{glob.escape(_partial_stem(path))}????????{PARTIAL_SUFFIX}"):
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def partial_path(target: Path) -> Path:
    """A new name beside a target, for what is not finished yet; nothing is created."""
    return target.parent / f"{_partial_stem(target)}{secrets.token_hex(4)}{PARTIAL_SUFFIX}"


def _partial_stem(target: Path) -> str:
    """Begins the partial files of this target and of no other, even of one whose long name begins alike."""
    return f".{target.name[:40]}-{zlib.crc32(os.fsencode(target.name)):08x}-"


def _new_partial(target: Path) -> Path:
    """An empty file beside the target, with the permissions that the user's mask gives to new files."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(target)
    partial.open("xb").close()
    return partial


def _settle(partial: Path, target: Path) -> None:
    """On the disk before it gets its name: after a power cut there is the old file or the new one."""
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    if target.exists():
        shutil.copymode(target, partial)
    partial.replace(target)


def _copy_to_stream(partial: Path, target: Path) -> None:
    with partial.open("rb") as source, target.open("ab") as stream:
        shutil.copyfileobj(source, stream)


@contextmanager
def explain_disk_errors(path: Path) -> Generator[None]:
    """Turn errors of the disk inside the block into ``OutputError``."""
    try:
        yield
    except OSError as error:
        raise _explain_disk_error(path, error) from error


def _explain_disk_error(path: Path, error: OSError) -> OutputError:
    hint = _HINTS.get(error.errno or 0, "choose a folder in which you may create files")
    return OutputError(f"{path}: cannot be written: {error.strerror or error}", hint)


def _settle_folder(partial: Path, path: Path) -> None:
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
