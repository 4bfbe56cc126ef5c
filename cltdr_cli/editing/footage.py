"""Footage to measure on: a video scaled to 854x480 at 30 frames a second, looped, with the noise of a camera."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.files import replacing
from cltdr_cli.video import open_video
from cltdr_cli.video.frame_stream import FrameStream

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

WIDTH, HEIGHT, RATE = 854, 480, 30

_OPTIONS = {"preset": "medium", "crf": "23", "bf": "3", "g": "250"}
"""Those of x264 where nothing else is said: three B-frames in a row, a key frame every 250."""

_NOISE_LEVELS = 2.0
"""Standard deviation of the noise in the brightness; without it an enlarged picture would be all too easy to decode."""

_NOISE_FRAMES = 8

LOOP_SECONDS = 15.0
"""The most that is encoded; longer footage repeats its packets."""


def write_footage(path: Path, seconds: float, source: Path) -> None:
    """Encode H.264 footage of 854x480 at 30 frames a second.

    Args:
        path: The mp4 file to write.
        seconds: How long it lasts.
        source: A video, which is enlarged to cover the picture and looped.

    Raises:
        VideoError: The source cannot be read.
        OutputError: The file cannot be written.
    """
    rounds = math.ceil(seconds / LOOP_SECONDS)
    once = path.with_name(f"{path.stem}-once.mp4")
    _encode(once, islice(_loop(source), round(seconds * RATE / rounds)))
    with replacing(path) as partial:
        _repeat(once, partial, rounds)
    once.unlink()


def _loop(source: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames uint8 ``[H, W, 3]`` at the rate of the footage, from the start again after the end."""
    while True:
        with closing(open_video(source)) as reader:
            for batch in FrameStream(reader, fps=RATE):
                yield from batch.frames


def _encode(path: Path, frames: Iterator[NDArray[np.uint8]]) -> None:
    import av

    noise = np.random.default_rng(0).normal(0, _NOISE_LEVELS, (_NOISE_FRAMES, HEIGHT, WIDTH)).round().astype(np.int16)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, frame in enumerate(frames):
            container.mux(stream.encode(_make_picture(frame, noise[number % _NOISE_FRAMES])))
        container.mux(stream.encode(None))


def _repeat(once: Path, path: Path, rounds: int) -> None:
    """Write the packets of a file over and over; every round begins with a key frame."""
    import av

    with av.open(str(path), "w", format="mp4") as output:
        copied, shift = None, 0
        for _ in range(rounds):
            with av.open(str(once)) as container:
                stream = container.streams.video[0]
                copied = copied or output.add_stream_from_template(stream)
                for packet in (one for one in container.demux(stream) if one.size):
                    packet.pts, packet.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
                    packet.stream = copied
                    output.mux(packet)
                shift += round(stream.frames / RATE / float(stream.time_base or 1))


def _make_picture(frame: NDArray[np.uint8], noise: NDArray[np.int16]) -> VideoFrame:
    """A frame enlarged to cover the picture, its middle cut out, and noise added to its brightness."""
    import av

    height, width = frame.shape[:2]
    scale = max(WIDTH / width, HEIGHT / height)
    wide, high = (2 * round(length * scale / 2) for length in (width, height))
    enlarged = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(width=wide, height=high, format="yuv444p")
    left, top = (wide - WIDTH) // 2, (high - HEIGHT) // 2
    planes = enlarged.to_ndarray()[:, top : top + HEIGHT, left : left + WIDTH].astype(np.int16)
    planes[0] = (planes[0] + noise).clip(16, 235)
    return av.VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv444p").reformat(format="yuv420p")
