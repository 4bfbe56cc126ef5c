"""Every reader gives the same frames at the same times: of drawn, numbered videos, and of real ones."""

from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction
from itertools import zip_longest

import numpy as np
import pytest
from videos_made import (
    DRAWN,
    PATCHES,
    cut_off,
    draw_patches,
    made,
    number_of,
    numbered_frame,
    patch_colours,
)

from cltdr_cli.errors import StreamBrokenError, UsageError, VideoError
from cltdr_cli.video import READERS, open_video
from cltdr_cli.video import decord_reader as decord_room
from cltdr_cli.video.decord_reader import is_decord_installed

NAMED_READERS = [
    "pyav",
    pytest.param("decord", marks=pytest.mark.skipif(not is_decord_installed(), reason="decord has no wheel here")),
]
REFUSED = {"late.ts"}  # by decord
TURNS = {"turned90.mp4": 3, "turned180.mp4": 2, "turned270.mp4": 1}

# Frames decoded, width and height as shown, frames per second: as counted by full decode (shared/data/README.md).
REAL = {
    "v_GGSY1Qvo990.mp4": (355, 320, 240, 19.62),
    "v_ZNVhz7ctTq0.mp4": (420, 480, 360, 30),
    "highjump.mp4": (726, 320, 180, 30),
    "mmaction_demo.mp4": (280, 340, 256, 28),
    "mmaction_test.mp4": (300, 340, 256, 30),
    "v_ApplyEyeMakeup_g01_c01.avi": (164, 320, 240, 25),
    "mmaction_structuralize.mp4": (300, 426, 240, 30000 / 1001),
    "person01_boxing_d1_uncomp.avi": (360, 160, 120, 25),
    "fall-01-cam0.mp4": (160, 640, 240, 30),
    "quva_053_stirring.mp4": (76, 480, 360, 30),
    "flipping_a_pancake.mkv": (310, 426, 240, 30),
    "corrupted.mp4": (28, 1280, 720, 10),
    "rotate_0.mov": (3, 568, 320, 30),
    "rotate_90.mov": (3, 320, 568, 30),
    "rotate_180.mov": (3, 568, 320, 30),
    "rotate_270.mov": (3, 320, 568, 30),
    "nasa_13013.mp4": (325, 320, 180, 25),
    "av1_video.mkv": (125, 640, 360, 25),
    "h265_video.mp4": (10, 128, 128, 10),
    "h264_10bits.mp4": (30, 200, 200, 30),
    "exo_sample.avi": (96, 960, 400, 24000 / 1001),
    "exo_htc_rotation.mkv": (30, 1080, 720, 30),
    "bear-vp9.webm": (82, 320, 240, 30000 / 1001),
    "exo_increasing_timestamps.mp4": (30, 1920, 1080, 30),
    "carphone_pristine.mp4": (120, 176, 144, 30000 / 1001),
}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    return lambda name: made(tmp_path_factory.getbasetemp() / "videos", name)


def read_all(reader, start_seconds=None):
    batches = list(reader.batches(16, start_seconds))
    return np.concatenate([b.frames for b in batches]), np.concatenate([b.pts_seconds for b in batches])


@pytest.mark.parametrize("reader", NAMED_READERS)
@pytest.mark.parametrize("name", DRAWN)
def test_every_frame_comes_once_in_order_at_its_time(drawn, name, reader):
    if reader == "decord" and name in REFUSED:
        with pytest.raises(VideoError, match="decord"):
            open_video(drawn(name), reader)
        return
    how = DRAWN[name]
    frames, times = read_all(open_video(drawn(name), reader))
    upright = [np.rot90(frame, TURNS.get(name, 0) * -1) for frame in frames]
    if name == "mirrored.mp4":
        upright = [frame[:, ::-1] for frame in frames]
    assert [number_of(frame) for frame in upright] == list(range(len(how.seconds)))
    start = {"late.mp4": 0.5, "packed.avi": 0.04, "h264.avi": 0.04, "long.avi": 0.04}.get(name, 0.0)
    if name == "late.ts":  # MPEG-TS interleaves on its own clock; what counts is the distance to the audio's start
        start = pytest.approx(0.5, abs=0.1)
    assert times[0] == start
    wanted = np.array(how.seconds) - how.seconds[0] + times[0]
    np.testing.assert_allclose(times, wanted, atol=0.6e-3 if name.endswith((".mkv", ".webm")) else 2e-5)
    picture = numbered_frame(7 % len(how.seconds), how.width, how.height)
    assert np.abs(upright[7 % len(how.seconds)].astype(int) - picture).mean() < 4


@pytest.mark.skipif(not is_decord_installed(), reason="decord has no wheel here")
@pytest.mark.parametrize("name", sorted(set(DRAWN) - REFUSED))
def test_readers_agree_on_drawn_videos(drawn, name):
    reference, other = open_video(drawn(name), "pyav"), open_video(drawn(name), "decord")
    assert (reference.info.reader, other.info.reader) == ("pyav", "decord")
    shapes, _, ends = agreed(reference, other)
    assert len(shapes) == len(DRAWN[name].seconds)
    assert ends == {""}


@pytest.mark.parametrize("name", REAL)
def test_readers_agree_on_real_videos_and_give_the_known_frames(shared, name):
    count, width, height, rate = REAL[name]
    path = shared / "data" / "videos" / name
    reference = open_video(path, "pyav")
    other = open_video(path, "decord" if is_decord_installed() and name != "av1_video.mkv" else "auto")
    shapes, times, ends = agreed(reference, other)
    assert shapes == [(height, width, 3)] * count
    (end,) = ends
    assert ("only up to 2.800 s: Invalid data" in end) if name == "corrupted.mp4" else end == ""
    for info in (reference.info, other.info):
        assert (info.width, info.height) == (width, height)
        assert float(info.rate) == pytest.approx(rate, rel=0.002)
    assert times[0] == (0.04 if "ApplyEye" in name else 0.0)
    assert (np.diff(times) > 0).all()
    gaps = [] if name != "exo_sample.avi" else [0]
    assert np.flatnonzero(np.abs(np.diff(times) * rate - 1) > 0.2).tolist() == gaps


def agreed(reference, other):
    """Shapes, times and ways to end of two readers, of equal times and pixels (2 grey levels on average)."""
    ends: list[str] = []
    shapes, times = [], []
    for ours, theirs in zip_longest(until_broken(reference, ends), until_broken(other, ends)):
        assert ours is not None
        assert theirs is not None
        assert ours[1] == theirs[1]
        assert ours[0].shape == theirs[0].shape
        assert np.abs(ours[0].astype(np.int16) - theirs[0]).mean() <= 2
        shapes.append(ours[0].shape)
        times.append(ours[1])
    return shapes, times, set(ends)


def until_broken(reader, ends):
    try:
        for batch in reader.batches(8):
            yield from zip(batch.frames, batch.pts_seconds.tolist(), strict=True)
    except StreamBrokenError as error:
        ends.append(str(error))
    else:
        ends.append("")


@pytest.mark.parametrize("reader", ["auto", "pyav"])
def test_every_real_video_can_be_opened_by_default(shared, reader):
    for name in REAL:
        info = open_video(shared / "data" / "videos" / name, reader).info
        assert info.path.name == name
        assert info.reader in ("pyav", "decord")


@pytest.mark.parametrize("reader", NAMED_READERS)
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 2, 5, 9])
def test_colours_follow_the_streams_matrix_and_range(tmp_path, matrix, full_range, bits, reader):
    path = draw_patches(tmp_path / "patches.mkv", matrix, full_range, bits)
    (frame,) = next(open_video(path, reader).batches(1)).frames
    assert np.abs(patch_colours(frame) - np.array(PATCHES)).max() < 3.5


def test_patches_tell_matrices_and_ranges_apart(tmp_path):
    """The control of the test above: a wrong tag is well beyond its tolerance."""
    path = draw_patches(tmp_path / "patches.mkv", 1, False)
    data = path.read_bytes()
    at = data.index(b"\x55\xb1\x81\x01") + 3  # MatrixCoefficients of the Matroska track
    path.write_bytes(data[:at] + b"\x05" + data[at + 1 :])
    (frame,) = next(open_video(path, "pyav").batches(1)).frames
    assert np.abs(patch_colours(frame) - np.array(PATCHES)).max() > 8


@pytest.mark.parametrize("reader", NAMED_READERS)
@pytest.mark.parametrize("name", ["long.mp4", "long.mkv", "long.avi", "open.mp4", "varied.mkv", "late.mp4"])
def test_reading_from_the_middle_gives_the_same_frames(drawn, name, reader):
    opened = open_video(drawn(name), reader)
    frames, times = read_all(opened)
    for start in (0.0, times[len(times) // 3] + 0.001, times[-9], times[-1] + 1):
        later_frames, later_times = read_all(opened, start)
        first = len(times) - len(later_times)
        assert first == 0 or later_times[0] < start or start == times[first]
        np.testing.assert_array_equal(later_times, times[first:])
        np.testing.assert_array_equal(later_frames, frames[first:])


def test_a_seek_skips_what_lies_before(drawn):
    opened = open_video(drawn("long.mp4"), "pyav")
    assert len(read_all(opened, 19.0)[1]) == 26  # the last one before, and one second


@pytest.mark.parametrize("reader", ["auto", *NAMED_READERS])
@pytest.mark.parametrize("name", ["constant.mp4", "varied.mkv", "packed.avi"])
def test_a_cut_off_file_gives_its_good_frames_and_says_where_it_ends(drawn, tmp_path, name, reader):
    ends: list[str] = []
    opened = open_video(cut_off(drawn(name), tmp_path, 0.6), reader)
    frames, times = zip(*until_broken(opened, ends), strict=True)
    numbers = [number_of(frame) for frame in frames]
    assert numbers == list(range(len(numbers)))
    assert 20 < len(numbers) < 50
    told = re.search(r"only up to (.*) s: the file ends before its header says", ends[0])
    assert told is not None
    assert 0.03 < float(told[1]) - times[-1] < 0.07


@pytest.mark.parametrize("reader", NAMED_READERS)
def test_info_of_a_turned_video(drawn, reader):
    info = open_video(drawn("turned90.mp4"), reader).info
    assert (info.width, info.height, info.rotation_degrees) == (64, 96, 90)
    assert (info.rate, info.frame_count, info.codec) == (Fraction(25), 30, "h264")
    assert info.duration_seconds == pytest.approx(1.2)


@pytest.mark.parametrize("reader", NAMED_READERS)
def test_a_reader_can_be_read_twice_and_not_after_closing(drawn, reader):
    opened = open_video(drawn("constant.mp4"), reader)
    first, again = read_all(opened), read_all(opened)
    np.testing.assert_array_equal(first[0], again[0])
    opened.close()
    with pytest.raises(VideoError, match="was closed"):
        next(opened.batches(1))


@pytest.mark.parametrize("name", ["constant.mp4", "late.ts", "varied.mp4", "turned90.mp4", "odd.webm", "deep.mp4"])
def test_auto_is_pyav(drawn, name):
    assert open_video(drawn(name)).info.reader == "pyav"


def test_without_decord_auto_is_pyav_and_decord_says_how_to_get_it(drawn, monkeypatch):
    monkeypatch.setattr(decord_room, "is_decord_installed", lambda: False)
    assert open_video(drawn("constant.mp4")).info.reader == "pyav"
    with pytest.raises(UsageError, match=r"not installed.\n.*pip install decord"):
        open_video(drawn("constant.mp4"), "decord")


@pytest.mark.skipif(not is_decord_installed(), reason="decord has no wheel here")
def test_decord_refuses_what_it_cannot_decode(shared):
    with pytest.raises(VideoError, match=r"cannot decode the codec av1.\nChoose reader= pyav"):
        open_video(shared / "data" / "videos" / "av1_video.mkv", "decord")


@pytest.mark.skipif(not is_decord_installed(), reason="decord has no wheel here")
def test_decord_refuses_containers_it_loses_frames_from(drawn):
    with pytest.raises(VideoError, match=r"frames may be lost from its container \(mpegts\).\nChoose reader= pyav"):
        open_video(drawn("late.ts"), "decord")


@pytest.mark.skipif(not is_decord_installed(), reason="decord has no wheel here")
def test_decord_refuses_pieces_that_would_fill_the_memory(drawn):
    probe = decord_room.probe_video(drawn("long.mp4"), "decord")
    table = decord_room.read_packet_table(drawn("long.mp4"))
    assert "key frames lie 100 frames apart" in decord_room.find_decord_objection(probe, table, 1 << 20)


def test_an_unknown_reader_is_answered_with_the_known_ones(drawn):
    assert set(READERS) == {"auto", "pyav", "decord"}
    with pytest.raises(UsageError, match=r"no reader named 'opencv'.\nChoose one of: auto, pyav, decord"):
        open_video(drawn("constant.mp4"), "opencv")


@pytest.mark.parametrize("reader", ["auto", *NAMED_READERS])
def test_decoders_keep_quiet(shared, drawn, tmp_path, reader):
    """FFmpeg's and decord's own messages about damaged streams do not reach the terminal."""
    paths = [shared / "data" / "videos" / "corrupted.mp4", cut_off(drawn("packed.avi"), tmp_path, 0.5)]
    script = (
        "import sys\nfrom cltdr_cli.video import open_video\nfrom cltdr_cli.errors import VideoError\n"
        "for path in sys.argv[2:]:\n    try:\n        list(open_video(path, sys.argv[1]).batches(8))\n"
        "    except VideoError:\n        pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, reader, *map(str, paths)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout == ""
