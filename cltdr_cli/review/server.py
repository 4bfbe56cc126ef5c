"""The server of ``cltdr review``: pages, videos and saving, for this machine only.

It listens on 127.0.0.1. Every address holds a random token, so that other pages and other users of the machine
cannot guess it; the Host header must name this server (against DNS rebinding), and saving needs its Origin.
"""

from __future__ import annotations

import json
import mimetypes
import secrets
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cltdr_cli.errors import CltdrError
from cltdr_cli.review.ranges import parse_range
from cltdr_cli.review.store import ConflictError, ReviewStore

_ADDRESS = "127.0.0.1"
_LARGEST_BODY = 32 << 20
_CHUNK = 256 << 10
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ReviewServer(ThreadingHTTPServer):
    """Serves the pages of a store until it is shut down.

    Args:
        store: The segments.
        videos: Files by the place of the video.
        render: Place of a video -> its page; None as place -> the index.
        port: 0 takes a free one.
    """

    daemon_threads = True

    def __init__(
        self,
        store: ReviewStore,
        videos: Mapping[int, Path],
        render: Callable[[int | None], str],
        port: int = 0,
    ) -> None:
        self.store, self.videos, self.render = store, videos, render
        self.token = secrets.token_urlsafe(24)
        super().__init__((_ADDRESS, port), _Handler)

    @property
    def hosts(self) -> tuple[str, str]:
        """What the Host header may be."""
        return f"{_ADDRESS}:{self.server_port}", f"localhost:{self.server_port}"

    @property
    def url(self) -> str:
        """Where the browser begins: the page of the one video, or the index."""
        return f"http://{self.hosts[0]}/{self.token}/" + ("" if len(self.store.videos) > 1 else "page/0")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ReviewServer  # pyright: ignore[reportIncompatibleVariableOverride] # the one that made this handler

    def do_GET(self) -> None:
        words = self._find_words()
        if words is None:
            return
        if words == [""]:
            self._send_text(self.server.render(None))
        elif (number := self._find_number(words, "page")) is not None:
            self._send_page(number)
        elif (number := self._find_number(words, "video")) is not None and number in self.server.videos:
            self._send_file(self.server.videos[number])
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_PUT(self) -> None:
        words = self._find_words()
        if words is None:
            return
        number = self._find_number(words, "save")
        if self.headers.get("Origin") not in [f"http://{host}" for host in self.server.hosts]:
            self._refuse(HTTPStatus.FORBIDDEN, "only the page itself may save")
        elif number is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such video")
        elif (body := self._read_body()) is not None:
            self._save(number, body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the token is in every address."""

    def _find_words(self) -> list[str] | None:
        """The address behind the token; None after an answer to a request that is not from this page."""
        if self.headers.get("Host") not in self.server.hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "this server answers on this machine only")
            return None
        token, _, rest = urlsplit(self.path).path.lstrip("/").partition("/")
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "the address lacks the token that cltdr review printed")
            return None
        return rest.split("/")

    def _find_number(self, words: Sequence[str], kind: str) -> int | None:
        if len(words) != 2 or words[0] != kind or not (words[1].isascii() and words[1].isdecimal()):
            return None
        number = int(words[1][:9])
        return number if number < len(self.server.store.videos) else None

    def _send_page(self, number: int) -> None:
        try:
            self._send_text(self.server.render(number))
        except CltdrError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _read_body(self) -> dict[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_BODY:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the segments are too many to be saved at once")
            return None
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            self._refuse(HTTPStatus.BAD_REQUEST, "what was sent is not JSON")
            return None
        return body

    def _save(self, number: int, body: dict[str, Any]) -> None:
        by, edits = str(body.get("by") or "unnamed")[:200], body.get("edits")
        try:
            path, digest = self.server.store.save(
                number, body.get("rows"), by, edits if isinstance(edits, int) else 0, self.headers.get("If-Match", "")
            )
        except ConflictError as error:
            self._refuse(HTTPStatus.CONFLICT, f"{error.message}. {error.hint}")
        except CltdrError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            self._send_json(HTTPStatus.OK, {"file": path.name, "digest": digest})

    def _send_text(self, text: str) -> None:
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", text.encode("utf-8", "replace"))

    def _send_json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content).encode("ascii"))

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        if self.command == "PUT":
            self.close_connection = True  # its body may not have been read
        self._send_json(status, {"error": reason})

    def _send(self, status: HTTPStatus, kind: str, data: bytes, more: Mapping[str, str] | None = None) -> None:
        self._send_head(status, kind, len(data), more)
        self.wfile.write(data)

    def _send_head(self, status: HTTPStatus, kind: str, length: int, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(length), **_HEADERS, **(more or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_file(self, path: Path) -> None:
        """A video, or the part of it that a player asks for."""
        try:
            size = path.stat().st_size
            part = parse_range(self.headers.get("Range"), size)
            if part is None:
                return self._send(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "text/plain", b"", {"Content-Range": f"bytes */{size}"}
                )
            first, last, partial = part
            more = {"Accept-Ranges": "bytes"} | ({"Content-Range": f"bytes {first}-{last}/{size}"} if partial else {})
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            status = HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK
            with path.open("rb") as file:
                self._send_head(status, kind, last - first + 1, more)
                file.seek(first)
                left = last - first + 1
                while left > 0 and (chunk := file.read(min(left, _CHUNK))):
                    self.wfile.write(chunk)
                    left -= len(chunk)
        except OSError:  # the player hung up, as players do when they seek; or the file is gone
            self.close_connection = True
