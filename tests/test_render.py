"""Rendered copies: labels and time line are painted, times and sound stay; whole or not there at all."""

from __future__ import annotations

import shutil
from itertools import pairwise

import av
import numpy as np
import pytest
from clips_made import pictures, segments_file
from videos_made import Drawn, draw, even_times, made

from cltdr_cli import render
from cltdr_cli.editing.painting import Painter, ShownSegment
from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.video import open_video


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Drawn videos by name."""
    folder = tmp_path_factory.mktemp("drawn")
    return lambda name: made(folder, name)


def test_a_rendered_copy_has_size_times_sound_and_paint(tmp_path):
    source = draw(tmp_path / "v.mp4", Drawn(even_times(60), width=320, height=240, audio_seconds=2.4))
    file = segments_file(tmp_path, (0.8, 1.6, "walk", 0.9))
    out = render(source, segments=file, out=tmp_path / "out.mp4")
    with av.open(str(source)) as a, av.open(str(out)) as b:
        assert [bytes(p) for p in a.demux(audio=0) if p.size] == [bytes(p) for p in b.demux(audio=0) if p.size]
    _, times = pictures(source)
    with av.open(str(out)) as container:
        frames = [(float(f.time), f.to_ndarray(format="rgb24").astype(int)) for f in container.decode(video=0)]
    assert [time for time, _ in frames] == pytest.approx(times, abs=1e-4)
    assert frames[0][1].shape == (240, 320, 3)
    chip = [picture[3:14, 5:40].mean() for _, picture in frames]
    inside = [value for value, (time, _) in zip(chip, frames, strict=True) if 0.8 <= time < 1.6]
    outside = [value for value, (time, _) in zip(chip, frames, strict=True) if not 0.8 <= time < 1.6]
    assert max(inside) < min(outside) - 15
    heads = [find_playhead(picture) for _, picture in frames]
    assert all(b >= a for a, b in pairwise(heads))
    assert heads[-1] - heads[0] > 150


def find_playhead(picture):
    """Column of the white line in the time line at the bottom."""
    rows = picture[-22:-18].mean(axis=(0, 2))
    return int(rows.argmax())


@pytest.mark.parametrize(("width", "height"), [(97, 65), (32, 32), (1280, 96), (96, 640)])
def test_odd_and_small_pictures_are_painted_too(tmp_path, width, height):
    labels = [f"label {n} with a long name 跳" for n in range(12)]
    shown = [ShownSegment(0, 2, label, n / 12) for n, label in enumerate(labels)]
    picture = np.full((height, width, 3), 128, np.uint8)
    painter = Painter(shown, width, height, 2.0)
    for at in (0.0, 1.0, 5.0):
        painter.paint(picture, at)
    assert (picture != 128).any()
    Painter([], width, height, 0.0).paint(picture, 0.0)
    source = draw(tmp_path / "v.mkv", Drawn(even_times(5), width=width, height=height, codec="ffv1", options=()))
    out = render(source, segments=segments_file(tmp_path, (0, 0.2, "a", 1)), out=tmp_path / "out.mp4")
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (width + width % 2, height + height % 2)


def test_the_best_of_overlapping_bars_lies_on_top():
    def bar(*segments):
        picture = np.zeros((240, 320, 3), np.uint8)
        Painter(segments, 320, 240, 10.0).paint(picture, 9.9)
        return picture[-32:-28, 190:200].max()  # in the middle of the lane, at about 5 s

    best, weak = ShownSegment(1, 9, "a", 1.0), ShownSegment(4, 7, "a", 0.1)
    assert bar(best) > bar(weak) + 60
    assert bar(best, weak) == bar(best)


def test_long_videos_have_a_moving_window():
    shown = [ShownSegment(n * 10, n * 10 + 5, "a") for n in range(60)]
    painter = Painter(shown, 320, 180, 600.0)
    windows = [painter._find_window(seconds) for seconds in (0, 20, 300, 590, 600)]
    assert windows == [(0, 60), (0, 60), (270, 330), (540, 600), (540, 600)]


def test_broken_videos_are_rendered_up_to_the_break(shared, tmp_path, cltdr):
    file = segments_file(tmp_path, (0.2, 1, "a", 1))
    done = cltdr("render", shared / "data/videos/corrupted.mp4", file, "--out", tmp_path / "out.mp4")
    assert done.code == 0
    assert "ends early" in done.err
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 20


def test_nothing_is_overwritten_or_half_written(drawn, tmp_path):
    source = tmp_path / "v.mp4"
    shutil.copy(drawn("constant.mp4"), source)
    before = source.read_bytes()
    file = segments_file(tmp_path, (0, 1, "a", 1))
    with pytest.raises(UsageError, match="is the video that is read"):
        render(source, segments=file, out=source)
    with pytest.raises(UsageError, match="written as"):
        render(source, segments=file, out=tmp_path / "x.txt")
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for wrong in (text, tmp_path / "missing.mp4"):
        with pytest.raises(VideoError):
            render(wrong, segments=file, out=tmp_path / "y.mp4")
    with pytest.raises(UsageError, match="no font"):
        render(source, segments=file, out=tmp_path / "y.mp4", font=text)
    assert source.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["segments.json", "text.mp4", "v.mp4"]


@pytest.mark.parametrize("name", ["rotate_90.mov", "h265_video.mp4", "bear-vp9.webm", "h264_10bits.mp4"])
def test_real_videos_are_rendered_whole(shared, tmp_path, name):
    source = shared / "data/videos" / name
    out = render(source, segments=segments_file(tmp_path, (0, 0.5, "a", 1)), out=tmp_path / "out.mp4")
    wanted = open_video(source, "pyav")
    times = np.concatenate([batch.pts_seconds for batch in wanted.batches(16)])
    got = open_video(out, "pyav")
    assert np.concatenate([batch.pts_seconds for batch in got.batches(16)]) == pytest.approx(times, abs=1e-3)
    assert (got.info.width, got.info.height) == (
        wanted.info.width + wanted.info.width % 2,
        wanted.info.height + wanted.info.height % 2,
    )
