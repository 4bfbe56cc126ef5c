"""Runs of ``cltdr extract-features`` as processes of their own, to be killed, starved and watched."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av

REPOSITORY = Path(__file__).parent.parent
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit status (minus the signal that killed it), and what it said."""

    code: int
    said: str


class Server:
    """Forks runs from a process that has everything loaded."""

    def __init__(self, home: Path) -> None:
        self._home, self._logs = home, 0
        self._log_of: dict[int, Path] = {}
        self._server = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("extraction_server.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(home), cwd=REPOSITORY,
        )  # fmt: skip

    def start(self, *words: object, kill_step: int = 0, folder: object = "", file_bytes: int = 0) -> int:
        """Begin a run; returns its process number."""
        self._logs += 1
        log = self._home / f"log{self._logs}.txt"
        order = {"words": [str(word) for word in words], "kill_step": kill_step, "folder": str(folder)}
        number = self._ask({**order, "file_bytes": file_bytes, "log": str(log)})
        self._log_of[number] = log
        return number

    def wait(self, number: int) -> Ended:
        code = self._ask({"wait": number})
        return Ended(code, self._log_of[number].read_text(errors="replace"))

    def run(self, *words: object, **limits: object) -> Ended:
        return self.wait(self.start(*words, **limits))

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(PATIENCE_SECONDS)

    def _ask(self, order: dict) -> int:
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


def environment(home: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    own = {"CLTDR_HOME": str(home), "CLTDR_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    return {**os.environ, **own}


def extraction(*inputs: object, out: Path, more: Sequence[object] = ()) -> list[str]:
    """Words of a run with the demo extractor."""
    words = ["extract-features", *inputs, "--extractor", "demo", "--device", "cpu", "--out", out, *more]
    return [str(word) for word in words]


def begun(words: Sequence[str], home: Path) -> subprocess.Popen[str]:
    """A run as a user starts it, head of a process group as it is in a shell."""
    return subprocess.Popen(
        [sys.executable, "-m", "cltdr_cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(home), cwd=REPOSITORY,
        start_new_session=True,
    )  # fmt: skip


def ended(run: subprocess.Popen[str]) -> Ended:
    said, _ = run.communicate(timeout=PATIENCE_SECONDS)
    return Ended(run.returncode, said)


def until(true: Callable[[], bool], pause_seconds: float = 0.002) -> None:
    """Wait for something to be so."""
    latest = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < latest, "it did not come"
        time.sleep(pause_seconds)


def children(number: int) -> list[int]:
    """Processes that a process has started, and that run; Linux tells it in /proc."""
    paths = Path("/proc").glob("[0-9]*")
    return [int(path.name) for path in paths if _status(path)[0] not in ("", "Z") and _status(path)[1] == number]


def is_running(number: int) -> bool:
    return _status(Path(f"/proc/{number}"))[0] not in ("", "Z")


def _status(path: Path) -> tuple[str, int]:
    """State and parent of a process; the state is empty where there is none."""
    try:
        state, parent, *_ = (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return state, int(parent)


def holders(out: Path, name: str) -> set[int]:
    """Processes that have the lock of a video open; Linux tells it in /proc."""
    lock = str(out / f".{name}.cltdr-lock")
    return {int(process.name) for process in Path("/proc").glob("[0-9]*") if lock in _opened(process)}


def _opened(process: Path) -> set[str]:
    """Files that a process has open; none where it has ended meanwhile, or belongs to somebody else."""
    found = set[str]()
    with contextlib.suppress(OSError):
        for descriptor in os.scandir(process / "fd"):
            with contextlib.suppress(OSError):
                found.add(str(Path(descriptor.path).readlink()))
    return found


def looped(source: Path, target: Path, times: int) -> Path:
    """A longer video of the same packets again and again; nothing is encoded."""
    with av.open(str(source)) as once:
        stream = once.streams.video[0]
        packets = [packet for packet in once.demux(stream) if packet.dts is not None]
        step = round(1 / (stream.average_rate * stream.time_base))
        length = max(packet.pts for packet in packets) - min(packet.pts for packet in packets) + step
        with av.open(str(target), "w") as container:
            copy = container.add_stream_from_template(stream)
            for turn in range(times):
                for packet in packets:
                    packet.stream = copy
                    packet.pts, packet.dts = packet.pts + length * (turn > 0), packet.dts + length * (turn > 0)
                    container.mux(packet)
                    packet.time_base = stream.time_base
    return target


def outputs(folder: Path) -> dict[str, bytes]:
    """Feature files and sidecars under their final names."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*") if path.name != "failed.csv"}


def hidden(folder: Path) -> list[str]:
    """Unfinished files and locks."""
    return sorted(path.name for path in folder.glob(".*"))
