"""Digests of weights: computed once per file, remembered beside it for as long as the file does not change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypedDict

from cltdr_cli.errors import OutputError
from cltdr_cli.files import write_text

_CHUNK_BYTES = 1 << 20


class Digester:
    """Computes every digest of the manifest while the bytes pass by.

    Args:
        size_bytes: Size of the whole file, which git hashes before the content; None leaves git's id out.
    """

    def __init__(self, size_bytes: int | None) -> None:
        self._sha256 = hashlib.sha256()
        self._git = None if size_bytes is None else hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._sha256.update(data)
        if self._git is not None:
            self._git.update(data)

    def digests(self) -> dict[str, str]:
        """``sha256``, and ``git_blob_sha1``: SHA-1 of "blob", the size, a zero byte and the content; in hex."""
        found = {"sha256": self._sha256.hexdigest()}
        return found if self._git is None else {**found, "git_blob_sha1": self._git.hexdigest()}


def actual_of_kind(kind: str, expected: str, digests: dict[str, str]) -> str:
    """What a file has where ``expected`` of this kind is wanted: equal to it when the file is the right one.

    Args:
        kind: ``sha256``, ``git_blob_sha1``, or ``sha256_prefix``: the first hex digits of SHA-256, which release
            tools put into file names (eight of them: proof against mistakes and damage, not against an attacker).
        expected: What the manifest wants, in hex.
        digests: Of the file, as ``Digester`` gives them.
    """
    return digests["sha256"][: len(expected)] if kind == "sha256_prefix" else digests.get(kind, "unknown")


class Record(TypedDict):
    """What is remembered of a file that was hashed: its size, its time, its digests."""

    size: int
    mtime_ns: int
    digests: dict[str, str]


def file_digests(path: Path) -> dict[str, str]:
    """Hash a whole file.

    Raises:
        OSError: It cannot be read.
    """
    digester = Digester(path.stat().st_size)
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            digester.update(data)
    return digester.digests()


def known_sha256(path: Path) -> str:
    """SHA-256 of a file: remembered where it was verified and has not changed since, else computed.

    Raises:
        OSError: It cannot be read.
    """
    record = read_record(path)
    if record is not None and is_unchanged(path, record) and "sha256" in record["digests"]:
        return record["digests"]["sha256"]
    return file_digests(path)["sha256"]


def record_path(path: Path) -> Path:
    """Where the record of a file stands."""
    return path.with_name(path.name + ".verified.json")


def read_record(path: Path) -> Record | None:
    """The record of a file; None when there is none, or none that can be read."""
    try:
        content = json.loads(record_path(path).read_text(encoding="utf-8"))
        return Record(size=content["size"], mtime_ns=content["mtime_ns"], digests=dict(content["digests"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(path: Path, digests: dict[str, str]) -> None:
    """Remember a file's digests; a folder that takes no files only costs the time to hash again."""
    facts = path.stat()
    record = Record(size=facts.st_size, mtime_ns=facts.st_mtime_ns, digests=digests)
    try:
        write_text(record_path(path), json.dumps(record, indent=1) + "\n")
    except OutputError:
        return


def is_unchanged(path: Path, record: Record) -> bool:
    """Whether a file still has the size and time of its record."""
    facts = path.stat()
    return (facts.st_size, facts.st_mtime_ns) == (record["size"], record["mtime_ns"])
