"""Training runs as processes of their own, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from cltdr_cli.zoo.checkpoint import load_checkpoint

PATIENCE_SECONDS = 240


def started(words, *launcher):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, "-m", "cltdr_cli", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True)


def finished(process):
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    return output


def records(out, kind):
    lines = (Path(out) / "log.jsonl").read_text().splitlines()
    return [record for line in lines if (record := json.loads(line))["kind"] == kind]


def weights(path):
    return load_checkpoint(path).state


def assert_equal_weights(left, right):
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def kill_after(process, log, step):
    """SIGKILL as soon as so many steps are logged; whatever is being written then is cut off."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and log.read_text().count('"kind": "step"') >= step:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.001)
    process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode
