"""Measuring detection from file to segments: the footage, the seconds of each stage, and the table."""

from __future__ import annotations

import av
import numpy as np
import pytest
from typer.testing import CliRunner
from videos_made import Drawn, draw, even_times

from cltdr_cli.bench import end_to_end as benchmark
from cltdr_cli.bench.end_to_end import Case, Effort, EndToEnd, time_case
from cltdr_cli.editing import footage
from cltdr_cli.editing.footage import write_footage
from cltdr_cli.main import app

BETWEEN = 3
"""FFmpeg's number of B-frames."""

SMALL = Effort(seconds=2.0, run_seconds=1.0, runs=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return draw(tmp_path_factory.mktemp("source") / "v.mp4", Drawn(even_times(40, 20), width=96, height=64))


@pytest.fixture
def run_here(monkeypatch):
    """Cases run in this process, which saves the seconds that another takes to start."""

    class Pool:
        def __init__(self, *args):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def submit(self, function, *words):
            class Done:
                result = staticmethod(lambda: function(*words))

            return Done()

    monkeypatch.setattr(benchmark, "ProcessPoolExecutor", Pool)


def test_footage_is_480p_with_b_frames_and_repeats(source, tmp_path, monkeypatch):
    monkeypatch.setattr(footage, "LOOP_SECONDS", 0.5)
    write_footage(tmp_path / "f.mp4", 1.2, source)
    with av.open(str(tmp_path / "f.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate, stream.frames) == (854, 480, 30, 36)
        assert stream.codec_context.has_b_frames
        frames = list(container.decode(stream))
    assert [frame.time for frame in frames] == pytest.approx([k / 30 for k in range(36)], abs=1e-4)
    assert [at for at, frame in enumerate(frames) if frame.key_frame] == [0, 12, 24]
    assert BETWEEN in {frame.pict_type for frame in frames}
    np.testing.assert_array_equal(frames[3].to_ndarray(), frames[15].to_ndarray())


@pytest.mark.parametrize("preset", ["kinetics600-movinet-a0", "demo"])
def test_stages_and_the_whole_are_timed(source, preset):
    found = time_case(Case(preset), source, SMALL)
    assert found.video_seconds == pytest.approx(2.0, abs=0.1)
    for part in (found.decode, found.network, found.localizer, found.whole, found.processor):
        assert 0 < part < 60
    assert found.peak_bytes > 50e6


def test_ratios():
    found = EndToEnd(30.0, 2.0, 3.0, 0.5, 6.0, 9.0, 1)
    assert (found.times_real_time, found.over_slowest, found.per_minute(found.whole)) == (5.0, 2.0, 12.0)


def test_slow_cases_see_a_part_of_the_video():
    effort = Effort(seconds=60, run_seconds=10)
    assert [benchmark._choose_seconds(tried, effort) for tried in (0.1, 1.0, 4.0, 40.0)] == [60, 40, 10, 4]


@pytest.mark.slow  # the quantiser takes its time
def test_int8_is_calibrated_first(source):
    found = time_case(Case("demo", "openvino", "int8"), source, SMALL)
    assert found.network > 0


def test_the_command_prints_a_table(source, run_here):
    words = ["--preset", "demo", "--video", str(source), "--seconds", "2", "--run-seconds", "1", "--runs", "1"]
    done = CliRunner().invoke(app, ["bench", "end-to-end", *words])
    assert done.exit_code == 0, done.output
    row = done.stdout.splitlines()[2].split()
    assert row[:4] == ["demo", "auto", "fp32", "2"]
    decode, network, localizer, whole, times, over, *_ = map(float, row[4:])
    assert times == pytest.approx(60 / whole, rel=0.05)
    assert over == pytest.approx(whole / max(decode, network, localizer), rel=0.05)


@pytest.mark.parametrize("preset", ["thumos14-i3d", "50salads-cltdr"])
def test_what_cannot_be_measured_is_said(source, run_here, preset):
    done = CliRunner().invoke(app, ["bench", "end-to-end", "--preset", preset, "--video", str(source)])
    assert done.exit_code == 2
    assert f"preset {preset}" in done.stderr
