"""Videos behind addresses: found, named and detected in like files; what goes wrong is told without secrets."""

from __future__ import annotations

import json
import socket
import tempfile
from pathlib import Path

import pytest
from video_server import PASSWORD, USER, serving
from videos_made import rewrap

from cltdr_cli import Detector
from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.video import open_video
from cltdr_cli.video.addresses import is_address
from cltdr_cli.video.inputs import find_inputs
from cltdr_cli.video.network import Address


@pytest.fixture(scope="module")
def front(sample_video, tmp_path_factory) -> Path:
    """The sample with its index in front, so that its first half can be read."""
    path = tmp_path_factory.mktemp("front") / "front.mp4"
    return rewrap(sample_video, path, options={"movflags": "faststart"})


@pytest.fixture(scope="module")
def server(sample_video, front):
    with serving(sample_video, front) as address:
        yield address


@pytest.fixture
def detect(cltdr, tmp_path):
    def run(*words):
        done = cltdr("detect", *words, "--preset", "demo", "--out", tmp_path / "found.json")
        assert "Traceback" not in done.err
        assert PASSWORD not in done.err + done.out
        path = tmp_path / "found.json"
        return done, json.loads(path.read_text()) if path.is_file() else {}

    return run


def with_password(server: str, user: str = USER, password: str = PASSWORD) -> str:
    return server.replace("://", f"://{user}:{password}@")


@pytest.mark.parametrize("kind", ["ranges", "whole", "moved"])
def test_an_address_gives_what_the_file_gives(detect, server, sample_video, kind):
    _, of_file = detect(sample_video)
    done, found = detect(f"{server}/{kind}/drawn.mp4?token=abc#t=1")
    assert done.code == 0, done.err
    assert found["results"] == of_file["results"]
    assert found["external_data"]["videos"] == of_file["external_data"]["videos"]


def test_what_was_fetched_is_deleted(server, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reader = open_video(Address.parse(f"{server}/whole/drawn.mp4"))
    assert len(list(tmp_path.glob("cltdr-*/fetched"))) == 1
    reader.close()
    assert not list(tmp_path.iterdir())


def test_a_range_of_time(detect, server, sample_video):
    _, of_file = detect(sample_video, "--start", 1, "--end", 2.5)
    done, found = detect(f"{server}/ranges/drawn.mp4", "--start", 1, "--end", 2.5)
    assert done.code == 0, done.err
    assert found["results"] == of_file["results"]


def test_passwords_are_used_and_land_nowhere(detect, server, tmp_path):
    done, found = detect(with_password(server) + "/private/drawn.mp4?key=hidden")
    assert done.code == 0, done.err
    assert list(found["results"]) == ["drawn"]
    for secret in (USER, PASSWORD, "hidden"):
        assert secret not in (tmp_path / "found.json").read_text()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing/a.mp4", "there is nothing at this address (404)"),
        ("private/a.mp4", "does not take this name and password. Check both. In a name or password, write @ as %40"),
        ("broken/a.mp4", "answers with status 500"),
        ("page/index.html", "answers with a text (text/html)"),
        ("inside/list.m3u8", "not a video that can be opened"),
    ],
)
def test_what_is_wrong_is_told(detect, server, path, said):
    done, found = detect(with_password(server, "u", PASSWORD) + f"/{path}?key=hidden")
    assert done.code == 1
    assert said in done.err.replace("\n  ", " ")
    assert "hidden" not in done.err
    assert len(done.err.splitlines()) < 12
    assert not found.get("results")


def test_a_password_is_asked_for(detect, server):
    done, _ = detect(f"{server}/private/a.mp4")
    assert done.code == 1
    assert "asks for a name and password" in done.err
    assert "http://NAME:PASSWORD@HOST" in done.err


@pytest.mark.parametrize("password", ["a/b", "a#b", "a?b", "/", "a:b", "a@b", "[x"])
def test_signs_that_end_a_password_too_early_give_nothing_away(detect, password):
    done, _ = detect(f"rtsp://{USER}:{PASSWORD}{password}@no-such-host.invalid/live?{PASSWORD}")
    assert done.code == 1
    assert "rtsp://no-such-host.invalid/live" in done.err
    assert USER not in done.err
    assert "names no host and port" not in done.err or "write @ as %40" in done.err


def test_a_video_that_is_cut_off_is_used_up_to_the_break(detect, server):
    done, found = detect(f"{server}/cut/drawn.mp4")
    assert done.code == 0, done.err
    assert f"{server}/cut/drawn.mp4 can be read only up to" in done.err
    assert 0 < found["external_data"]["videos"]["drawn"]["duration"] < 2.9
    assert detect(f"{server}/cut/drawn.mp4", "--strict")[0].code == 1


def test_a_closed_port_and_an_unknown_host(detect):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for scheme in ("http", "rtsp"):
        done, _ = detect(f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{port}/a.mp4")
        assert done.code == 1
        assert f"nothing listens at port {port}" in done.err
    done, _ = detect(f"http://{USER}:{PASSWORD}@no-such-host.invalid/a.mp4")
    assert done.code == 1
    assert "no host no-such-host.invalid" in done.err


@pytest.mark.parametrize("word", ["ftp://host/a.mp4", "gopher://host", "http:///a.mp4", "http://host:port/a.mp4"])
def test_other_schemes_say_which_are_read(detect, word):
    done, _ = detect(word)
    assert done.code == 1
    assert "http://, https:// and rtsp://" in done.err


def test_one_address_that_fails_does_not_stop_the_others(detect, server, sample_video):
    done, found = detect(f"{server}/missing/b.mp4", sample_video, f"{server}/ranges/a.mp4")
    assert done.code == 1
    assert list(found["results"]) == ["drawn", "a"]
    assert "1 of 3 inputs failed" in done.err


def test_files_are_needed_elsewhere(cltdr, server, tmp_path):
    words = ["--extractor", "demo", "--out", tmp_path / "features"]
    done = cltdr("extract-features", with_password(server) + "/ranges/drawn.mp4", *words)
    assert done.code == 1
    assert "files are needed here" in done.err
    assert PASSWORD not in done.err


def test_a_detector_takes_an_address(server, sample_video):
    detector = Detector.load("demo")
    found, of_file = (detector.detect(source) for source in (f"{server}/ranges/drawn.mp4", sample_video))
    assert list(found) == list(of_file)
    assert (found.video_id, found.source) == ("drawn", None)
    with pytest.raises(VideoError, match="404"):
        detector.detect(f"{server}/missing/a.mp4")
    with pytest.raises(UsageError, match="files only"):
        detector.detect(f"{server}/ranges/drawn.mp4", reader="decord")


@pytest.mark.parametrize(
    ("url", "shown", "name"),
    [
        ("https://u:p@h.org/films/a%20b.mp4?sig=1#t=3", "https://h.org/films/a%20b.mp4", "a b.mp4"),
        ("http://h.org", "http://h.org", "h.org"),
        ("rtsp://u:p%40@10.0.0.1:554/live?x", "rtsp://10.0.0.1:554/live", "live"),
        ("https:/h.org/..%2F..%2Fetc%2Fpasswd", "https://h.org/..%2F..%2Fetc%2Fpasswd", "passwd"),
    ],
)
def test_how_an_address_is_shown_and_named(url, shown, name):
    address = Address.parse(url)
    assert (str(address), address.name) == (shown, name)
    assert "u:p" not in repr(address)


def test_ids_of_addresses_are_unique_and_a_list_may_hold_them(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("http://h/x/a.mp4?1\nhttp://h/y/a.mp4\n# none\nhttp://h/x/a.mp4?1\n")
    inputs = find_inputs([str(listed)], addresses=True)
    assert [item.video_id for item in inputs.files] == ["a", "a_2"] or len({i.video_id for i in inputs.files}) == 2
    assert [str(item.source) for item in inputs.files] == ["http://h/x/a.mp4", "http://h/y/a.mp4"]


def test_a_file_that_is_named_like_an_address_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "a.mp4").touch()
    assert is_address("http:/a.mp4")
    assert find_inputs(["http:/a.mp4"]).files[0].path == Path("http:/a.mp4")
