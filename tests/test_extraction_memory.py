"""Memory of cltdr extract-features: the same for a video of two minutes and for one of twenty."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from extraction_runs import begun, extraction, looped
from videos_made import Drawn, draw, even_times

MOST_BYTES = 1_500_000_000
SPREAD_BYTES = 100_000_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in units of its own elsewhere"),
]


def peak_bytes(words, home):
    """The most memory that a run had at a time, as the system counted it."""
    run = begun(words, home)
    run.stdout.read()
    _, status, usage = os.wait4(run.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return usage.ru_maxrss * 1024


def test_memory_does_not_grow_with_the_video(tmp_path):
    drawn = draw(tmp_path / "drawn.mp4", Drawn(even_times(250), width=160, height=120))
    peaks = {}
    for minutes in (2, 20):
        video = looped(drawn, tmp_path / f"{minutes}min.mp4", minutes * 6)
        peaks[minutes] = peak_bytes(extraction(video, out=tmp_path / "out"), tmp_path)
        steps = np.load(tmp_path / f"out/{minutes}min.npy", mmap_mode="r").shape[0]
        assert steps == (minutes * 60 * 25 - 16) // 4 + 1
        print(f"{minutes} min, {steps} steps: {peaks[minutes] / 1e6:.0f} MB")
    assert peaks[20] < peaks[2] + SPREAD_BYTES
    assert peaks[20] < MOST_BYTES
