"""Frames decoded ahead on a thread: which ones, at what times, in bounded memory, and no thread left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videos_made import DRAWN, VARIED_SECONDS, cut_off, made, number_of

from cltdr_cli.errors import StreamBrokenError, UsageError, VideoError
from cltdr_cli.video import open_video
from cltdr_cli.video.decord_reader import is_decord_installed
from cltdr_cli.video.frame_stream import BATCH_BYTES, FrameStream
from cltdr_cli.video.frames import FrameBatch, VideoInfo

READERS = [
    "pyav",
    pytest.param("decord", marks=pytest.mark.skipif(not is_decord_installed(), reason="decord has no wheel here")),
]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    return lambda name: made(tmp_path_factory.getbasetemp() / "videos", name)


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert not threads()


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "cltdr-read-ahead"]


def numbers_and_times(stream):
    batches = list(stream)
    numbers = [number_of(frame) for batch in batches for frame in batch.frames]
    return numbers, np.concatenate([batch.pts_seconds for batch in batches])


class MemoryReader:
    """A reader of frames that exist only when asked for; frame k is a picture of value k % 256."""

    def __init__(self, times, width=8, height=4, broken_after=None):
        self.times, self.broken_after, self.made = times, broken_after, 0
        self.info = VideoInfo(Path("memory"), Fraction(25), None, None, width, height, 0, "none", "memory")

    def batches(self, batch_frames, start_seconds=None):
        for first in range(0, len(self.times), batch_frames):
            times = np.array(self.times[first : first + batch_frames])
            if self.broken_after is not None and first >= self.broken_after:
                raise StreamBrokenError("torn", seconds=float(self.times[first]))
            values = (first + np.arange(len(times))).astype(np.uint8).reshape(-1, 1, 1, 1)
            self.made += 1
            yield FrameBatch(np.tile(values, (1, self.info.height, self.info.width, 3)), times)

    def close(self):
        pass


class TestWhichFrames:
    @pytest.mark.parametrize("reader", READERS)
    def test_all_of_them_by_default(self, drawn, reader):
        stream = FrameStream(open_video(drawn("ntsc.mkv"), reader), batch_frames=7)
        numbers, times = numbers_and_times(stream)
        assert numbers == list(range(90))
        assert stream.timing.rate == 30000 / 1001
        assert stream.timing.frame_count == 90
        assert stream.timing.start_seconds == times[0] == 0
        assert stream.timing.duration_seconds == pytest.approx(90 * 1001 / 30000)
        assert (stream.timing.knots, stream.timing.broken_seconds, stream.timing.broken_reason) == ((), None, "")

    @pytest.mark.parametrize("reader", READERS)
    def test_a_varying_rate_leaves_knots(self, drawn, reader):
        stream = FrameStream(open_video(drawn("varied.mp4"), reader))
        numbers, times = numbers_and_times(stream)
        assert numbers == list(range(60))
        at, seconds = np.array(stream.timing.knots).T
        assert np.abs(np.interp(np.arange(60), at, seconds) - times).max() <= 0.0011
        assert stream.timing.duration_seconds > times[-1]

    @pytest.mark.parametrize("reader", READERS)
    @pytest.mark.parametrize("name", ["constant.mp4", "ntsc.mkv", "packed.avi", "one.mp4"])
    def test_resampling_at_the_own_rate_changes_nothing(self, drawn, name, reader):
        opened = open_video(drawn(name), reader)
        own, own_times = numbers_and_times(FrameStream(opened))
        numbers, times = numbers_and_times(FrameStream(opened, fps=float(DRAWN[name].rate)))
        assert numbers == own
        np.testing.assert_allclose(times, own_times, atol=0.0006)

    @pytest.mark.parametrize("reader", READERS)
    def test_half_the_rate_takes_every_other_frame(self, drawn, reader):
        stream = FrameStream(open_video(drawn("constant.mp4"), reader), fps=12.5)
        numbers, times = numbers_and_times(stream)
        assert numbers == list(range(0, 60, 2))
        np.testing.assert_allclose(times, np.arange(30) / 12.5)
        assert (stream.timing.rate, stream.timing.frame_count) == (12.5, 30)
        assert stream.timing.duration_seconds == pytest.approx(2.4)

    def test_twice_the_rate_repeats_every_frame(self, drawn):
        numbers, times = numbers_and_times(FrameStream(open_video(drawn("constant.mp4")), fps=50, batch_frames=5))
        assert numbers == [k // 2 for k in range(120)]  # an instant midway takes the earlier frame
        assert len(times) == 120

    @pytest.mark.parametrize("rate", [3, 10, 25, 60])
    def test_a_varying_rate_is_resampled_by_time(self, drawn, rate):
        stream = FrameStream(open_video(drawn("varied.mp4"), "pyav"), fps=rate)
        numbers, times = numbers_and_times(stream)
        source = np.array(VARIED_SECONDS) - VARIED_SECONDS[0]
        far = np.abs(source[numbers] - times) - np.abs(source[:, None] - times).min(0)
        assert far.max() < 3e-5  # ticks of the file
        np.testing.assert_allclose(np.diff(times), 1 / rate)
        assert times[-1] < stream.timing.duration_seconds <= times[-1] + 1 / rate + 1e-6
        assert stream.timing.knots == ()

    @pytest.mark.parametrize("reader", READERS)
    @pytest.mark.parametrize("fps", [None, 10.0])
    @pytest.mark.parametrize(("start", "end"), [(1.0, 2.0), (None, 0.5), (15.03, None), (19.9, 60.0), (7.31, 7.72)])
    def test_a_range_keeps_the_times_of_the_whole(self, drawn, start, end, fps, reader):
        opened = open_video(drawn("long.mp4"), reader)
        stream = FrameStream(opened, fps=fps, start_seconds=start, end_seconds=end)
        numbers, times = numbers_and_times(stream)
        instants = np.arange(200) / 10 if fps else np.arange(500) / 25
        inside = (instants >= (start or 0) - 1e-9) & (instants < (end or 60) - 1e-9)
        np.testing.assert_allclose(times, instants[inside])
        picked = np.abs(np.arange(500)[:, None] / 25 - times)  # instants midway between two frames take the earlier
        assert numbers == np.argmin(np.round(picked, 6), 0).tolist()
        assert stream.timing.start_seconds == pytest.approx(instants[inside][0])
        assert stream.timing.duration_seconds == pytest.approx(min(end or 20, times[-1] + 1 / (fps or 25), 20), abs=0.1)

    def test_a_range_without_frames_says_where_the_video_ends(self, drawn):
        stream = FrameStream(open_video(drawn("constant.mp4")), start_seconds=9)
        with pytest.raises(VideoError, match=r"no frame between 9 s and inf s; it ends at 2.400 s"):
            list(stream)

    @pytest.mark.parametrize(("start", "end"), [(2, 1), (1, 1), (float("nan"), None)])
    def test_an_empty_range_is_wrong_usage(self, drawn, start, end):
        with pytest.raises(UsageError, match="is empty"):
            FrameStream(open_video(drawn("constant.mp4")), start_seconds=start, end_seconds=end)

    @pytest.mark.parametrize("fps", [0, -1, float("inf"), float("nan")])
    def test_an_impossible_rate_is_wrong_usage(self, drawn, fps):
        with pytest.raises(UsageError, match="frames per second cannot be"):
            FrameStream(open_video(drawn("constant.mp4")), fps=fps)

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.floats(0.005, 0.4), min_size=1, max_size=70),
        st.one_of(st.none(), st.floats(1, 60)),
        st.integers(1, 9),
    )
    def test_batches_do_not_matter(self, steps, fps, batch_frames):
        times = np.cumsum(steps).tolist()
        whole = list(FrameStream(MemoryReader(times), fps=fps, batch_frames=1000))
        parts = list(FrameStream(MemoryReader(times), fps=fps, batch_frames=batch_frames))
        assert all(1 <= len(part) <= batch_frames for part in parts)
        for pick in ("frames", "pts_seconds"):
            np.testing.assert_array_equal(
                np.concatenate([getattr(b, pick) for b in whole]),
                np.concatenate([getattr(b, pick) for b in parts]),
            )


class TestBreaks:
    @pytest.mark.parametrize("fps", [None, 25.0])
    def test_frames_up_to_the_break_and_a_note_of_it(self, drawn, tmp_path, fps):
        stream = FrameStream(open_video(cut_off(drawn("constant.mp4"), tmp_path, 0.6)), fps=fps)
        numbers, _ = numbers_and_times(stream)
        assert numbers == list(range(len(numbers)))
        assert stream.timing.broken_seconds == pytest.approx(len(numbers) / 25)
        assert "ends before its header says" in stream.timing.broken_reason
        assert stream.timing.duration_seconds == pytest.approx(len(numbers) / 25)

    @pytest.mark.parametrize("fps", [None, 5.0])
    def test_strict_makes_it_an_error_after_the_good_frames(self, fps):
        stream = FrameStream(MemoryReader(np.arange(50) / 25, broken_after=40), fps=fps, batch_frames=8, strict=True)
        seen: list[int] = []
        with pytest.raises(StreamBrokenError, match="torn") as broken:
            seen.extend(len(batch) for batch in stream)
        assert sum(seen) == (40 if fps is None else 8)
        assert broken.value.seconds == 1.6

    def test_the_real_broken_stream(self, shared):
        stream = FrameStream(open_video(shared / "data" / "videos" / "corrupted.mp4"))
        assert sum(len(batch) for batch in stream) == 28
        assert stream.timing.broken_seconds == pytest.approx(2.8)
        assert "Invalid data found" in stream.timing.broken_reason

    def test_a_range_behind_the_break_is_the_break(self, drawn, tmp_path):
        stream = FrameStream(open_video(cut_off(drawn("constant.mp4"), tmp_path, 0.6)), start_seconds=2.2)
        with pytest.raises(StreamBrokenError, match="only up to"):
            list(stream)

    def test_timing_is_not_known_before_the_end(self, drawn):
        stream = FrameStream(open_video(drawn("constant.mp4")), batch_frames=4)
        batches = iter(stream)
        next(batches)
        with pytest.raises(RuntimeError, match="after the last frame"):
            _ = stream.timing
        batches.close()


class TestMemory:
    def test_a_slow_consumer_holds_the_decoder_back(self):
        reader = MemoryReader(np.arange(4000) / 25)
        stream = FrameStream(reader, batch_frames=10, queue_batches=3)
        for taken, _ in enumerate(stream, 1):
            if taken == 5:
                time.sleep(0.3)
                assert reader.made <= 5 + 3 + 2  # waiting, offered, and being made
                break

    @pytest.mark.parametrize(("width", "height", "frames"), [(340, 256, 32), (1920, 1080, 4), (3840, 2160, 1)])
    def test_batches_of_large_frames_are_small(self, width, height, frames):
        reader = MemoryReader(np.arange(40) / 25, width, height)
        batches = iter(FrameStream(reader, queue_batches=1))
        assert len(next(batches)) == frames
        batches.close()
        assert width * height * 3 <= BATCH_BYTES

    def test_each_frame_is_decoded_once(self):
        reader = MemoryReader(np.arange(640) / 25)
        assert sum(len(batch) for batch in FrameStream(reader, batch_frames=32)) == 640
        assert reader.made == 20


class TestThread:
    def test_ends_when_the_consumer_stops_early(self, drawn):
        for batch in FrameStream(open_video(drawn("long.mp4")), batch_frames=2, queue_batches=1):
            assert len(threads()) == 1
            assert len(batch) == 2
            break
        assert not threads()

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_ends_when_the_consumer_fails(self, drawn, error):
        def consume():
            for _ in FrameStream(open_video(drawn("long.mp4")), batch_frames=2, queue_batches=1):
                raise error

        with pytest.raises(error):
            consume()
        assert not threads()

    def test_two_streams_of_one_reader_do_not_disturb_each_other(self, drawn):
        reader = open_video(drawn("constant.mp4"))
        pairs = zip(FrameStream(reader, batch_frames=4), FrameStream(reader, batch_frames=4), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one.frames, other.frames)

    @pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
    def test_control_c_ends_the_program_at_once(self, drawn):
        script = """
            import sys, time
            from cltdr_cli.video import open_video
            from cltdr_cli.video.frame_stream import FrameStream
            for batch in FrameStream(open_video(sys.argv[1]), batch_frames=1, queue_batches=1):
                print("frame", flush=True)
                time.sleep(0.2)
        """
        command = [sys.executable, "-c", textwrap.dedent(script), str(drawn("long.mp4"))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            assert program.stdout.readline() == "frame\n"
            program.send_signal(signal.SIGINT)
            _, told = program.communicate(timeout=20)
        assert program.returncode == -signal.SIGINT
        assert told.rstrip().endswith("KeyboardInterrupt")
