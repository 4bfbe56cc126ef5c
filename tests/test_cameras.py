"""Cameras behind addresses: RTSP, pictures over HTTP, playlists; what they do wrong, and what is told of it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from camera_server import camera
from videos_made import number_of, numbered_frame

from cltdr_cli.errors import VideoError
from cltdr_cli.video import container, live_frames, live_sources
from cltdr_cli.video.frames import FrameBatch
from cltdr_cli.video.live_clock import LEAD_SECONDS, LiveClock
from cltdr_cli.video.live_frames import Gap, Interruption
from cltdr_cli.video.live_sources import open_source

FRAMES, RATE = 60, 20


@pytest.fixture(scope="module")
def stream(tmp_path_factory) -> bytes:
    """Three seconds of numbered frames in MPEG-TS, whose times begin at an odd value."""
    path = tmp_path_factory.mktemp("camera") / "stream.ts"
    with av.open(str(path), "w", format="mpegts") as file:
        video = file.add_stream("libx264", RATE, options={"g": "10", "bf": "0"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number, 96, 64))
            frame.pts, frame.time_base = 12345 + number, Fraction(1, RATE)
            file.mux(video.encode(frame))
        file.mux(video.encode())
    return path.read_bytes()


@pytest.fixture
def short(monkeypatch):
    """Nobody waits for long."""
    for module in (container, live_sources):
        monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(live_frames, "FIRST_PAUSE_SECONDS", 0.2)


def see(address: str, *, frames: int = FRAMES - 20, **settings):
    """What a source gives, up to so many frames."""
    seen, source = [], iter(open_source(address, **settings))
    while sum(len(item) for item in seen if isinstance(item, FrameBatch)) < frames:
        seen.append(next(source))
    return seen, source


def numbers(items):
    return [number_of(frame) for item in items if isinstance(item, FrameBatch) for frame in item.frames]


def times(items):
    return np.concatenate([item.pts_seconds for item in items if isinstance(item, FrameBatch)])


@pytest.mark.parametrize("udp", [False, True])
def test_a_camera_with_a_password_over_tcp_and_udp(stream, short, udp):
    with camera(stream, password="me:p@ss", udp=udp) as server:
        # of packets without a connection the first may be lost while the player gets ready
        seen, _ = see(f"rtsp://me:p%40ss@127.0.0.1:{server.port}/live")
    found = numbers(seen)
    assert found == list(range(found[0], found[0] + len(found)))
    np.testing.assert_allclose(times(seen), np.arange(len(found)) / RATE, atol=1e-4)


@pytest.mark.parametrize(
    ("moods", "user", "said"),
    [
        ({"password": "me:right"}, "me:wr0ng@", r"does not take this name and password"),
        ({"password": "me:right"}, "", r"asks for a name and password"),
        ({"status": "404 Not Found"}, "me:wr0ng@", r"nothing at this address \(404\)"),
        ({"silent": True}, "me:wr0ng@", "does not answer within"),
    ],
)
def test_a_camera_that_gives_nothing(stream, short, moods, user, said):
    with camera(stream, **moods) as server, pytest.raises(VideoError, match=said) as caught:
        open_source(f"rtsp://{user}127.0.0.1:{server.port}/live?wr0ng")
    assert caught.value.hint
    assert "wr0ng" not in str(caught.value)


def test_a_camera_that_drops_and_one_that_falls_silent(stream, short):
    """The gap begins where the last picture was, not when it was given up waiting for the next one."""
    with camera(stream, hangs=True) as server:
        address = f"rtsp://127.0.0.1:{server.port}/live"
        seen, source = see(address)
        begin = time.monotonic()
        while not isinstance(seen[-1], Gap):
            seen.append(next(source))
        waited = time.monotonic() - begin
        seen.append(next(source))
    told = [item.reason for item in seen if isinstance(item, Interruption)]
    assert told == [f"{address} gave no more frames: no picture came for 1 s"]
    gap = seen[-2]
    assert gap.start_seconds == pytest.approx(2.95, abs=1e-3)  # the end of the last picture never comes
    assert 1.0 < gap.end_seconds - gap.start_seconds == pytest.approx(waited, abs=0.5)
    assert times(seen[-1:])[0] == pytest.approx(gap.end_seconds)


def test_why_a_camera_does_not_come_back_is_told_once(stream, short):
    with camera(stream) as server:
        seen, source = see(f"rtsp://127.0.0.1:{server.port}/live", give_up_seconds=1.0)
        server.status = "404 Not Found"
        with pytest.raises(VideoError, match="did not come back within 1 s"):
            seen += source
    dropped, gone = (item.reason for item in seen if isinstance(item, Interruption))
    assert "it ended" in dropped
    assert "nothing at this address" in gone


class Pictures(BaseHTTPRequestHandler):
    """Sends a picture ten times a second, without telling when (Motion JPEG, as webcams do)."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(100):
            data = io.BytesIO()
            av.VideoFrame.from_ndarray(numbered_frame(number, 96, 64)).to_image().save(data, "JPEG")
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {data.tell()}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data.getvalue() + b"\r\n")
            except OSError:
                return
            time.sleep(0.1)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_pictures_without_times_were_taken_when_they_came():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = open_source(f"http://127.0.0.1:{server.server_port}/video")
        assert float(source.rate) == pytest.approx(10, abs=4)  # not the 25 that FFmpeg takes for granted
        seen, batches = [], iter(source)
        while not seen or times(seen)[-1] < 1.2:
            seen.append(next(batches))
        batches.close()
    finally:
        server.shutdown()
        server.server_close()
    assert np.diff(times(seen)).mean() == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize("command", ["watch", "detect"])
def test_ctrl_c_ends_while_a_camera_is_waited_for(server, stream, command):
    with camera(stream, silent=True) as silent:
        number = server.start(command, f"rtsp://127.0.0.1:{silent.port}/live", "--preset", "demo", "--device", "cpu")
        assert silent.taken.wait(60)
        begin = time.monotonic()
        os.kill(number, signal.SIGINT)
        ended = server.wait(number)
    assert ended.code == 130, ended.said
    assert time.monotonic() - begin < 6  # FFmpeg would wait for ten seconds


def test_detect_refuses_what_never_ends_and_takes_a_part_of_it(cltdr, stream, tmp_path):
    with camera(stream) as server:
        address = f"rtsp://127.0.0.1:{server.port}/live"
        done = cltdr("detect", address, "--preset", "demo", "--device", "cpu")
        assert done.code == 1
        assert f"`cltdr watch {address}`" in done.err
        assert "--end" in done.err
        out = tmp_path / "found.json"
        done = cltdr("detect", address, "--preset", "demo", "--device", "cpu", "--end", 2, "--out", out)
    assert done.code == 0, done.err
    (facts,) = json.loads(out.read_text())["external_data"]["videos"].values()
    assert facts["duration"] == pytest.approx(2.0, abs=0.05)


def test_a_pipe_that_gives_nothing_says_so(cltdr, monkeypatch):
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        done = cltdr("watch", "-", "--preset", "demo", "--device", "cpu")
    assert done.code == 1
    assert "standard input ended before anything came" in done.err


def test_ctrl_c_ends_a_pipe_that_has_fallen_silent(stream):
    """Python's own buffer of standard input would be locked by the thread that waits, and its exit break."""
    words = [sys.executable, "-m", "cltdr_cli", "watch", "-", "--preset", "demo", "--device", "cpu"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, **pipes) as process:
        process.stdin.write(stream)
        process.stdin.flush()
        while b"watching with" not in (line := process.stderr.readline()):
            assert line
        time.sleep(1.0)  # until the thread waits
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
        assert process.wait(20) == 0, said
    assert "Fatal" not in said


def place(clock, frames):
    return [round(clock.place(ticks, came), 3) for ticks, came in frames]


def test_frames_before_the_first_time_take_the_place_before_it():
    """An RTSP server tells the times after the first frame only; of a connection that begins later, too."""
    clock = LiveClock(100.0, 0.04, Fraction(1, 90000), is_paced=True)
    assert place(clock, [(None, 0), (3600, 0.04), (7200, 0.08), (None, 0.1)]) == [100.0, 100.04, 100.08, 100.12]


def test_a_clock_that_is_set_anew_goes_on():
    base = Fraction(1, 10)
    frames = [(50, 0.0), (51, 0.1), (20, 5.1), (21, 5.2), (10**10, 5.3), (10**10 + 1, 5.4)]
    assert place(LiveClock(0.0, 0.1, base, is_paced=True), frames) == [0, 0.1, 5.1, 5.2, 5.3, 5.4]
    jump = round(10 * LEAD_SECONDS) + 100
    kept = [(0, 0.0), (jump, 1.0)]
    assert place(LiveClock(0.0, 0.1, base, is_paced=False), kept) == [0, jump / 10]  # a recording sent by a pipe
    assert place(LiveClock(0.0, 0.1, base, is_paced=True), kept) == [0, 1.0]


def test_a_server_that_hands_over_the_past_or_lags_behind_is_believed():
    base = Fraction(1)
    ahead = [(ticks, 0.0) for ticks in range(0, 30, 2)]
    assert place(LiveClock(0.0, 2.0, base, is_paced=True), ahead) == list(range(0, 30, 2))
    late = [(0, 0.0), (1, 50.0), (45, 50.1)]  # this machine was too slow, and the camera left frames out
    assert place(LiveClock(0.0, 1.0, base, is_paced=True), late) == [0, 1, 45]
