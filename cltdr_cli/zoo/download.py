"""Downloads over HTTP: to a temporary name, which becomes the final one once size and digests are right.

The standard library does it. pooch checks none of the digests ``git_blob_sha1`` and ``sha256_prefix``, makes new files
private to the user, replaces symbolic links instead of following them, and counts whole chunks as progress.
"""

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
from cltdr_cli.errors import NoConnectionError, OutputError, WeightsError
from cltdr_cli.file_kinds import HTML_PAGE, LFS_POINTER, recognise_foreign_file
from cltdr_cli.files import replacing
from cltdr_cli.zoo.digests import actual_of_kind, file_digests
from cltdr_cli.zoo.manifest import WeightsEntry

TIMEOUT_SECONDS = 30.0
"""How long a server may stay silent."""

_CHUNK_BYTES = 1 << 18
OnProgress = Callable[[int, int | None], None]
"""Called with the bytes received so far and, where known, the size of the file."""


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to an address without encryption."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"redirected from https to {newurl}, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(entry: WeightsEntry, path: Path, on_progress: OnProgress | None = None) -> dict[str, str]:
    """Download the file of an entry to ``path``; what stood there before stays until the new file is right.

    Args:
        entry: Its url, size and digests.
        path: Final name. Until the file is complete it has a temporary name in the same folder.
        on_progress: Called after every chunk.

    Returns:
        The digests of the file.

    Raises:
        NoConnectionError: The server cannot be reached.
        WeightsError: It answers with an error, closes the connection early or stops sending; size or digest differ
            from the manifest; or the disk is full. The incomplete file is deleted.
    """
    try:
        with replacing(path) as partial:
            _receive(entry, partial, on_progress)
            digests = file_digests(partial)
            check_digests(entry, digests, entry.url or "", "the downloaded file was deleted", partial)
    except OutputError as error:
        raise WeightsError(error.message, error.hint) from error
    return digests


def check_digests(entry: WeightsEntry, found: dict[str, str], source: str, consequence: str, file: Path) -> None:
    """Compare a file's digests with the manifest's; an entry without digests accepts every file of weights.

    Args:
        entry: The entry of the manifest.
        found: Digests of the file.
        source: File or address, for the message.
        consequence: What becomes of the file if it is a wrong one, for the message.
        file: The file itself; a web page or a note of Git LFS is called so.

    Raises:
        WeightsError: They differ, and the message names the expected and the actual digest; or it is no such file.
    """
    kind = recognise_foreign_file(file)
    what = f"is {kind.name}, not the weights" if kind else "not the weights"
    advice = f"{kind.advice}\n" if kind else ""
    for digest, expected in entry.digests.items():
        actual = actual_of_kind(digest, expected, found)
        if actual != expected:
            raise WeightsError(
                f"{source}: {what} {entry.name} ({entry.file})\n"
                f"expected {digest} {expected}\nactual   {digest} {actual}\n{consequence}",
                f"{advice}try again later, or fetch the file by hand from its origin: {by_hand(entry)}",
            )
    if kind in (HTML_PAGE, LFS_POINTER):
        raise WeightsError(f"{source}: {what} {entry.name} ({entry.file})\n{consequence}", advice + by_hand(entry))


def by_hand(entry: WeightsEntry) -> str:
    """How to get the file with another program."""
    return f"{entry.origin} ({entry.url}), then: cltdr weights add {entry.name} FILE"


def _receive(entry: WeightsEntry, partial: Path, on_progress: OnProgress | None) -> None:
    """Write what the server sends to ``partial``, and check its size before and after."""
    received = 0
    with _explain_errors(entry), _open(entry.url or "") as response:
        announced = _read_content_length(response)
        _check_size(entry, announced)
        _check_room(entry, partial.parent, announced)
        with partial.open("wb") as file:
            while data := response.read(_CHUNK_BYTES):
                _write(file, data, entry)
                received += len(data)
                if on_progress is not None:
                    on_progress(received, announced or entry.bytes)
    if announced is not None and received < announced:
        raise _failure(entry, f"the connection broke off after {received:,} of {announced:,} bytes")
    _check_size(entry, received)


def _open(url: str) -> http.client.HTTPResponse:
    if urlsplit(url).scheme not in ("http", "https"):
        raise urllib.error.URLError(f"not a web address: {url}")
    # With compression the announced length would be that of the compressed file.
    headers = {"User-Agent": f"cltdr/{__version__}", "Accept-Encoding": "identity"}
    opener = urllib.request.build_opener(_SecureRedirects)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)


def _write(file: IO[bytes], data: bytes, entry: WeightsEntry) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise WeightsError(
            f"{entry.name}: cannot be stored: {error.strerror}; the incomplete file was deleted",
            "free some space, or let CLTDR_HOME name a folder on another disk",
        ) from error


def _read_content_length(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _check_size(entry: WeightsEntry, size: int | None) -> None:
    if size is not None and entry.bytes is not None and size != entry.bytes:
        raise _failure(entry, f"the server's file has {size:,} bytes, the right one has {entry.bytes:,}")


def _check_room(entry: WeightsEntry, folder: Path, size: int | None) -> None:
    needed, free = size or entry.bytes or 0, shutil.disk_usage(folder).free
    if needed > free:
        raise WeightsError(
            f"{entry.name}: needs {needed:,} bytes, and {folder} has {free:,} left",
            "free some space, or let CLTDR_HOME name a folder on another disk",
        )


def _failure(entry: WeightsEntry, reason: str) -> WeightsError:
    message = f"{entry.name}: the download failed: {reason}\n{entry.url}\nthe incomplete file was deleted"
    return WeightsError(message, f"check the connection and try again, or fetch {entry.file} by hand: {by_hand(entry)}")


def _no_connection(entry: WeightsEntry, error: OSError) -> NoConnectionError:
    host, reason = urlsplit(entry.url or "").hostname, error.strerror or error
    message = f"{entry.name}: the download failed: this machine does not reach {host} ({reason})"
    return NoConnectionError(message, _failure(entry, "").hint)


@contextmanager
def _explain_errors(entry: WeightsEntry) -> Generator[None]:
    """Turn errors of the connection inside the block into ``WeightsError``."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise _failure(entry, f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, OSError):  # no such host, refused, no route: not an answer of the server
            raise _no_connection(entry, error.reason) from error
        raise _failure(entry, f"{error.reason}") from error
    except TimeoutError as error:
        raise _failure(entry, f"the server was silent for {TIMEOUT_SECONDS:g} seconds") from error
    except (http.client.HTTPException, OSError) as error:
        raise _failure(entry, f"the connection broke off ({type(error).__name__}: {error})") from error
