"""A camera in the network: MPEG-TS over RTSP (RFC 2326, RFC 2250), as far as players ask, with a camera's moods."""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import SimpleNamespace

PACKET_BYTES = 7 * 188
SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:one\r\n"


@contextmanager
def camera(stream: bytes, **moods: object) -> Iterator[SimpleNamespace]:
    """A camera that sends a transport stream to whoever plays it, and then closes the connection.

    Args:
        stream: What it sends.
        moods: ``password`` (``NAME:PASSWORD``) that it asks for; ``udp``: it gives nothing over TCP; ``silent``: it
            takes connections and says nothing; ``status``: how it answers what is asked; ``hangs``: it goes on
            saying nothing where it should close.

    Yields:
        ``port``; ``asked``: the requests so far; ``taken``: an event, set with the first connection.
    """
    mood = SimpleNamespace(
        stream=stream,
        asked=[],
        **{"password": None, "udp": False, "silent": False, "status": None, "hangs": False, **moods},
    )

    class Mine(_Camera):
        camera = mood

    ThreadingTCPServer.allow_reuse_address = ThreadingTCPServer.daemon_threads = True
    server = ThreadingTCPServer(("127.0.0.1", 0), Mine)
    mood.port = server.server_address[1]
    mood.ended, mood.taken = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield mood
    finally:
        mood.ended.set()
        server.shutdown()
        server.server_close()


class _Camera(StreamRequestHandler):
    camera: SimpleNamespace

    def handle(self) -> None:
        self.camera.taken.set()
        if self.camera.silent:
            self.camera.ended.wait()
        while (method := self._read_request()) and self._answer(method):
            pass

    def _read_request(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode()).strip():
            lines.append(line)
        self.headers = dict(line.strip().split(": ", 1) for line in lines[1:])
        self.camera.asked += lines[:1]
        return lines[0].split()[0] if lines else ""

    def _answer(self, method: str) -> bool:
        mood = self.camera
        if method == "OPTIONS":
            self._say("200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif mood.status:
            self._say(mood.status)
        elif mood.password and self.headers.get("Authorization") != _make_basic(mood.password):
            self._say("401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"')
        elif method == "DESCRIBE":
            self._say("200 OK", "Content-Type: application/sdp", f"Content-Length: {len(SDP)}", body=SDP)
        elif method == "SETUP":
            self._set_up(self.headers["Transport"])
        elif method == "PLAY":
            self._say("200 OK", "Session: 1")
            self._play()
            return False
        else:
            self._say("200 OK", "Session: 1")
        return method != "TEARDOWN"

    def _set_up(self, transport: str) -> None:
        if self.camera.udp and "TCP" in transport:
            self._say("461 Unsupported Transport")
            return
        self.ports = transport.partition("client_port=")[2].partition(";")[0]
        taken = transport if not self.ports else f"{transport};server_port=6970-6971"
        self._say("200 OK", "Session: 1", f"Transport: {taken}")

    def _play(self) -> None:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if self.ports else None
        for number, at in enumerate(range(0, len(self.camera.stream), PACKET_BYTES)):
            header = struct.pack("!BBHII", 0x80, 33, number & 0xFFFF, 4_000_000_000, 7)
            packet = header + self.camera.stream[at : at + PACKET_BYTES]
            if udp is None:
                self.wfile.write(b"$\0" + struct.pack("!H", len(packet)) + packet)
            else:
                udp.sendto(packet, ("127.0.0.1", int(self.ports.partition("-")[0])))
            time.sleep(0.0005)
        if udp is not None:
            udp.close()
        if self.camera.hangs:
            self.camera.ended.wait()

    def _say(self, status: str, *headers: str, body: bytes = b"") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {self.headers['CSeq']}", *headers, "", ""]
        self.wfile.write("\r\n".join(lines).encode() + body)


def _make_basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()
