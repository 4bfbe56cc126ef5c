"""Digests of weights: computed once per file, and remembered beside it until the file changes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TypedDict

from cltdr_cli.errors import OutputError
from cltdr_cli.files import write_text

_CHUNK_BYTES = 1 << 20


def actual_of_kind(kind: str, expected: str, digests: dict[str, str]) -> str:
    """A file's digest of one kind, cut to the length of the expected one: both are equal if it is the right file.

    Args:
        kind: ``sha256``, ``git_blob_sha1``, or ``sha256_prefix``: the first hex digits of SHA-256, which release
            tools put into file names (eight of them: proof against mistakes and damage, not against an attacker).
        expected: The digest in the manifest, in hex.
        digests: Of the file, as ``file_digests`` gives them.
    """
    return digests["sha256"][: len(expected)] if kind == "sha256_prefix" else digests.get(kind, "unknown")


class Record(TypedDict):
    """Size, modification time and digests of a file when it was last hashed."""

    size: int
    mtime_ns: int
    digests: dict[str, str]


def file_digests(path: Path) -> dict[str, str]:
    """Hash a whole file.

    Returns:
        ``sha256``, and ``git_blob_sha1``: SHA-1 of "blob", the size, a zero byte and the content; in hex.

    Raises:
        OSError: It cannot be read.
    """
    sha256 = hashlib.sha256()
    git = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            sha256.update(data)
            git.update(data)
    return {"sha256": sha256.hexdigest(), "git_blob_sha1": git.hexdigest()}


def known_sha256(path: Path) -> str:
    """SHA-256 of a file: from its record if it has not changed since it was hashed, else computed.

    Raises:
        OSError: It cannot be read.
    """
    record = read_record(path)
    if record is not None and is_unchanged(path, record) and "sha256" in record["digests"]:
        return record["digests"]["sha256"]
    return file_digests(path)["sha256"]


def record_path(path: Path) -> Path:
    """File that holds the record."""
    return path.with_name(path.name + ".verified.json")


def read_record(path: Path) -> Record | None:
    """The record of a file; None if there is none or it cannot be read."""
    try:
        content = json.loads(record_path(path).read_text(encoding="utf-8"))
        return Record(size=content["size"], mtime_ns=content["mtime_ns"], digests=dict(content["digests"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(path: Path, digests: dict[str, str]) -> None:
    """Remember a file's digests; without write access to the folder they are computed again next time."""
    facts = path.stat()
    record = Record(size=facts.st_size, mtime_ns=facts.st_mtime_ns, digests=digests)
    try:
        write_text(record_path(path), json.dumps(record, indent=1) + "\n")
    except OutputError:
        return


def is_unchanged(path: Path, record: Record) -> bool:
    """Whether a file still has the size and modification time of its record."""
    facts = path.stat()
    return (facts.st_size, facts.st_mtime_ns) == (record["size"], record["mtime_ns"])
