"""Downloading over HTTP with the standard library: hashed while it streams, named only when it is right."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from cltdr_cli import __version__
from cltdr_cli.errors import OutputError, WeightsError
from cltdr_cli.files import replacing
from cltdr_cli.zoo.digests import Digester, actual_of_kind
from cltdr_cli.zoo.manifest import WeightsEntry

TIMEOUT_SECONDS = 30.0
"""How long a server may stay silent."""

_CHUNK_BYTES = 1 << 18
OnProgress = Callable[[int, int | None], None]
"""Called with the bytes that have come and, where known, those that shall come."""


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything less."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"redirected from https to {newurl}, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(entry: WeightsEntry, path: Path, on_progress: OnProgress | None = None) -> dict[str, str]:
    """Download the file of an entry to ``path``; what stood there before stays until the new file is right.

    Args:
        entry: Its url, size and digests.
        path: Final name; the bytes gather under another name in the same folder.
        on_progress: Told of every piece.

    Returns:
        The digests of the file.

    Raises:
        WeightsError: The server cannot be reached, says no, breaks off or falls silent; the file is not what the
            manifest says; or the disk does not take it. What had come is deleted.
    """
    try:
        with replacing(path) as partial:
            digests = _stream(entry, partial, path, on_progress)
            check_digests(entry, digests, entry.url or "", "what had come was deleted, and nothing else was touched")
    except OutputError as error:
        raise WeightsError(error.message, error.hint) from error
    return digests


def check_digests(entry: WeightsEntry, found: dict[str, str], source: str, consequence: str) -> None:
    """Hold a file's digests against the manifest's; an entry without digests takes every file.

    Raises:
        WeightsError: They differ; both are named.
    """
    for kind, expected in entry.digests.items():
        actual = actual_of_kind(kind, expected, found)
        if actual != expected:
            raise WeightsError(
                f"{source}: not the weights {entry.name} ({entry.file})\n"
                f"expected {kind} {expected}\nactual   {kind} {actual}\n{consequence}",
                "try again later, or fetch the file by hand from its origin: " + by_hand(entry),
            )


def by_hand(entry: WeightsEntry) -> str:
    """How to get the file without this program's help."""
    return f"{entry.origin} ({entry.url}), then: cltdr weights add {entry.name} FILE"


def _stream(entry: WeightsEntry, partial: Path, path: Path, on_progress: OnProgress | None) -> dict[str, str]:
    with _explained(entry), _open(entry.url or "") as response:
        promised = _content_length(response)
        _check_size(entry, promised)
        _check_room(entry, path, promised)
        digester, come = Digester(promised if promised is not None else entry.bytes), 0
        with partial.open("wb") as file:
            while data := response.read(_CHUNK_BYTES):
                come += len(data)
                _write(file, data, entry)
                digester.update(data)
                if on_progress is not None:
                    on_progress(come, promised or entry.bytes)
    if promised is not None and come < promised:
        raise _failure(entry, f"the connection broke off after {come:,} of {promised:,} bytes")
    _check_size(entry, come)
    return digester.digests() if promised is not None or entry.bytes is not None else _rehashed(partial)


def _open(url: str) -> http.client.HTTPResponse:
    if urlsplit(url).scheme not in ("http", "https"):
        raise urllib.error.URLError(f"not a web address: {url}")
    # Compressed transfer would make the length that is promised another one than the file's.
    headers = {"User-Agent": f"cltdr/{__version__}", "Accept-Encoding": "identity"}
    opener = urllib.request.build_opener(_SecureRedirects)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)


def _rehashed(partial: Path) -> dict[str, str]:
    """A server that does not say the length: git's id needs it before the content, so hash the file again."""
    from cltdr_cli.zoo.digests import file_digests

    return file_digests(partial)


def _write(file: IO[bytes], data: bytes, entry: WeightsEntry) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise WeightsError(
            f"{entry.name}: cannot be stored: {error.strerror}; what had come was deleted",
            "free some space, or let CLTDR_HOME name a folder on another disk",
        ) from error


def _content_length(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _check_size(entry: WeightsEntry, size: int | None) -> None:
    if size is not None and entry.bytes is not None and size != entry.bytes:
        raise _failure(entry, f"the server's file has {size:,} bytes, the right one has {entry.bytes:,}")


def _check_room(entry: WeightsEntry, path: Path, size: int | None) -> None:
    needed, free = size or entry.bytes or 0, shutil.disk_usage(path.parent).free
    if needed > free:
        raise WeightsError(
            f"{entry.name}: needs {needed:,} bytes, and {path.parent} has {free:,} left",
            "free some space, or let CLTDR_HOME name a folder on another disk",
        )


def _failure(entry: WeightsEntry, reason: str) -> WeightsError:
    message = f"{entry.name}: the download failed: {reason}\n{entry.url}\nwhat had come was deleted"
    return WeightsError(message, f"check the connection and try again, or fetch {entry.file} by hand: {by_hand(entry)}")


@contextmanager
def _explained(entry: WeightsEntry) -> Generator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        raise _failure(entry, f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _failure(entry, f"{error.reason}") from error
    except TimeoutError as error:
        raise _failure(entry, f"the server was silent for {TIMEOUT_SECONDS:g} seconds") from error
    except (http.client.HTTPException, OSError) as error:
        raise _failure(entry, f"the connection broke off ({type(error).__name__}: {error})") from error
