"""Fixtures that every room shares."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


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
def cltdr(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Outcome]:
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
