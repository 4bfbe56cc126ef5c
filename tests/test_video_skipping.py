"""Frames that a rate does not look at are spared, and those it looks at are the same as if every one were decoded."""

from __future__ import annotations

from contextlib import closing

import av
import numpy as np
import pytest
from videos_made import Drawn, cut_off, draw, even_times, made

from cltdr_cli.errors import StreamBrokenError
from cltdr_cli.video import open_video, pyav_reader
from cltdr_cli.video.frame_stream import FrameStream
from cltdr_cli.video.pyav_reader import PyavReader
from cltdr_cli.video.skipping import CannotSkipError

B_FRAMES = (("bf", "3"), ("g", "250"), ("crf", "23"))
"""As x264 encodes where nothing else is said: half of the frames are such that no other refers to them."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "videos"


@pytest.fixture(scope="session")
def phone(folder):
    """Ten seconds at 30 frames a second with B-frames."""
    folder.mkdir(exist_ok=True)
    return draw(folder / "phone.mp4", Drawn(even_times(300, 30), options=B_FRAMES))


class WholeReader:
    """A reader that only gives every frame."""

    def __init__(self, path):
        self._reader = PyavReader(path)
        self.info, self.batches, self.close = self._reader.info, self._reader.batches, self._reader.close


def samples(reader, **options):
    stream = FrameStream(reader, **options)
    batches = list(stream)
    frames, times = (np.concatenate([getattr(b, part) for b in batches]) for part in ("frames", "pts_seconds"))
    return frames, times, stream.timing


def assert_same_samples(path, **options):
    ours, whole = samples(open_video(path), **options), samples(WholeReader(path), **options)
    np.testing.assert_array_equal(ours[1], whole[1])
    np.testing.assert_array_equal(ours[0], whole[0])
    assert ours[2] == whole[2]


def share_decoded(path, rate):
    """The share of frames that are decoded for a rate."""
    with closing(PyavReader(path).pictures(rate)) as pictures:
        return np.mean([picture is not None for picture, _ in pictures])


@pytest.mark.parametrize("rate", [1.0, 5.0, 7.3, 25.0, 30.0, 60.0])
def test_a_stream_with_b_frames(phone, rate):
    assert_same_samples(phone, fps=rate)


@pytest.mark.parametrize(("start", "end"), [(0.4, 1.7), (6.03, None), (None, 3.0), (9.99, None)])
def test_a_range(phone, start, end):
    assert_same_samples(phone, fps=5.0, start_seconds=start, end_seconds=end)


@pytest.mark.parametrize(
    "name", ["ntsc.mkv", "varied.mp4", "varied.mkv", "late.mp4", "late.ts", "turned90.mp4", "odd.webm", "two.mp4",
             "one.mp4", "deep.mp4", "packed.avi", "h264.avi", "open.mp4", "long.mkv"],
)  # fmt: skip
@pytest.mark.parametrize("rate", [5.0, 24.0])
def test_every_kind_of_stream(folder, name, rate):
    assert_same_samples(made(folder, name), fps=rate)


@pytest.mark.parametrize("name", ["v_GGSY1Qvo990.mp4", "mmaction_demo.mp4", "flipping_a_pancake.mkv", "corrupted.mp4"])
def test_real_videos(shared, name):
    assert_same_samples(shared / "data" / "videos" / name, fps=5.0)


def test_frames_that_no_other_needs_are_left_out(phone):
    with av.open(str(phone)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONREF"
        needed = sum(1 for _ in container.decode(stream)) / 300
    assert needed < 0.7
    assert needed <= share_decoded(phone, 1.0) < needed + 0.1
    assert (
        share_decoded(phone, 1.0)
        < share_decoded(phone, 5.0)
        < share_decoded(phone, 25.0)
        < share_decoded(phone, 30.0)
        == 1
    )


def test_times_of_frames_left_out_are_told(phone):
    with closing(PyavReader(phone).pictures(1.0)) as pictures:
        ours = [seconds for _, seconds in pictures]
    np.testing.assert_array_equal(ours, np.concatenate([b.pts_seconds for b in PyavReader(phone).batches(32)]))


def test_pictures_become_rgb_only_where_they_are_looked_at(phone, monkeypatch):
    from cltdr_cli.video.pictures import RgbPictures

    converted, convert = [], RgbPictures.convert
    monkeypatch.setattr(RgbPictures, "convert", lambda self, frame: (converted.append(1), convert(self, frame))[1])
    assert len(samples(open_video(phone), fps=5.0)[0]) == len(converted) == 50


@pytest.mark.parametrize("part", [0.5, 0.8, 0.97])
def test_a_file_that_is_cut_short_ends_at_the_same_frame(phone, tmp_path, part):
    assert_same_samples(cut_off(phone, tmp_path, part), fps=5.0)


def test_damage_that_the_decoder_hides_looks_the_same(phone, tmp_path, monkeypatch):
    """On one thread: on several, FFmpeg fills the same damage differently from one full reading to the next."""
    find = pyav_reader.find_video_stream

    def find_on_one_thread(container, path):
        stream = find(container, path)
        stream.codec_context.thread_count = 1
        return stream

    monkeypatch.setattr(pyav_reader, "find_video_stream", find_on_one_thread)
    assert_same_samples(_damage(phone, tmp_path, needed=True), fps=5.0)


def test_damage_in_a_frame_that_others_need_is_refused(phone, tmp_path):
    damaged = _damage(phone, tmp_path, needed=True)
    with pytest.raises(CannotSkipError), closing(PyavReader(damaged).pictures(5.0)) as pictures:
        list(pictures)


def test_damage_in_a_frame_left_out_is_noticed_when_strict(phone, tmp_path):
    broken = _damage(phone, tmp_path, needed=False)
    np.testing.assert_array_equal(samples(open_video(broken), fps=1.0)[0], samples(open_video(phone), fps=1.0)[0])
    with pytest.raises(StreamBrokenError):
        samples(open_video(broken), fps=1.0, strict=True)


def test_a_reader_that_cannot_skip_says_so(phone, tmp_path):
    with pytest.raises(CannotSkipError), closing(PyavReader(cut_off(phone, tmp_path, 0.5)).pictures(5.0)) as pictures:
        list(pictures)


def _damage(path, folder, *, needed):
    """A copy whose first slice of one frame in the middle, which others need or not, has no valid header."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size and p.pos > len(data) // 2]
        position = next(p.pos for p in packets if (bytes(p)[4] >> 5 & 3 > 0) == needed)
    data[position + 5 : position + 12] = bytes(7)
    copy = folder / "damaged.mp4"
    copy.write_bytes(data)
    return copy
