"""Files that are no videos, or hold none: one message each that says what, why, and what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import av
import numpy as np
import pytest
from videos_made import Drawn, cut_off, draw, even_times

from cltdr_cli.errors import VideoError
from cltdr_cli.video import open_video

READERS = ["auto", "pyav", "decord"]


@pytest.fixture(params=READERS)
def reader(request):
    if request.param == "decord":
        pytest.importorskip("decord", reason="decord has no wheel here", exc_type=ImportError)
    return request.param


def refuse(path, reader, what, todo):
    """Opening the file fails with its name, the reason and the way out."""
    with pytest.raises(VideoError, match=what) as refused:
        open_video(path, reader)
    assert str(path) in refused.value.message
    assert todo in refused.value.hint
    assert refused.value.exit_code == 1
    assert len(str(refused.value).splitlines()) == 2


def test_missing(tmp_path, reader):
    refuse(tmp_path / "none.mp4", reader, "does not exist", "Check the spelling")


def test_directory(tmp_path, reader):
    refuse(tmp_path, reader, "is a directory, not a video", "Name a file in it")


def test_zero_bytes(tmp_path, reader):
    path = tmp_path / "empty.mp4"
    path.touch()
    refuse(path, reader, r"is empty \(0 bytes\)", "Copy or download it again")


@pytest.mark.parametrize("text", ["not a video\n", "#EXTM3U\nhttp://127.0.0.1/a.ts\n", "ä" * 4000 + "\n"])
def test_text(tmp_path, reader, text):
    path = tmp_path / "notes.mp4"
    path.write_text(text, encoding="utf-8")
    refuse(path, reader, "is a text file, not a video", "playlist must be converted")


def test_noise(tmp_path, reader):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(50_000))
    refuse(path, reader, "is not a video that can be opened, or it is damaged", "Copy or download it again")


def test_no_moov_atom(tmp_path, reader):
    whole = tmp_path / "whole.mov"  # its index lies at the end
    draw(whole, Drawn(even_times(30)))
    refuse(cut_off(whole, tmp_path, 0.9), reader, r"cut short: its index \(moov atom\) is missing", "not finished")


def test_audio_only(tmp_path, reader):
    path = tmp_path / "sound.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    refuse(path, reader, "has no video stream; it holds only audio", "Name the file with the pictures")


def test_cover_picture_only(tmp_path, reader):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        noise = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        noise.sample_rate = 16_000
        container.mux([*cover.encode(picture), *cover.encode(None), *sound.encode(noise), *sound.encode(None)])
    refuse(path, reader, "has no video stream; it holds only a cover picture beside audio", "Name the file")


def test_stream_without_frames(tmp_path, reader):
    path = tmp_path / "blank.mkv"
    whole = draw(tmp_path / "whole.mkv", Drawn(even_times(30), audio_seconds=1))
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        streams = [target.add_stream_from_template(stream) for stream in source.streams]
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = streams[1]
                target.mux(packet)
    refuse(path, reader, "has a video stream without frames; not one frame could be decoded", "Copy or download")


def test_every_frame_damaged(tmp_path, reader):
    path = draw(tmp_path / "whole.mkv", Drawn(even_times(30), codec="ffv1", options=()))
    data = bytearray(path.read_bytes())
    for at in range(700, len(data), 7):
        data[at] = 255 - data[at]
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(data)
    refuse(broken, reader, "not one frame could be decoded|or it is damaged", "Copy or download it again")


def test_no_permission(tmp_path, reader, monkeypatch):
    """Simulated, because tests may run as root, who may read everything."""
    path = tmp_path / "secret.mp4"
    path.write_bytes(b"\0" * 100)

    def denied(self, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    refuse(path, reader, "cannot be read: permission denied", "chmod u+r")


def test_failing_disk(tmp_path, reader, monkeypatch):
    path = tmp_path / "far.mp4"
    path.write_bytes(b"\0" * 100)

    def failing(self, *arguments, **options):
        raise OSError(errno.EIO, "Input/output error", str(self))

    monkeypatch.setattr(Path, "open", failing)
    refuse(path, reader, "cannot be read: Input/output error", "Check the disk")


def test_pipe(tmp_path, reader):
    import os

    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    refuse(path, reader, "is not a regular file", "Save it to a file")


@pytest.mark.parametrize("name", ["12:30.mp4", "a %03d b.mp4", "[1] *.mp4", "ünï.mp4", "-i.mp4"])
def test_strange_names_are_no_obstacle(tmp_path, reader, name, monkeypatch):
    draw(tmp_path / "plain.mp4", Drawn(even_times(3))).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(next(open_video(name, reader).batches(8))) == 3
