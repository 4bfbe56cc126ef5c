"""The engines of cltdr extract-features: workers that die, threads that share a network, runs that are stopped."""

from __future__ import annotations

import csv
import io
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path

import numpy as np
import pytest
import torch
from extraction_runs import begun, children, ended, extraction, hidden, holders, is_running, outputs, until

from cltdr_cli.extraction.one_video import Outcome
from cltdr_cli.extraction.workers import ATTEMPTS, WorkerDeath, collect_outcomes
from cltdr_cli.features.batching import SharedExtractor
from cltdr_cli.video.named_inputs import Input

linux = pytest.mark.skipif(sys.platform != "linux", reason="whose lock it is stands in /proc")


def check_like(found, whole):
    """Features of the same videos, however many threads computed them."""
    assert found.keys() == whole.keys()
    for name in (name for name in found if name.endswith(".npy")):
        mine, theirs = (np.load(io.BytesIO(side[name])) for side in (found, whole))
        assert mine.shape == theirs.shape
        assert np.linalg.norm(mine - theirs) < 1e-6 * np.linalg.norm(theirs)


def kill_workers(run, out, times):
    """Kill the workers that hold these videos, each so many times, in whatever order they come to them.

    A worker has its video before it has loaded: on a busy machine, b may be done before a is begun.
    """
    left, killed = Counter(times), set[int]()
    while left.total():
        until(lambda: any(holders(out, name) - killed for name in +left) or run.poll() is not None)
        assert run.poll() is None, (left, ended(run).said)
        for name in +left:
            for worker in holders(out, name) - killed:
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)
                left[name] -= 1


@linux
def test_workers_that_are_killed(films, whole, tmp_path):
    """The worker of a is killed once: a is made all the same; that of b each time: b is given up, c and d made."""
    out = tmp_path / "out"
    run = begun(extraction(films, out=out, more=["--workers", 2]), tmp_path)
    kill_workers(run, out, {"a": 1, "b": ATTEMPTS})
    done = ended(run)
    assert done.code == 1
    assert "3 extracted, 0 already there, 1 failed" in done.said
    (row,) = csv.DictReader((out / "failed.csv").open())
    assert row["input"] == str(films / "b.mp4")
    assert "the worker died over it 2 times, the last time by SIGKILL" in row["reason"]
    check_like(outputs(out), {name: data for name, data in whole.items() if name[0] != "b"})
    assert hidden(out) == []


def in_hand(out):
    """How many of the four videos somebody is making; other hidden files come and go before that."""
    return sum(bool(holders(out, name)) for name in "abcd")


STOPS = [("SIGINT", 130), ("SIGTERM", 143)]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("name", "code"), STOPS)
@pytest.mark.parametrize("at_once", [1, 2])
def test_a_stopped_run_leaves_nothing_half_written(server, films, whole, tmp_path, name, code, at_once):
    run = server.start(*extraction(films, out=tmp_path, more=["--at-once", at_once]))
    until(lambda: in_hand(tmp_path) == at_once)
    time.sleep(0.2)
    os.kill(run, getattr(signal, name))
    done = server.wait(run)
    assert done.code == code, done.said
    assert "stopped; nothing half-written" in done.said
    assert "Traceback" not in done.said
    assert hidden(tmp_path) == []
    assert outputs(tmp_path).items() < whole.items()


@linux
@pytest.mark.parametrize(("name", "code"), STOPS)
def test_stopped_workers_leave_nothing_half_written(films, tmp_path, name, code):
    """Ctrl-C reaches the run and its workers, one of which still loads; SIGTERM the run alone."""
    out = tmp_path / "out"
    run = begun(extraction(films, out=out, more=["--workers", 2]), tmp_path)
    until(lambda: in_hand(out) >= 1)
    workers = children(run.pid)
    assert len(workers) >= 2
    (os.killpg if name == "SIGINT" else os.kill)(run.pid, getattr(signal, name))
    done = ended(run)
    assert done.code == code, done.said
    assert done.said.strip().splitlines() == ["warning: stopped; nothing half-written"]
    assert hidden(out) == []
    until(lambda: not any(map(is_running, workers)))


def test_videos_at_once_give_the_same_features(server, films, whole, tmp_path):
    done = server.run(*extraction(films, out=tmp_path, more=["--at-once", 3]))
    assert "4 extracted" in done.said
    check_like(outputs(tmp_path), whole)


class Sums:
    """An extractor whose feature of a clip is its sum; notes how many clips come at once; dislikes 13."""

    spec, device = None, torch.device("cpu")

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode(self, clips):
        self.batches.append(len(clips))
        if (clips == 13).any():
            raise ValueError("13")
        return clips.flatten(1).sum(1, keepdim=True)


def asked(shared, clips):
    """Encode on a thread; gives the thread and what comes."""
    answers: list[object] = []

    def ask():
        try:
            answers.append(shared.encode(clips))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, answers


def test_clips_of_several_videos_share_a_batch_and_errors_find_their_owner(monkeypatch):
    monkeypatch.setattr("cltdr_cli.features.batching.PATIENCE_SECONDS", 0.5)
    network = Sums()
    shared = SharedExtractor(network, 8)
    orders = [torch.full((2, 3), float(value)) for value in (1, 13, 5)]
    asks = [asked(shared, order) for order in [*orders, torch.full((8, 3), 2.0)]]
    for thread, _ in asks:
        thread.join(20)
    shared.close()
    one, thirteen, five, full = (answers[0] for _, answers in asks)
    assert isinstance(thirteen, ValueError)
    assert one.tolist() == [[3.0]] * 2
    assert five.tolist() == [[15.0]] * 2
    assert full.tolist() == [[6.0]] * 8
    assert 6 in network.batches, "the small ones went together"
    assert 8 in network.batches, "the full one went alone"


def test_a_shared_extractor_serves_who_waits_and_then_nobody():
    network = Sums()
    shared = SharedExtractor(network, 4)
    asks = [asked(shared, torch.full((3, 1), float(value))) for value in range(6)]
    while len(network.batches) + shared._orders.qsize() < 6:
        time.sleep(0.001)
    shared.close()
    for value, (thread, answers) in enumerate(asks):
        thread.join(20)
        assert answers[0].tolist() == [[float(value)]] * 3
    with pytest.raises(RuntimeError, match="closed"):
        shared.encode(torch.zeros(1, 1))


class Toy:
    """Two workers; every video's next event stands in a table, the last one for ever."""

    def __init__(self, events: dict[str, list[str]]) -> None:
        self._events, self._given, self.most = events, deque[Input](), 0

    @property
    def idle(self) -> int:
        return 2 - len(self._given)

    @property
    def working(self) -> int:
        return len(self._given)

    def give(self, item: Input) -> None:
        self._given.append(item)
        self.most = max(self.most, len(self._given))

    def wait(self):
        if not self._given:
            return []
        item = self._given.popleft()
        events = self._events[item.video_id]
        event = events.pop(0) if len(events) > 1 else events[0]
        return [WorkerDeath(item, "by SIGSEGV") if event == "death" else Outcome(item, event)]

    def close(self) -> None:
        self._given.clear()


def test_every_video_has_one_outcome_whatever_becomes_of_the_workers(monkeypatch):
    monkeypatch.setattr("cltdr_cli.extraction.workers.BUSY_POLL_SECONDS", 0.01)
    events = {
        "good": ["made"], "once": ["death", "made"], "always": ["death"], "bad": ["failed"],
        "theirs": ["busy", "busy", "kept"], "left": ["busy", "death", "made"],
    }  # fmt: skip
    toy, waited = Toy(events), []
    items = [Input(Path(name), name, is_features=False) for name in events]
    found = {outcome.item.video_id: outcome for outcome in collect_outcomes(items, toy, waited.append)}
    assert {name: outcome.status for name, outcome in found.items()} == {
        "good": "made", "once": "made", "always": "failed", "bad": "failed", "theirs": "kept", "left": "made",
    }  # fmt: skip
    assert "died over it 2 times, the last time by SIGSEGV" in found["always"].reason
    assert toy.most == 2
    assert waited == [2], "said once, with their number"
