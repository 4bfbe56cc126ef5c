"""Weights: downloaded from a server that may misbehave, verified before use; pickles run nothing."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner
from weights_server import CONTENT, GIT_BLOB, SHA256, QuietServer, Server, stopped

from cltdr_cli import console
from cltdr_cli.commands.weights import app
from cltdr_cli.errors import WeightsError
from cltdr_cli.main import app as cltdr
from cltdr_cli.workflows.downloads import fetch_weights
from cltdr_cli.zoo import digests, download, weights
from cltdr_cli.zoo import manifest as manifest_room


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    http = QuietServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    stopped.set()
    http.shutdown()
    http.server_close()


@pytest.fixture
def home(tmp_path, monkeypatch, server) -> Path:
    """An empty cache, and a manifest whose names say how the server behaves."""

    def entry(name, **facts):
        sure = {
            "file": "w.pt", "url": f"{server}/{name}", "bytes": len(CONTENT), "digests": {"sha256": SHA256},
            "licence": "MIT", "non_commercial": False, "origin": "nobody/nothing", "note": "a note",
        }  # fmt: skip
        return manifest_room.WeightsEntry(name, **{**sure, **facts})

    entries = [
        entry("good"),
        entry("git", url=f"{server}/good", digests={"git_blob_sha1": GIT_BLOB}, bytes=None),
        entry("prefix", url=f"{server}/good", digests={"sha256_prefix": SHA256[:8]}),
        entry("wrong-prefix", url=f"{server}/good", digests={"sha256_prefix": "0" * 8}),
        entry("wrong", url=f"{server}/good", digests={"sha256": "0" * 64}),
        entry("longer", url=f"{server}/good", bytes=len(CONTENT) + 1),
        entry("lengthless", digests={"git_blob_sha1": GIT_BLOB}, bytes=None),
        entry("lengthless-short", url=f"{server}/lengthless", bytes=len(CONTENT) + 1),
        entry("trust", url=f"{server}/good", digests={}),
        entry("nc", url=f"{server}/good", non_commercial=True, licence="CC-BY-NC-4.0"),
        entry("nowhere", url="http://127.0.0.1:9/w"),
        entry("local", url="file:///etc/passwd"),
        *(entry(name) for name in ("cut", "reset", "redirect", "loop", "file", "silent", "gone")),
    ]
    monkeypatch.setattr(manifest_room, "manifest", lambda: {e.name: e for e in entries})
    monkeypatch.setattr(weights, "manifest", manifest_room.manifest)
    monkeypatch.setenv("CLTDR_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CLTDR_OFFLINE", raising=False)
    Server.requests.clear()
    return tmp_path / "home"


def left(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["good", "git", "prefix", "redirect", "lengthless", "trust"])
def test_download(home, name):
    seen: list[tuple[int, int | None]] = []
    path = weights.ensure(name, allow_download=True, on_progress=lambda *facts: seen.append(facts))
    assert path == home / "weights" / name / "w.pt"
    assert path.read_bytes() == CONTENT
    assert [come for come, _ in seen] == sorted(come for come, _ in seen)
    assert seen[-1][0] == len(CONTENT)
    assert weights.state(name) == "verified"
    assert weights.digests(name)["sha256"] == SHA256
    assert left(home) == [f"weights/{name}/w.pt", f"weights/{name}/w.pt.verified.json"]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("wrong", rf"(?s)expected sha256 {'0' * 64}.*actual   sha256 {SHA256}"),
        ("wrong-prefix", rf"(?s)expected sha256_prefix 0{{8}}\n.*actual   sha256_prefix {SHA256[:8]}\n"),
        ("longer", r"the server's file has 1,024,000 bytes, the right one has 1,024,001"),
        ("lengthless-short", r"1,024,000 bytes, the right one has 1,024,001"),
        ("cut", r"broke off after 1,000 of 1,024,000 bytes"),
        ("reset", r"broke off"),
        ("gone", r"the server answers 404"),
        ("loop", r"the server answers 302"),
        ("file", r"the server answers 302|redirect"),
        ("nowhere", r"download failed.*refused"),
        ("local", r"not a web address"),
    ],
)
def test_failed_download_leaves_nothing_and_keeps_what_was_there(home, name, match):
    for old in (None, b"the user's own file"):
        path = weights.weights_path(name)
        if old is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(old)
        with pytest.raises(WeightsError, match=match) as caught:
            weights.download(name)
        assert f"cltdr weights add {name} FILE" in caught.value.hint
        assert left(home) == ([] if old is None else [f"weights/{name}/w.pt"])
        assert old is None or path.read_bytes() == old


def test_silent_server(home, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.3)
    with pytest.raises(WeightsError, match=r"silent for 0.3 seconds|timed out"):
        weights.download("silent")
    assert left(home) == []


def test_full_disk(home, monkeypatch):
    import shutil

    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(WeightsError, match=r"needs 1,024,000 bytes, and .* has 1,000 left"):
        weights.download("good")
    assert left(home) == []


def test_interrupted_download_leaves_nothing(home):
    def interrupt(come: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.download("good", on_progress=interrupt)
    assert left(home) == []


def test_offline_never_touches_the_network(home, monkeypatch):
    monkeypatch.setenv("CLTDR_OFFLINE", "1")
    for work in (lambda: weights.ensure("good", allow_download=True), lambda: weights.download("good")):
        with pytest.raises(WeightsError, match="CLTDR_OFFLINE is set") as caught:
            work()
        text = str(caught.value)
        assert "w.pt" in text
        assert SHA256 in text
        assert str(home / "weights" / "good" / "w.pt") in text
        assert "cltdr weights add good FILE" in text
    assert Server.requests == []


def test_not_allowed_download(home):
    with pytest.raises(WeightsError, match="are not here"):
        weights.ensure("good", allow_download=False)
    assert Server.requests == []


def test_licence_must_be_agreed_to(home):
    for agree in (None, lambda entry: False):
        with pytest.raises(WeightsError, match=r"CC-BY-NC-4.0, and was not agreed to") as caught:
            weights.ensure("nc", allow_download=True, agree=agree)
        assert "--accept-license" in caught.value.hint
    assert Server.requests == []
    assert weights.ensure("nc", allow_download=True, agree=lambda entry: entry.name == "nc").exists()
    assert weights.ensure("nc", allow_download=True).exists()


def test_verified_file_is_hashed_once(home, monkeypatch):
    path = weights.ensure("good", allow_download=True)
    hashed: list[Path] = []
    monkeypatch.setattr(weights, "file_digests", lambda p: hashed.append(p) or digests.file_digests(p))
    weights.ensure("good", allow_download=True)
    assert hashed == []
    os.utime(path)
    weights.ensure("good", allow_download=True)
    weights.ensure("good", allow_download=True)
    assert hashed == [path]


def test_changed_file_is_refused_and_left_alone(home):
    for name in ("good", "git", "trust", "prefix"):
        path = weights.ensure(name, allow_download=True)
        path.write_bytes(b"changed")
        assert weights.state(name) == "unverified"
        with pytest.raises(WeightsError, match=r"(?s)expected.*actual.*left as it is"):
            weights.ensure(name, allow_download=True)
        assert path.read_bytes() == b"changed"


def test_first_use_of_an_undigested_file_is_recorded(home, tmp_path):
    (tmp_path / "mine").write_bytes(b"one")
    weights.add("trust", tmp_path / "mine")
    path = weights.weights_path("trust")
    assert path.read_bytes() == b"one"
    path.write_bytes(b"two")
    [found] = weights.verify(["trust"])
    assert found.error is not None
    assert "changed since its first use" in found.error.message
    weights.add("trust", path)
    assert weights.verify(["trust"])[0].error is None


def test_a_digest_of_eight_digits(home, tmp_path, monkeypatch):
    path = weights.ensure("prefix", allow_download=True)
    assert weights.state("prefix") == "verified"
    path.write_bytes(b"one")
    assert f"expected sha256_prefix {SHA256[:8]}" in str(weights.verify(["prefix"])[0].error)
    # a file that only begins alike: eight digits can be forged, the digest of the first use cannot
    first = {"sha256": SHA256[:8] + "0" * 56}
    monkeypatch.setattr(weights, "file_digests", lambda path: first)
    assert "changed since its first use" in str(weights.verify(["prefix"])[0].error)


def test_add_takes_only_the_right_file(home, tmp_path):
    right, other = tmp_path / "right", tmp_path / "other"
    right.write_bytes(CONTENT)
    other.write_bytes(b"other")
    with pytest.raises(WeightsError, match=rf"(?s)expected sha256 {SHA256}.*nothing was copied"):
        weights.add("good", other)
    assert other.read_bytes() == b"other"
    assert left(home) == []
    path = weights.add("good", right)
    assert (path.read_bytes(), right.read_bytes()) == (CONTENT, CONTENT)
    assert weights.state("good") == "verified"
    with pytest.raises(WeightsError, match=r"cannot be read"):
        weights.add("good", tmp_path / "missing")
    with pytest.raises(WeightsError, match=r"no weights named 'goood'") as caught:
        weights.add("goood", right)
    assert "did you mean good" in caught.value.hint


def test_unreadable_record_costs_a_hash_only(home):
    path = weights.ensure("good", allow_download=True)
    for text in ("", "{}", "[1]", '{"size": 1, "mtime_ns": 2, "digests": 3}'):
        digests.record_path(path).write_text(text)
        assert weights.ensure("good", allow_download=False) == path
        assert weights.state("good") == "verified"


def test_manifest_in_the_box():
    entries = manifest_room.manifest.__wrapped__()
    for name in (
        "i3d-rgb",
        "i3d-flow",
        "i3d-rgb-hassony2",
        "i3d-flow-hassony2",
        "videomae-base",
        "videomaev2-giant",
    ):
        assert name in entries
    for found in entries.values():
        assert found.url is None or found.url.startswith("https://")
        assert found.licence
        assert set(found.digests) <= {"sha256", "git_blob_sha1", "sha256_prefix"}
        for kind, value in found.digests.items():
            assert len(bytes.fromhex(value)) == {"sha256": 32, "git_blob_sha1": 20, "sha256_prefix": 4}[kind]
            assert kind != "sha256_prefix" or f"-{value}." in found.file
    assert entries["i3d-rgb"].bytes == 50_883_138


def test_default_cache_folder(monkeypatch):
    monkeypatch.delenv("CLTDR_HOME", raising=False)
    assert manifest_room.cache_folder().name == "cltdr"


# commands


def run(*words: str):
    return CliRunner().invoke(cltdr, ["weights", *words])


def test_command_download_list_verify_path(home):
    assert run("download", "good").exit_code == 0
    again = run("download", "good")
    assert "already here" in again.stderr
    listed = run("list").stdout
    assert [line.split()[0] for line in listed.splitlines() if " verified" in line] == ["good"]
    assert SHA256 in run("verify").stdout
    assert run("path", "good").stdout.strip() == str(home / "weights" / "good" / "w.pt")
    assert run("path").stdout.strip() == str(home)


def test_command_failures_do_not_stop_the_rest(home):
    done = run("download", "wrong", "gone", "good")
    assert done.exit_code == 1
    assert done.stderr.count("error:") == 2
    assert weights.state("good") == "verified"
    weights.weights_path("good").write_bytes(b"x")
    verified = run("verify")
    assert verified.exit_code == 1
    assert "left as it is" in verified.stderr


def test_command_licence_shown_and_refused_without_a_terminal(home):
    refused = run("download", "nc", "--quiet")
    assert refused.exit_code == 1
    assert "CC-BY-NC-4.0" in refused.stderr
    assert "a note" in refused.stderr
    assert "--accept-license" in refused.stderr
    assert Server.requests == []
    accepted = run("download", "nc", "--accept-license")
    assert accepted.exit_code == 0
    assert "CC-BY-NC-4.0" in accepted.stderr


def test_command_says_what_was_recorded(home):
    assert f"recorded: sha256 {SHA256}" in run("download", "trust").stderr


def test_command_add(home, tmp_path):
    (tmp_path / "w").write_bytes(CONTENT)
    assert run("add", "good", str(tmp_path / "w")).exit_code == 0
    assert run("add", "wrong", str(tmp_path / "w")).exit_code == 1
    assert CliRunner().invoke(app, ["path", "good"]).exit_code == 0


def test_records_are_plain_json(home):
    path = weights.ensure("good", allow_download=True)
    assert json.loads(digests.record_path(path).read_text())["digests"]["git_blob_sha1"] == GIT_BLOB


def test_known_digest_is_not_computed_again(home, monkeypatch):
    path = weights.ensure("good", allow_download=True)
    monkeypatch.setattr(digests, "file_digests", lambda path: pytest.fail("hashed again"))
    assert digests.known_sha256(path) == SHA256
    monkeypatch.undo()
    path.write_bytes(b"changed")
    assert digests.known_sha256(path) == hashlib.sha256(b"changed").hexdigest()


def test_fetching_says_what_is_downloaded(home, capsys):
    assert fetch_weights("good", report=console.REPORTER) == home / "weights" / "good" / "w.pt"
    assert "fetching the weights good (MIT) from nobody/nothing" in capsys.readouterr().err
    fetch_weights("good", report=console.REPORTER)
    assert capsys.readouterr().err == ""


def test_weights_that_must_be_fetched_by_hand_are_listed_with_what_to_do(cltdr):
    from cltdr_cli.zoo import catalog
    from cltdr_cli.zoo.detectors import list_published_detectors

    assert set(list_published_detectors()) <= set(catalog.presets())
    listed = cltdr("weights", "list")
    assert "thumos14-i3d-actionformer" in listed.out
    assert "by hand" in listed.out
    for words in (
        ["weights", "download", "thumos14-i3d-tridet"],
        ["detect", "x.mp4", "--preset", "thumos14-i3d-tridet"],
    ):
        done = cltdr(*words)
        assert done.code != 0
    assert (
        "cltdr convert epoch_039.pth.tar --preset thumos14-i3d-tridet"
        in cltdr("weights", "download", "thumos14-i3d-tridet").err
    )
