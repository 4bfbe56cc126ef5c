"""Addresses in the place of files: refused as such by every command, and nothing secret is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation_runs import flat, run

from cltdr_cli.main import SUBCOMMANDS, load_subcommand
from cltdr_cli.video.addresses import hide_secrets, is_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host/a.mp4", True), ("rtsp://camera:554/1", True), ("s3://bucket/a", True), ("file:///a.mp4", True),
        (str(Path("https://host/a.mp4")), True), ("HTTP://HOST", True), ("gs://b", True),
        ("a.mp4", False), ("/data/a.mp4", False), ("C:/data/a.mp4", False), ("C:\\a.mp4", False), ("0:12", False),
        ("a:b", False), ("-", False), ("", False), ("sub/http://x", False),
    ],
)  # fmt: skip
def test_addresses_are_told_from_paths(text, expected):
    assert is_address(text) == expected


def test_secrets_are_not_shown():
    assert hide_secrets("https://me:pass@word@host/a.mp4?token=1") == "https://host/a.mp4"
    assert hide_secrets("s3:/bucket/a") == "s3://bucket/a"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("train", "--preset", "demo", "--annotations", "https://me:secret@host/a.json", "--features", ".", "--out",
          "run"), "--annotations https://host/a.json"),
        (("train", "--preset", "demo", "--annotations", "a.json", "--features", "s3://bucket/f", "--out", "run"),
         "--features s3://bucket/f"),
        (("eval", "--dataset", "custom", "--predictions", "https://host/p.json"), "--predictions https://host/p.json"),
        (("report", "http://host/p.json", "--out", "a.html"), "SEGMENTS http://host/p.json"),
        (("datasets", "check", "--annotations", "gs://bucket/a.json"), "--annotations gs://bucket/a.json"),
        (("features", "check", "s3://bucket/f"), "FOLDER s3://bucket/f"),
        (("clips", "rtsp://camera/1", "p.json", "--out", "d"), "VIDEO rtsp://camera/1"),
        (("detect", "a.mp4", "--annotations", "https://host/a.json"), "--annotations https://host/a.json"),
        (("eval", "--dataset", "custom", "--video-info", "https://host/i.csv"), "--video-info https://host/i.csv"),
    ],
)  # fmt: skip
def test_commands_refuse_an_address_in_place_of_a_file(words, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.exit_code == 2
    assert f"{option} is an address" in flat(done.stderr)
    assert "Download it first" in flat(done.stderr)
    assert "secret" not in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("detect", "a.mp4"), ("extract-features", "a.mp4", "--extractor", "demo")])
def test_results_are_not_written_to_an_address(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*words, "--out", "s3://bucket/out")
    assert done.exit_code == 2
    assert "--out s3://bucket/out is an address" in flat(done.stderr)
    assert not list(tmp_path.iterdir())


def test_extraction_names_the_input_that_is_an_address(tmp_path):
    address = "https://me:secret@host/a.mp4?token=secret"
    done = run("extract-features", address, "--extractor", "demo", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "secret" not in done.output + (tmp_path / "out/failed.csv").read_text()
    assert "https://host/a.mp4 is an address, and files are needed here" in flat(done.stderr)


def test_a_folder_that_is_called_like_an_address_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s3:/bucket").mkdir(parents=True)
    assert "no feature file there" in flat(run("features", "info", "s3://bucket").stderr)


def test_every_command_is_guarded():
    """The wrapper stands around each command and each of those in it."""
    for name in SUBCOMMANDS:
        command = load_subcommand(name)
        for inner in [command, *getattr(command, "commands", {}).values()]:
            assert inner.invoke.__module__ == "cltdr_cli.commands.local_files", name
