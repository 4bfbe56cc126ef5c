"""Fixtures that every room shares."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from extraction_runs import Server, extraction, looped, outputs

REPOSITORY = Path(__file__).parent.parent

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a test process for each core: threads would wait for one another

os.environ["CLTDR_OFFLINE"] = "1"  # no test reaches for the network; those of downloads take it away themselves

# What a shell starts in the background ignores Ctrl-C, and every process that the suite starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos, annotations and golden numbers that stands beside the repository."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip("the folder 'shared' (real files, golden numbers) does not stand beside the repository")
    return folder


@dataclass(frozen=True)
class Outcome:
    """What one run of the command line gave."""

    code: int
    out: str
    err: str


@pytest.fixture
def cltdr(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Outcome]:
    """Run ``cltdr`` in this process: exit status, stdout, stderr. The cache is empty, the network off."""
    monkeypatch.setenv("CLTDR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLTDR_OFFLINE", "1")

    def run(*words: object) -> Outcome:
        from cltdr_cli.main import main

        monkeypatch.setattr(sys, "argv", ["cltdr", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        captured = capfd.readouterr()
        return Outcome(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def sample_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of the drawn world."""
    from cltdr_cli.demo.script import draw_script
    from cltdr_cli.demo.world import write_video

    path = tmp_path_factory.mktemp("video") / "drawn.mp4"
    write_video(path, draw_script("test", 7, 1, duration_seconds=3.0))
    return path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Runs of the command line as processes of their own, begun at once."""
    if not hasattr(os, "fork"):
        pytest.skip("this system forks no processes")
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def films(sample_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four videos of 21 seconds, whose features take a good part of a second each."""
    folder = tmp_path_factory.mktemp("films")
    first = looped(sample_video, folder / "a.mp4", 7)
    for name in "bcd":
        shutil.copy(first, folder / f"{name}.mp4")
    return folder


@pytest.fixture(scope="session")
def whole(server: Server, films: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed run makes of ``films``: feature files and sidecars by name."""
    out = tmp_path_factory.mktemp("whole")
    done = server.run(*extraction(films, out=out))
    assert done.code == 0, done.said
    return outputs(out)
