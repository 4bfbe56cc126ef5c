"""Weights by name: a verified file in the user's cache, or a message that says how to get it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cltdr_cli.errors import OutputError, WeightsError
from cltdr_cli.files import replacing
from cltdr_cli.zoo.digests import actual_of_kind, file_digests, is_unchanged, read_record, write_record
from cltdr_cli.zoo.download import OnProgress, check_digests, fetch
from cltdr_cli.zoo.hub import ensure_hub_weights, is_hub_name
from cltdr_cli.zoo.manifest import WeightsEntry, cache_folder, entry, manifest, weights_path

State = Literal["verified", "unverified", "absent", "wrong"]
"""``verified``: right when last hashed, and unchanged since. ``unverified``: there, not hashed yet."""

Agree = Callable[[WeightsEntry], bool]
"""Asked before weights whose licence excludes uses are downloaded."""


@dataclass(frozen=True)
class Verified:
    """What verifying one name found.

    Attributes:
        name: Key in the manifest.
        path: Its file.
        digests: Actual digests; empty when the file is absent.
        error: Why the file is not what it should be; None when it is.
        is_first_use: Whether no whole digest is published, so that this file's is what later ones must have.
    """

    name: str
    path: Path
    digests: dict[str, str]
    error: WeightsError | None
    is_first_use: bool


def is_offline() -> bool:
    """Whether ``CLTDR_OFFLINE`` forbids the network."""
    return os.environ.get("CLTDR_OFFLINE", "").lower() not in ("", "0", "false", "no")


def state(name: str) -> State:
    """What is known of the file without reading it."""
    path, record = weights_path(name), read_record(weights_path(name))
    if not path.is_file():
        return "absent"
    if record is None or not is_unchanged(path, record):
        return "unverified"
    return "verified" if _fits(entry(name), record["digests"]) else "wrong"


def ensure(
    name: str,
    *,
    allow_download: bool,
    agree: Agree | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """The verified file of these weights, downloaded if need be and allowed.

    Args:
        name: Key in the manifest.
        allow_download: False never touches the network, nor does ``CLTDR_OFFLINE=1``.
        agree: Asked before a download whose licence excludes uses; None is a no.
        on_progress: Told of every piece of a download.

    Raises:
        WeightsError: Unknown name; file absent and not to be downloaded; download failed; or the file is not what
            the manifest says. Nothing of the user's is deleted.
    """
    if is_hub_name(name):
        return ensure_hub_weights(name, allow_download=allow_download and not is_offline())
    path = weights_path(name)
    if not path.is_file():
        if not allow_download or entry(name).url is None:
            raise absent(name)
        return download(name, agree=agree, on_progress=on_progress)
    found = verify_one(name, trust_record=True)
    if found.error is not None:
        raise found.error
    return path


def digests(name: str) -> dict[str, str]:
    """Digests of a verified file, as ``external_data`` and sidecars state them.

    Raises:
        WeightsError: It is absent or wrong.
    """
    path = ensure(name, allow_download=False)
    record = read_record(path)
    return record["digests"] if record is not None and is_unchanged(path, record) else file_digests(path)


def download(name: str, *, agree: Agree | None = None, on_progress: OnProgress | None = None) -> Path:
    """Download, verify, and only then put the file under its name.

    Raises:
        WeightsError: Offline; the licence was not agreed to; or as ``fetch`` says.
    """
    found, path = entry(name), weights_path(name)
    if found.url is None:
        raise WeightsError(f"{name}: comes with cltdr and cannot be downloaded", "install cltdr-cli again")
    if is_offline():
        raise absent(name)
    if found.non_commercial and not (agree is not None and agree(found)):
        raise WeightsError(
            f"{name}: its licence is {found.licence}, and was not agreed to; nothing was downloaded",
            f"`cltdr weights download {name} --accept-license` downloads it if you agree",
        )
    write_record(path, fetch(found, path, on_progress))
    return path


def add(name: str, file: Path) -> Path:
    """Copy a file that was fetched by hand to its place, once it proves to be the right one.

    Raises:
        WeightsError: Unknown name; unreadable file; or not the file that the manifest says. What stood in its
            place stays.
    """
    found, path = entry(name), weights_path(name)
    try:
        actual = file_digests(file)
        check_digests(found, actual, str(file), "nothing was copied, and the file stays as it is", file)
        if not (path.exists() and path.samefile(file)):
            with replacing(path) as partial:
                shutil.copyfile(file, partial)
    except OutputError as error:
        raise WeightsError(error.message, error.hint) from error
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read: {error.strerror}", "name the downloaded file") from error
    write_record(path, actual)
    return path


def verify(names: Sequence[str]) -> list[Verified]:
    """Hash the files of these names again, whatever is remembered of them."""
    return [verify_one(name, trust_record=False) for name in names]


def verify_one(name: str, *, trust_record: bool) -> Verified:
    """Hold one file against the manifest, or where that has no digest, against the digest of its first use.

    Args:
        name: Key in the manifest.
        trust_record: Take the remembered digests of a file that has not changed since, instead of hashing it.
    """
    found, path = entry(name), weights_path(name)
    if not path.is_file():
        return Verified(name, path, {}, absent(name), False)
    record = read_record(path)
    if trust_record and record is not None and is_unchanged(path, record):
        actual = record["digests"]
    else:
        actual = file_digests(path)
    first = record is None and not found.is_pinned
    try:
        check_digests(found, actual, str(path), "the file was left as it is", path)
        if record is not None and not found.is_pinned and record["digests"]["sha256"] != actual["sha256"]:
            raise _changed(found, path, record["digests"]["sha256"], actual["sha256"])
    except WeightsError as error:
        return Verified(name, path, actual, error, False)
    if found.url is not None and actual is not (record or {}).get("digests"):
        write_record(path, actual)
    return Verified(name, path, actual, None, first)


def absent(name: str) -> WeightsError:
    """What to say of weights that are not there: which file, how it is recognised, where it belongs."""
    found, path = entry(name), weights_path(name)
    if found.url is None:
        return WeightsError(f"{name}: {found.file} should have come with cltdr", "install cltdr-cli again")
    offline = " CLTDR_OFFLINE is set, so nothing is downloaded." if is_offline() else ""
    return WeightsError(
        f"the weights {name} are not here.{offline}\nfile: {found.file} from {found.origin}, {found.licence}\n"
        f"digest: {found.expected}\nplace: {path}",
        f"get them: cltdr weights download {name}\nor fetch {found.url} by hand, then: cltdr weights add {name} FILE",
    )


def _fits(found: WeightsEntry, actual: dict[str, str]) -> bool:
    return all(actual_of_kind(kind, wanted, actual) == wanted for kind, wanted in found.digests.items())


def _changed(found: WeightsEntry, path: Path, expected: str, actual: str) -> WeightsError:
    return WeightsError(
        f"{path}: changed since its first use (no whole digest of {found.name} is published)\n"
        f"expected sha256 {expected}, recorded then\nactual   sha256 {actual}\nthe file was left as it is",
        f"if you replaced it on purpose: cltdr weights add {found.name} {path}",
    )


__all__ = [
    "Agree",
    "OnProgress",
    "State",
    "Verified",
    "WeightsEntry",
    "absent",
    "add",
    "cache_folder",
    "digests",
    "download",
    "ensure",
    "entry",
    "is_offline",
    "manifest",
    "state",
    "verify",
    "verify_one",
    "weights_path",
]
