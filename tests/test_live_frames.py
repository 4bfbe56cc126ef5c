"""Sources that go on: frames and times, drops and gaps, pipes, and what cannot be opened."""

from __future__ import annotations

import os
import threading
from fractions import Fraction

import av
import numpy as np
import pytest
from videos_made import number_of, numbered_frame, rewrap

from cltdr_cli.errors import VideoError
from cltdr_cli.video import open_video
from cltdr_cli.video.frames import FrameBatch
from cltdr_cli.video.live_decoding import decode_on
from cltdr_cli.video.live_frames import GAP_SECONDS, Gap, Interruption, LiveFrames, RecordedFrames, gather_live
from cltdr_cli.video.live_sources import open_pipe, open_source

FRAMES, RATE = 60, 20


@pytest.fixture(scope="module")
def stream_file(tmp_path_factory):
    """Three seconds of numbered frames in MPEG-TS, as cameras and tuners send it."""
    path = tmp_path_factory.mktemp("live") / "stream.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", RATE, options={"g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number, 96, 64))
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 3))
        self.now += seconds


def live(openings, clock, **settings) -> LiveFrames:
    """A source whose connections are these files or errors, one after the other; the last one again and again."""
    left = iter(openings)
    last = [None]

    def open_next():
        last[0] = next(left, last[0])
        if isinstance(last[0], Exception):
            raise last[0]
        return av.open(str(last[0]))

    return LiveFrames(open_next, "camera", clock=clock, pause=clock.pause, **settings)


def until(source, most_batches: int):
    """What a source gives, up to so many batches."""
    seen = []
    for item in source:
        seen.append(item)
        if sum(isinstance(each, FrameBatch) for each in seen) == most_batches:
            break
    return seen


def numbers(items):
    return [number_of(frame) for item in items if isinstance(item, FrameBatch) for frame in item.frames]


def test_a_pipe_gives_every_frame_once_and_ends(stream_file):
    with stream_file.open("rb") as file:
        source = LiveFrames(lambda: open_pipe(file, "pipe"), "pipe", reopens=False)
        assert (source.rate, source.is_live) == (RATE, True)
        seen = list(source)
    assert numbers(seen) == list(range(FRAMES))
    times = np.concatenate([batch.pts_seconds for batch in seen])
    np.testing.assert_allclose(times, np.arange(FRAMES) / RATE, atol=1e-4)
    assert max(map(len, seen)) <= RATE // 2


def test_a_named_pipe(stream_file, tmp_path):
    path = tmp_path / "camera"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(stream_file.read_bytes()))
    writer.start()
    assert numbers(open_source(path)) == list(range(FRAMES))
    writer.join()


def test_a_source_that_drops_is_opened_again_and_the_gap_is_told(stream_file):
    clock, error = Clock(), VideoError("not there", "wait")
    seen = until(live([stream_file, error, error, stream_file], clock), 14)
    interruption, gap = (next(item for item in seen if isinstance(item, kind)) for kind in (Interruption, Gap))
    assert clock.pauses == [1.0, 2.0]
    assert interruption.seconds == pytest.approx(3.0, abs=1e-3)
    assert "camera gave no more frames" in interruption.reason
    assert (gap.start_seconds, gap.end_seconds) == (pytest.approx(3.0, abs=1e-3), pytest.approx(6.0, abs=1e-3))
    after = seen[seen.index(gap) + 1 :]
    assert numbers(after)[:3] == [0, 1, 2]
    assert after[0].pts_seconds[0] == pytest.approx(6.0, abs=1e-3)


def test_a_recording_that_a_server_plays_ends(stream_file, tmp_path):
    path = tmp_path / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{stream_file}\n#EXT-X-ENDLIST\n")
    source = LiveFrames(lambda: av.open(str(path)), "server")
    assert numbers(source) == list(range(FRAMES))


def test_an_encoder_that_is_restarted_goes_on_in_a_pipe(stream_file, tmp_path):
    """Its times go back by more than a minute, which FFmpeg would take for a counter that has run over."""
    late = rewrap(stream_file, tmp_path / "late.ts", format="mpegts", options={"output_ts_offset": "500"})
    path = tmp_path / "both.ts"
    path.write_bytes(late.read_bytes() + stream_file.read_bytes())
    with path.open("rb") as file:
        seen = list(LiveFrames(lambda: open_pipe(file, "pipe"), "pipe", reopens=False))
    assert not [item for item in seen if isinstance(item, Gap)]
    assert np.concatenate([item.pts_seconds for item in seen])[-1] == pytest.approx(2 * FRAMES / RATE, abs=0.2)


def test_pauses_double_up_to_half_a_minute_and_it_is_given_up(stream_file):
    clock = Clock()
    source = live([stream_file, VideoError("The camera is off.", "Switch it on.")], clock, give_up_seconds=100)
    with pytest.raises(VideoError, match=r"did not come back within 100 s\. The camera is off") as caught:
        list(source)
    assert caught.value.hint == "Switch it on."
    assert clock.pauses == [1, 2, 4, 8, 16, 30, 30, 9]


def test_what_cannot_be_opened_the_first_time_is_an_error():
    with pytest.raises(VideoError, match="off"):
        live([VideoError("off", "")], Clock())


def test_damaged_packets_are_left_out(stream_file, tmp_path):
    data = bytearray(stream_file.read_bytes())
    for at in range(len(data) // 3, len(data) // 3 + 3000, 188):
        data[at + 8 : at + 188] = bytes(180)
    path = tmp_path / "torn.ts"
    path.write_bytes(data)
    with av.open(str(path)) as container:
        seen = sum(1 for _ in decode_on(container, container.streams.video[0]))
    assert FRAMES // 2 < seen <= FRAMES


def test_times_that_jump_ahead_are_a_gap_and_batches_are_short():
    picture = np.zeros((4, 4, 3), np.uint8)
    times = [*(np.arange(30) / 10), *(10 + np.arange(5) / 10)]
    seen = list(gather_live(((picture, float(at)) for at in times), 0.1))
    assert [item for item in seen if isinstance(item, Gap)] == [Gap(3.0, 10.0, "the times of its frames jump")]
    batches = [item.pts_seconds for item in seen if isinstance(item, FrameBatch)]
    np.testing.assert_allclose(np.concatenate(batches), times)
    assert all(batch[-1] - batch[0] < 0.5 for batch in batches)
    slow = [float(at) for at in np.arange(5) * (GAP_SECONDS - 0.1)]
    assert not [item for item in gather_live(((picture, at) for at in slow), 2.0) if isinstance(item, Gap)]


def test_a_file_can_be_played_in_real_time(sample_video):
    clock = Clock()
    source = RecordedFrames(open_video(sample_video), in_real_time=True, clock=clock, pause=clock.pause)
    assert sum(map(len, source)) > 60
    assert clock.now == pytest.approx(3.0, abs=0.1)


def test_a_file_that_breaks_off_is_an_interruption(shared):
    *_, last = RecordedFrames(open_video(shared / "data/videos/corrupted.mp4"))
    assert isinstance(last, Interruption)
    assert last.seconds == pytest.approx(2.8)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("99", "Camera 99"),
        ("ftp://host/a", "ftp://"),
        ("no-such-file.mp4", "does not exist"),
        ("http://127.0.0.1:9/a", "nothing listens at port 9"),
    ],
)
def test_what_is_wrong_is_told(source, said):
    with pytest.raises(VideoError, match=said) as caught:
        open_source(source)
    assert caught.value.hint


def test_a_pipe_of_something_else(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"hello" * 1000)
    with path.open("rb") as file, pytest.raises(VideoError, match="not a video that can be read from a pipe") as caught:
        open_pipe(file, "standard input")
    assert "ffmpeg" in caught.value.hint
