"""A web server of one video that may misbehave: one path per way."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

from weights_server import QuietServer

USER, PASSWORD = "guest", "s3cret"


@contextmanager
def serving(video: Path, front: Path | None = None) -> Iterator[str]:
    """The address of a server of the video; ``front`` is one that has its index in front."""

    class Videos(VideoHandler):
        content = video.read_bytes()
        front_content = content if front is None else front.read_bytes()

    server = QuietServer(("127.0.0.1", 0), Videos)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class VideoHandler(BaseHTTPRequestHandler):
    """Answers by the folder of the path: ``/ranges/clip.mp4``."""

    content = front_content = b""

    def do_GET(self) -> None:
        kind = urlsplit(self.path).path.split("/")[1]
        getattr(self, f"serve_{kind}", self.serve_missing)()

    def serve_ranges(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self.send(200, self.content, **{"Accept-Ranges": "bytes"})
            return
        first, last = int(wanted[1]), min(int(wanted[2] or 1 << 60), len(self.content) - 1)
        stated = f"bytes {first}-{last}/{len(self.content)}"
        self.send(206, self.content[first : last + 1], **{"Content-Range": stated})

    def serve_whole(self) -> None:
        self.send(200, self.content)

    def serve_private(self) -> None:
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {pair}":
            self.send(401, b"", **{"WWW-Authenticate": 'Basic realm="films"'})
            return
        self.serve_ranges()

    def serve_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.front_content)))
        self.end_headers()
        self.wfile.write(self.front_content[: len(self.front_content) // 2])

    def serve_page(self) -> None:
        self.send(200, b"<!doctype html><html><body>Our films</body></html>", **{"Content-Type": "text/html"})

    def serve_moved(self) -> None:
        self.send(302, b"", Location="/ranges/clip.mp4")

    def serve_inside(self) -> None:
        """A playlist that names a file of the reader's own machine."""
        self.send(200, b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")

    def serve_broken(self) -> None:
        self.send(500, b"")

    def serve_missing(self) -> None:
        self.send_error(404)

    def send(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass
