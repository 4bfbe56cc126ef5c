"""A server of weights that may misbehave: one path per way."""

from __future__ import annotations

import hashlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT_BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """One path per way of behaving."""

    requests: list[str] = []  # noqa: RUF012 # counted across requests

    def do_GET(self) -> None:
        type(self).requests.append(self.path)
        getattr(self, "serve_" + self.path.strip("/"), self.serve_missing)()

    def serve_good(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def serve_lengthless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def serve_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])

    def serve_reset(self) -> None:
        self.serve_cut()
        self.wfile.flush()
        # a hard reset instead of an orderly end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()

    def serve_redirect(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/good")
        self.end_headers()

    def serve_loop(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/loop")
        self.end_headers()

    def serve_file(self) -> None:
        self.send_response(302)
        self.send_header("Location", "file:///etc/passwd")
        self.end_headers()

    def serve_silent(self) -> None:
        stopped.wait(5)

    def serve_missing(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that stops reading is what some tests are about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


stopped = threading.Event()
