"""Memory of cltdr extract-features: the same for a video of two minutes and for one of twenty."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from extraction_runs import begun, extraction, looped
from videos_made import Drawn, draw, even_times

MOST_BYTES = 1_500_000_000
SPREAD_BYTES = 100_000_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process stands in /proc"),
]


def peaks_bytes(words, home):
    """The most memory of its own that a run had, and the most with the libraries that it maps, read or not.

    At its end a program touches its libraries once more, as much as the system likes to read ahead: that has
    nothing to do with the video, and is left out of the first. Both are the run's alone: what the system tells of
    all children would be the most of every run of the suite.
    """
    run, own, whole = begun(words, home), [0], [0]
    while run.poll() is None:
        facts = _status(run.pid)
        own.append(facts.get("RssAnon", 0))
        whole.append(facts.get("VmHWM", 0))
        time.sleep(0.01)
    assert run.wait() == 0, run.stdout.read()
    return max(own), max(whole)


def _status(number):
    """Bytes by name, as Linux tells them of a process; nothing once it has ended."""
    with contextlib.suppress(OSError):
        rows = [line.split() for line in Path(f"/proc/{number}/status").read_text().splitlines()]
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[-1] == "kB"}
    return {}


def test_memory_does_not_grow_with_the_video(tmp_path):
    drawn = draw(tmp_path / "drawn.mp4", Drawn(even_times(250), width=160, height=120))
    peaks = {}
    for minutes in (2, 20):
        video = looped(drawn, tmp_path / f"{minutes}min.mp4", minutes * 6)
        peaks[minutes], whole = peaks_bytes(extraction(video, out=tmp_path / "out"), tmp_path)
        steps = np.load(tmp_path / f"out/{minutes}min.npy", mmap_mode="r").shape[0]
        assert steps == (minutes * 60 * 25 - 16) // 4 + 1
        print(f"{minutes} min, {steps} steps: {peaks[minutes] / 1e6:.0f} MB of its own, {whole / 1e6:.0f} in all")
        assert whole < MOST_BYTES
    assert abs(peaks[20] - peaks[2]) < SPREAD_BYTES
