"""``cltdr detect VIDEO`` without a preset: installed, downloaded from a server that may misbehave, or the demo."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from weights_server import QuietServer, Server

from cltdr_cli import Detector, console
from cltdr_cli.zoo import manifest as manifest_room
from extractors.random_weights import draw_weights

WEIGHTS = "movinet-a2-stream"
PRESET = "kinetics600-movinet-a2"
INSTALL = f"cltdr weights download {WEIGHTS}"


@pytest.fixture(scope="module")
def content() -> bytes:
    """A network in the published layout; its classifier is sure of one class, so that there is something to find."""
    tensors = draw_weights(WEIGHTS)[0]
    tensors["classifier.3.conv_1.conv2d.bias"][37] = 1e6
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def server(content):
    class Files(Server):
        requests: list[str] = []  # noqa: RUF012 # its own, not its parent's

        def serve_movinet(self) -> None:
            self.send(content)

        def serve_broken(self) -> None:
            self.send(content[: len(content) // 2], len(content))

        def serve_other(self) -> None:
            self.send(content[:-1] + b"?")

        def send(self, data: bytes, announced: int = 0) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(announced or len(data)))
            self.end_headers()
            self.wfile.write(data)

    http = QuietServer(("127.0.0.1", 0), Files)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}", Files.requests
    http.shutdown()
    http.server_close()


@pytest.fixture
def serve(cltdr, server, content, monkeypatch):
    """Let the manifest name a path of the server, and the network be allowed; returns what was asked of it."""
    address, requests = server
    requests.clear()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def serve(path: str) -> list[str]:
        entries = dict(manifest_room.manifest())
        digests = {"git_blob_sha1": blob}
        entries[WEIGHTS] = replace(entries[WEIGHTS], url=path if "//" in path else f"{address}/{path}", digests=digests)
        monkeypatch.setattr(manifest_room, "manifest", lambda: entries)
        monkeypatch.setenv("CLTDR_OFFLINE", "0")
        return requests

    return serve


@pytest.fixture
def attended(monkeypatch):
    """Somebody sits at a terminal."""
    monkeypatch.setattr(console, "is_attended", lambda: True)


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "home"


def test_at_a_terminal_it_is_downloaded_once_and_used(cltdr, serve, attended, sample_video, tmp_path):
    requests = serve("movinet")
    out = tmp_path / "found.json"
    done = cltdr("detect", sample_video, "--out", out)
    assert done.code == 0, done.err
    assert f"no detector is installed: taking {PRESET}" in done.err
    assert "about 30 MB" in done.err
    assert f"fetching the weights {WEIGHTS} (MIT, converted from Apache-2.0)" in done.err
    assert "git_blob_sha1" in done.err
    assert "--preset takes one" in done.err
    assert "demo model" not in done.err
    facts = json.loads(out.read_text())
    assert facts["external_data"]["preset"] == PRESET
    rows = facts["results"]["drawn"]
    assert rows[0]["label_id"] == 37
    done = cltdr("detect", sample_video, "--out", out)
    assert done.code == 0, done.err
    assert "no detector is installed" not in done.err
    assert requests == ["/movinet"]


def test_without_a_terminal_it_is_the_demo_which_names_the_one_command(cltdr, serve, sample_video):
    requests = serve("movinet")
    done = cltdr("detect", sample_video)
    assert done.code == 0
    assert "bundled demo model" in done.err
    assert INSTALL in done.err
    assert requests == []


def test_an_option_allows_it_without_a_terminal(cltdr, serve, sample_video):
    requests = serve("movinet")
    done = cltdr("detect", sample_video, "--download")
    assert done.code == 0, done.err
    assert requests == ["/movinet"]


@pytest.mark.parametrize(("path", "said"), [("broken", "broke off after"), ("other", "expected git_blob_sha1")])
def test_a_wrong_or_cut_off_file_is_an_error_and_leaves_nothing(cltdr, serve, attended, sample_video, home, path, said):
    serve(path)
    done = cltdr("detect", sample_video)
    assert done.code == 1
    assert said in done.err
    assert "demo" not in done.err
    assert not list((home / "weights").rglob("*_v3*"))


def test_where_no_server_can_be_reached_the_demo_is_used(cltdr, serve, attended, sample_video):
    serve("http://127.0.0.1:9/w")
    done = cltdr("detect", sample_video)
    assert done.code == 0, done.err
    assert "this machine does not reach 127.0.0.1" in done.err
    assert "the bundled demo model is used instead" in done.err
    assert "knows eight actions of drawn figures only" in done.err


@pytest.mark.parametrize("words", [[], ["--no-download"]])
def test_offline_the_demo_is_used_and_nothing_is_asked(cltdr, serve, attended, sample_video, monkeypatch, words):
    requests = serve("movinet")
    if not words:
        monkeypatch.setenv("CLTDR_OFFLINE", "1")
    done = cltdr("detect", sample_video, *words)
    assert done.code == 0, done.err
    assert "bundled demo model" in done.err
    assert ("CLTDR_OFFLINE is set, so no detector" in done.err) == (not words)
    assert INSTALL in done.err
    assert requests == []


def test_weights_given_by_hand_are_an_installed_detector(cltdr, serve, content, sample_video, tmp_path):
    requests = serve("movinet")
    file = tmp_path / "a2.pt"
    file.write_bytes(content)
    out = tmp_path / "found.json"
    done = cltdr("detect", sample_video, "--extractor-weights", f"{WEIGHTS}={file}", "--out", out)
    assert done.code == 0, done.err
    assert json.loads(out.read_text())["external_data"]["preset"] == PRESET
    assert requests == []


def test_feature_files_need_no_download(cltdr, serve, sample_video, tmp_path):
    requests = serve("movinet")
    cltdr("extract-features", sample_video, "--extractor", "demo", "--out", tmp_path / "features")
    done = cltdr("detect", tmp_path / "features" / "drawn.npy")
    assert done.code == 0, done.err
    assert requests == []


def test_a_program_is_told_the_same(serve, monkeypatch, home, sample_video):
    requests = serve("movinet")
    for download in (None, False):
        assert INSTALL in " ".join(Detector.load(download=download).notices)
    assert requests == []
    assert len(Detector.load(download=True).labels) == 600
    assert requests == ["/movinet"]
    shutil.rmtree(home)


def test_several_videos_at_once_give_what_one_by_one_gives(cltdr, sample_video, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a", "b", "c"):
        shutil.copy(sample_video, folder / f"{name}.mp4")
    (folder / "d.mp4").write_text("no video")
    found = []
    for workers in (1, 3):
        out = tmp_path / f"{workers}.json"
        done = cltdr("detect", folder, "--preset", "demo", "--workers", workers, "--out", out)
        assert done.code == 1
        assert "d.mp4" in done.err
        assert "1 of 4 inputs failed" in done.err
        found.append(json.loads(out.read_text())["results"])
    assert list(found[0]) == list(found[1]) == ["a", "b", "c"]
    for name, rows in found[0].items():
        assert [row["label"] for row in rows] == [row["label"] for row in found[1][name]]
        for row, other in zip(rows, found[1][name], strict=True):
            assert row["score"] == pytest.approx(other["score"], abs=1e-4)
            assert row["segment"] == pytest.approx(other["segment"], abs=1e-3)
