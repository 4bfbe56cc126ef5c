"""cltdr watch: the segments of detect, one line each, from files, addresses and pipes; drops, Ctrl-C, appending."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from extraction_runs import looped
from seeded_weights import write_lively_movinet
from video_server import PASSWORD, USER, serving
from videos_made import rewrap
from weights_server import QuietServer

from cltdr_cli import Detector, watch
from cltdr_cli.demo.script import draw_script
from cltdr_cli.demo.world import write_video
from cltdr_cli.video.live_frames import Gap

DEMO = ["--preset", "demo", "--device", "cpu"]
KEYS = ["start", "end", "label", "label_id", "score", "seen"]


@pytest.fixture(scope="module")
def film(sample_video, tmp_path_factory) -> Path:
    """Twelve seconds."""
    return looped(sample_video, tmp_path_factory.mktemp("film") / "film.mp4", 4)


@pytest.fixture(scope="module")
def stream(film) -> Path:
    """The same as a stream that can be read from a pipe."""
    path = film.with_suffix(".ts")
    return rewrap(film, path, format="mpegts")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Path:
    return write_lively_movinet(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def see(cltdr):
    """Run ``cltdr watch``; the events on stdout."""

    def run(source, *words):
        done = cltdr("watch", source, *(words or DEMO))
        assert "Traceback" not in done.err
        return done, [json.loads(line) for line in done.out.splitlines()]

    return run


def detected(cltdr, path, words, tmp_path):
    done = cltdr("detect", path, *words, "--out", tmp_path / "found.json")
    assert done.code == 0, done.err
    (rows,) = json.loads((tmp_path / "found.json").read_text())["results"].values()
    return sorted((row["label_id"], *row["segment"], row["score"]) for row in rows)


def told(events):
    return sorted((e["label_id"], e["start"], e["end"], e["score"]) for e in events if "gap" not in e)


def test_a_file_gives_exactly_the_segments_of_detect_by_the_classifier(see, cltdr, film, classifier, tmp_path):
    words = ["--preset", "kinetics600-movinet-a0", "--extractor-weights", f"movinet-a0-stream={classifier}"]
    done, events = see(film, *words, "--device", "cpu")
    assert done.code == 0, done.err
    of_file = detected(cltdr, film, [*words, "--device", "cpu"], tmp_path)
    assert len(of_file) > 5
    assert [row[:3] for row in told(events)] == [row[:3] for row in of_file]
    # the head sees the steps in other batches: only rounding may differ
    np.testing.assert_allclose([row[3] for row in told(events)], [row[3] for row in of_file], atol=1e-4)
    assert all(list(event) == KEYS for event in events)
    assert "segments are final about" in done.err


def test_a_file_shorter_than_the_range_gives_the_segments_of_detect(see, cltdr, film, tmp_path):
    done, events = see(film, *DEMO, "--min-score", 0.01)
    assert done.code == 0, done.err
    of_file = detected(cltdr, film, [*DEMO, "--min-score", 0.01], tmp_path)
    assert [row[0] for row in told(events)] == [row[0] for row in of_file]
    # the first ranges end where the video goes on: what ends well before that is told from them
    np.testing.assert_allclose(told(events), of_file, atol=0.05)
    assert all(event["seen"] >= event["end"] - 0.05 for event in events)


@pytest.mark.slow  # draws, extracts and watches 200 seconds
def test_a_long_file_gives_the_segments_of_detect_but_for_what_lies_far_away(tmp_path):
    """CLTDR looks at the whole sequence (its global branch), here at 512 steps of 1500; measured: 0.09 s, 0.034."""
    path = tmp_path / "long.mp4"
    write_video(path, draw_script("test", 11, 1, duration_seconds=200.0))
    found = [s for s in Detector.load("demo", device="cpu").detect(path) if s.score > 0.5]
    seen = [e.segment for e in watch(path, preset="demo", device="cpu") if not isinstance(e, Gap)]
    strong = [segment for segment in seen if segment.score > 0.45]
    assert len(found) > 30
    for segment in found:
        near = [s for s in strong if s.label == segment.label and abs(s.start - segment.start) < 0.15]
        assert len(near) == 1
        assert near[0].end == pytest.approx(segment.end, abs=0.15)
        assert near[0].score == pytest.approx(segment.score, abs=0.05)
    assert len([s for s in seen if s.score > 0.55]) <= len(found)


def test_an_address_and_a_pipe_give_what_the_file_gives(see, film, stream, monkeypatch):
    _, of_file = see(film, *DEMO, "--min-score", 0.01)
    with serving(film) as server:
        done, events = see(f"{server}/ranges/film.mp4?key=x", *DEMO, "--min-score", 0.01)
    assert (done.code, events) == (0, of_file)
    with stream.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        done, events = see("-", *DEMO, "--min-score", 0.01)
    assert done.code == 0, done.err
    assert [row[0] for row in told(events)] == [row[0] for row in told(of_file)]
    np.testing.assert_allclose(told(events), told(of_file), atol=0.02)  # batches of half a second: other rounding


class Camera(BaseHTTPRequestHandler):
    """Sends a stream without an end to as many connections as it is told, then nothing."""

    content, left = b"", 0

    def do_GET(self) -> None:
        asks_only = self.headers.get("Range", "").endswith("-4095")
        if not asks_only:
            type(self).left -= 1
        if self.left < 0:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def camera(stream):
    class Mine(Camera):
        content = stream.read_bytes()

    server = QuietServer(("127.0.0.1", 0), Mine)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def start(connections: int) -> str:
        Mine.left = connections
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{server.server_port}/live?key=hidden"

    yield start
    server.shutdown()
    server.server_close()


def test_a_camera_that_drops_is_opened_again_and_gaps_are_told(see, camera):
    done, events = see(camera(2), *DEMO, "--min-score", 0.3, "--give-up", 1.5)
    assert done.code == 1
    assert "did not come back within 1.5 s" in done.err
    assert done.err.count("gave no more frames") == 2
    assert not {USER, PASSWORD, "hidden"} & set(done.err.replace(":", " ").replace("@", " ").split())
    at = next(place for place, event in enumerate(events) if "gap" in event)
    start, end = events[at]["gap"]
    assert events[-1]["gap"][1] is None  # it never came back
    assert start == pytest.approx(12.0, abs=0.1)
    assert end > start
    before, after = told(events[:at]), told(events[at:])
    assert [row[0] for row in before] == [row[0] for row in after]
    moved = [(label, first - end, last - end, score) for label, first, last, score in after]
    np.testing.assert_allclose(moved, before, atol=0.02)  # the same film after the gap


def test_lines_are_appended_and_shown_for_people(cltdr, film, tmp_path):
    out = tmp_path / "deep" / "events.jsonl"
    for turn in (1, 2):
        done = cltdr("watch", film, *DEMO, "--out", out, "--max-seconds", 11)
        assert done.code == 0, done.err
        lines = out.read_bytes().splitlines(keepends=True)
        events = [json.loads(line) for line in lines]
        assert all(line.endswith(b"\n") for line in lines)
        assert len(events) % turn == 0
        assert max(event["end"] for event in events) <= 11.05
        shown = done.out.splitlines()
        assert 0 < len(shown) < len(events)
        assert all(" after " in line and float(line.split("after")[0].split()[-1]) >= 0.1 for line in shown)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--out", "events.json"], 2, ".jsonl"),
        (["--out", "notes.jsonl"], 2, "holds something else than JSON lines"),
        (["--max-seconds", "0"], 2, "--max-seconds is 0"),
        (["--delay-seconds", "60", "--range-seconds", "80"], 2, "more than half of the 80 s"),
        (["--labels", "waving"], 2, "knows no class"),
    ],
)
def test_wrong_words_say_what_why_and_what_next(cltdr, film, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    Path("notes.jsonl").write_text("my notes\n")
    done = cltdr("watch", film, *DEMO, *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert Path("notes.jsonl").read_text() == "my notes\n"


def test_a_file_that_is_not_there_is_an_error(see):
    done, events = see("no-such-file.mp4")
    assert (done.code, events) == (1, [])
    assert "does not exist" in done.err


def test_a_half_line_of_another_program_is_ended_first(cltdr, film, tmp_path):
    out = tmp_path / "events.jsonl"
    out.write_text('{"start": 1}')
    assert cltdr("watch", film, *DEMO, "--out", out, "--max-seconds", 3, "--min-score", 0.5).code == 0
    assert next(json.loads(line) for line in out.read_text().splitlines()) == {"start": 1}


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_with_all_that_was_seen(server, film, tmp_path, kind):
    out = tmp_path / "events.jsonl"
    words = [*DEMO, "--realtime", "--range-seconds", 5, "--delay-seconds", 1.5]
    number = server.start("watch", film, *words, "--out", out)
    deadline = time.monotonic() + 60
    while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(number, kind)
    ended = server.wait(number)
    assert ended.code == 0, ended.said
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert 1.5 < events[-1]["seen"] < 11.5
    assert events[-1]["end"] > events[-1]["seen"] - 1.5  # the rest was told, too


def test_stop_ends_a_source_that_gives_nothing(stream):
    """A pipe whose writer is silent: reading waits, and must not be waited for."""
    read, write = os.pipe()
    os.write(write, stream.read_bytes()[:60_000])
    stop = threading.Event()
    path = f"/dev/fd/{read}"
    watching = watch(path, preset="demo", device="cpu", stop=stop)
    threading.Timer(1.0, stop.set).start()
    begin = time.monotonic()
    events = list(watching)
    assert time.monotonic() - begin < 8
    os.close(write)
    os.close(read)
    assert all(not isinstance(event, Gap) for event in events)
