"""Runs of cltdr extract-features that are killed, at every step and at any moment, and that share a folder."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import sys
import time

import numpy as np
import pytest
from extraction_runs import extraction, hidden, outputs, until
from videos_made import Drawn, draw, even_times

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def check_pairs(found, whole):
    """No file under a final name is anything but what an undisturbed run makes."""
    assert {name: data for name, data in found.items() if data != whole[name]} == {}


def locks(out):
    return [name for name in hidden(out) if name.endswith("-lock")]


def stamped(out):
    """When each finished output was made."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("[!.]*.json")}


def listed(out):
    return {row["input"]: row["reason"] for row in csv.DictReader((out / "failed.csv").open(newline=""))}


def counted(done):
    assert done.code == 0, done.said
    return int(re.search(r"(\d+) extracted", done.said)[1])


def test_killed_before_every_file_system_step(server, tmp_path):
    """Each run begins in what the one before left, and is killed one step later, until one is through."""
    video = draw(tmp_path / "short.mp4", Drawn(even_times(20)))
    words = extraction(video, out=tmp_path / "out", more=["--overwrite"])
    assert server.run(*words).code == 0
    whole, steps = outputs(tmp_path / "out"), 0
    done, wrecks = None, set()
    while done is None or done.code == -signal.SIGKILL:
        steps += 1
        done = server.run(*words, kill_step=steps, folder=tmp_path / "out")
        check_pairs(outputs(tmp_path / "out"), whole)
        wrecks.add((len(outputs(tmp_path / "out")), len(hidden(tmp_path / "out"))))
    assert done.code == 0, done.said
    assert steps > 20, "the steps of writing two files under a claim"
    assert {(2, 2), (1, 2), (2, 0)} <= wrecks, "killed with an unfinished file beside two, beside one, beside none"
    assert outputs(tmp_path / "out") == whole
    assert hidden(tmp_path / "out") == []


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_at_any_moment(server, films, whole, tmp_path, seed):
    random, words = np.random.default_rng(seed), extraction(films, out=tmp_path)
    stamps: dict[str, int] = {}
    for _ in range(4):
        run = server.start(*words)
        until(lambda: locks(tmp_path))
        time.sleep(random.uniform(0, 1.5))
        os.kill(run, signal.SIGKILL)
        assert server.wait(run).code in (0, -signal.SIGKILL)
        check_pairs(outputs(tmp_path), whole)
        assert stamps.items() <= stamped(tmp_path).items(), "what is finished is not made again"
        stamps = stamped(tmp_path)
    counted(server.run(*words))
    assert outputs(tmp_path) == whole
    assert stamps.items() <= stamped(tmp_path).items()
    assert hidden(tmp_path) == []


def test_two_at_once_make_each_video_once(server, films, whole, tmp_path):
    runs = [server.start(*extraction(films, out=tmp_path)) for _ in range(2)]
    until(lambda: len(locks(tmp_path)) == 2)
    assert sum(counted(server.wait(run)) for run in runs) == 4
    assert outputs(tmp_path) == whole
    assert hidden(tmp_path) == []


def test_the_video_of_a_killed_program_is_taken_over(server, films, whole, tmp_path):
    killed = server.start(*extraction(films / "a.mp4", out=tmp_path))
    until(lambda: locks(tmp_path) == [".a.cltdr-lock"])
    os.kill(killed, signal.SIGSTOP)
    other = server.start(*extraction(films, out=tmp_path))
    until(lambda: len(outputs(tmp_path)) == 6)
    time.sleep(0.2)
    assert ".a.cltdr-lock" in locks(tmp_path), "the other waits for it"
    os.kill(killed, signal.SIGKILL)
    done = server.wait(other)
    assert "waiting for 1 video that another program is extracting" in done.said
    assert counted(done) == 4
    assert server.wait(killed).code == -signal.SIGKILL
    assert outputs(tmp_path) == whole
    assert hidden(tmp_path) == []


def test_failures_are_listed_whenever_the_run_is_killed(server, films, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "0.mp4").write_text("no video")
    (folder / "z.mp4").write_text("no video")
    assert server.run(*extraction(folder, out=out)).code == 1
    assert [name.rsplit("/", 1)[-1] for name in listed(out)] == ["0.mp4", "z.mp4"]
    shutil.copy(films / "a.mp4", folder / "a.mp4")
    (folder / "0.mp4").write_text("no video at all")
    run = server.start(*extraction(folder, out=out))
    until(lambda: locks(out) == [".a.cltdr-lock"])
    os.kill(run, signal.SIGKILL)
    server.wait(run)
    assert listed(out).keys() == {str(folder / "0.mp4"), str(folder / "z.mp4")}
    shutil.copy(films / "a.mp4", folder / "z.mp4")
    assert server.run(*extraction(folder, out=out)).code == 1
    assert listed(out).keys() == {str(folder / "0.mp4")}, "z was made"


def test_two_at_once_lose_no_row_of_failures(server, tmp_path):
    out, names = tmp_path / "out", set()
    for part in "ab":
        (tmp_path / part).mkdir()
        for number in range(12):
            (tmp_path / part / f"{number}.mp4").write_text("no video")
            names.add(str(tmp_path / part / f"{number}.mp4"))
    both = [server.start(*extraction(tmp_path / part, out=out)) for part in "ab"]
    assert [server.wait(run).code for run in both] == [1, 1]
    assert listed(out).keys() == names
    assert hidden(out) == []
