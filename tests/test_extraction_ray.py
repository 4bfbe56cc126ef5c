"""cltdr extract-features --engine ray: two actors of a cluster on this machine, one of which is killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from extraction_runs import begun, ended, extraction, hidden, holders, outputs, until

pytest.importorskip("ray", reason="needs the extra: ray")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="which actor works on what stands in /proc")


def of_this_run(home: Path) -> list[Path]:
    """Processes that were started, by whatever detour, with the environment of a run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"CLTDR_HOME={home}\0".encode() in path.read_bytes() + b"\0":
                found.append(path.parent)
        except OSError:
            continue
    return found


def test_an_actor_that_is_killed(films, whole, tmp_path):
    """All videos are made, byte for byte what one local worker makes with as many threads; no process stays."""
    out = tmp_path / "out"
    run = begun(extraction(films, out=out, more=["--engine", "ray", "--workers", 2]), tmp_path)
    until(lambda: holders(out, "b"))
    (actor,) = holders(out, "b")
    assert actor != run.pid
    os.kill(actor, signal.SIGKILL)
    done = ended(run)
    assert done.code == 0, done.said
    assert "4 extracted, 0 already there, 0 failed" in done.said
    assert outputs(out) == whole
    assert hidden(out) == []
    assert not (out / "failed.csv").exists()
    until(lambda: not of_this_run(tmp_path))


def test_a_stopped_run_dismisses_its_actors(films, tmp_path):
    out = tmp_path / "out"
    run = begun(extraction(films, out=out, more=["--engine", "ray", "--workers", 2]), tmp_path)
    until(lambda: len(hidden(out)) == 2)
    os.kill(run.pid, signal.SIGTERM)
    done = ended(run)
    assert (done.code, done.said) == (143, "warning: stopped; nothing half-written\n")
    assert hidden(out) == []
    until(lambda: not of_this_run(tmp_path))
