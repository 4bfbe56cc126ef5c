"""Watching for hours takes as much memory as watching for minutes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from fractions import Fraction

import numpy as np
import pytest
import torch
from extraction_runs import environment, looped

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.live.finders import RangeFinder, StepFinder
from cltdr_cli.live.stretch import LiveDetector
from cltdr_cli.methods.sliding import METHOD
from cltdr_cli.methods.sliding.config import SlidingConfig
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.segments import Detections
from cltdr_cli.timeline import FeatureGrid
from cltdr_cli.video.frames import FrameBatch
from extractors import EXTRACTORS
from extractors.spec import Extractor

RATE, CLASSES = 10, 6


class Toy(Extractor):
    """Features of a window are the mean of its first frame, as scores of classes."""

    spec = EXTRACTORS["demo"].spec
    device = torch.device("cpu")

    def prepare(self, frames):
        return frames.permute(0, 3, 1, 2).float()

    def encode(self, clips):
        return clips[:, 0, 0, 0, :CLASSES] / 25


class Softmax(torch.nn.Module):
    def forward(self, features, mask):
        return features.softmax(2)


def step_finder(steps_per_second: float):
    config = SlidingConfig(CLASSES, context_seconds=3.0, max_duration_seconds=20.0)
    nms = InferenceConfig(nms_method="hard", iou_threshold=0.3, min_score=0.02)
    follower = METHOD.follow(config, nms, FeatureGrid(steps_per_second * 4, 4, 16))
    return StepFinder(Softmax(), follower, torch.device("cpu"), 4, 16)


def range_finder(steps_per_second: float):
    def find_one(sequence):
        times = sequence.grid.to_seconds([[len(sequence) / 2, len(sequence) / 2 + 4]])
        return Detections(times, np.ones(1, np.float32), np.zeros(1, np.int64))

    sizes = {"range_steps": 50, "hop_steps": 5, "margin_steps": 5}
    return RangeFinder(find_one, **sizes, stride_frames=4, window_frames=16, steps_per_second=steps_per_second)


def count_bytes(item, seen) -> int:
    """Bytes of all arrays and entries that an object holds, itself or through others."""
    if id(item) in seen or isinstance(item, type):
        return 0
    seen.add(id(item))
    if isinstance(item, np.ndarray | torch.Tensor):
        return item.nbytes
    parts = item if isinstance(item, list | tuple | set) else item.values() if isinstance(item, dict) else ()
    return 8 * len(parts) + sum(count_bytes(part, seen) for part in [*parts, *getattr(item, "__dict__", {}).values()])


@pytest.mark.parametrize("make_finder", [step_finder, range_finder])
@pytest.mark.parametrize("fps", [None, 5.0])
def test_memory_is_flat(make_finder, fps):
    """Four minutes of ten frames a second, whose times waver, so that they have to be kept as long as they matter."""
    stretch = LiveDetector(Toy(), VideoOptions(fps=fps, batch_clips=2), make_finder).begin(Fraction(RATE))
    rng, held, told = np.random.default_rng(0), [], 0
    for part in range(12):
        for at in range(part * 40, part * 40 + 40):  # batches of half a second
            times = (np.arange(at * 5, at * 5 + 5) + rng.uniform(0, 0.9, 5)) / RATE
            frames = np.repeat(rng.integers(0, 255, (1, 2, CLASSES, 3), np.uint8), 5, 0)
            told += len(stretch.push(FrameBatch(frames, times)))
        held.append(count_bytes(stretch, set()))
    assert told > 0
    assert max(held[9:]) < 1.1 * max(held[6:9]) + 5_000


@pytest.mark.slow  # an hour of video, at full speed
def test_an_hour_takes_no_more_memory_than_ten_minutes(sample_video, tmp_path):
    """The whole program on looped video; peak memory of the process after 10 and after 60 minutes."""
    path = looped(sample_video, tmp_path / "hour.mp4", 1200)
    script = """
        import resource, sys
        from cltdr_cli import watch
        peaks, told = {}, 0
        for event in watch(sys.argv[1], preset="demo", device="cpu"):
            told += 1
            peaks[int(event.seen // 600)] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(told, peaks[1], peaks[5])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), path],
        capture_output=True, text=True, check=True, env=environment(tmp_path),
    )  # fmt: skip
    told, early, late = map(int, done.stdout.split())
    assert told > 100
    assert late - early < 20_000  # kilobytes; every frame of the hour would be gigabytes
