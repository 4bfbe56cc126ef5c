"""Videos drawn for the tests. Every frame carries its number as dark and bright cells, to be read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 10
LEVELS = (32, 224)
TICKS = Fraction(1, 90_000)


def numbered_frame(number: int, width: int, height: int) -> np.ndarray:
    """Uint8 RGB ``[H, W, 3]``: a coloured ground that changes slowly, and the number in a 5 x 2 block of cells."""
    x, y = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    ground = np.stack([60 + 120 * x + 0 * y, 160 - 100 * y + 0 * x, 90 + 60 * np.sin(number / 7) + 0 * x + 0 * y], -1)
    frame = ground.round().astype(np.uint8)
    for bit in range(BITS):
        rows, columns = _cell(bit, width, height)
        frame[rows, columns] = LEVELS[number >> bit & 1]
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number drawn into a frame ``[H, W, 3]``."""
    height, width = frame.shape[:2]
    bits = (frame[_cell(bit, width, height)].mean() > 128 for bit in range(BITS))
    return sum(int(on) << bit for bit, on in enumerate(bits))


def _cell(bit: int, width: int, height: int) -> tuple[slice, slice]:
    side = min(width // 6, height // 4)
    top, left = side // 2 + side * (bit // 5), side // 2 + side * (bit % 5)
    return slice(top, top + side), slice(left, left + side)


@dataclass(frozen=True)
class Drawn:
    """How to draw a video; times are in seconds."""

    seconds: Sequence[float]
    width: int = 96
    height: int = 64
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    rate: Fraction = Fraction(25)
    options: tuple[tuple[str, str], ...] = (("bf", "2"), ("g", "12"), ("crf", "12"))
    audio_seconds: float = 0.0
    turned: int = 0
    full_range: bool = False
    matrix: int = 2
    second_stream: bool = False
    first_number: int = 0


def even_times(count: int, rate: float = 25, start: float = 0.0) -> list[float]:
    return [start + k / rate for k in range(count)]


def draw(path: Path, drawn: Drawn) -> Path:
    """Encode a drawn video, and return its path."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as container:
        stream = _video_stream(container, drawn)
        second = _video_stream(container, drawn) if drawn.second_stream else None
        audio = container.add_stream("aac", rate=16_000, layout="mono") if drawn.audio_seconds else None
        for k, at in enumerate(drawn.seconds):
            picture = numbered_frame(drawn.first_number + k, drawn.width, drawn.height)
            container.mux(stream.encode(_frame(picture, at, drawn)))
            if second is not None:
                container.mux(second.encode(_frame(255 - picture, at, drawn)))
        for each in filter(None, (stream, second)):
            container.mux(each.encode(None))
        if audio is not None:
            _draw_audio(container, audio, drawn.audio_seconds)
    if drawn.turned:
        _turn(path, drawn.turned)
    return path


def _video_stream(container, drawn: Drawn):
    stream = container.add_stream(drawn.codec, rate=drawn.rate, options=dict(drawn.options))
    stream.width, stream.height, stream.pix_fmt = drawn.width, drawn.height, drawn.pixel_format
    stream.time_base = stream.codec_context.time_base = 1 / drawn.rate if container.format.name == "avi" else TICKS
    stream.codec_context.thread_count = 1
    stream.codec_context.colorspace = drawn.matrix
    stream.codec_context.color_range = 2 if drawn.full_range else 1
    return stream


def _frame(picture: np.ndarray, at: float, drawn: Drawn):
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = frame.reformat(
        format=drawn.pixel_format,
        dst_colorspace={1: "ITU709", 9: "BT2020"}.get(drawn.matrix, "ITU601"),
        dst_color_range="JPEG" if drawn.full_range else "MPEG",
    )
    frame.colorspace, frame.color_range = drawn.matrix, 2 if drawn.full_range else 1
    frame.time_base = TICKS
    frame.pts = round(at / TICKS)
    return frame


def _draw_audio(container, stream, seconds: float) -> None:
    for first in range(0, int(seconds * 16_000), 1024):
        tone = np.sin(np.arange(first, first + 1024) / 9).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, first, Fraction(1, 16_000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _turn(path: Path, degrees: int) -> None:
    """Write a clockwise turn into the track header of an MP4 file (ISO/IEC 14496-12 §8.3.2)."""
    one, minus = (1 << 16).to_bytes(4, "big"), (-(1 << 16)).to_bytes(4, "big", signed=True)
    zero, unit = bytes(4), (1 << 30).to_bytes(4, "big")
    a, b, c, d = {
        90: (zero, one, minus, zero),
        180: (minus, zero, zero, minus),
        270: (zero, minus, one, zero),
        -1: (minus, zero, zero, one),  # a mirror image, as front cameras write it
    }[degrees]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = a + b + zero + c + d + zero + zero + zero + unit
    path.write_bytes(data)


VARIED_SECONDS = np.cumsum(np.random.default_rng(7).uniform(0.01, 0.09, 60)).tolist()
VP9 = (("crf", "15"), ("b", "0"), ("auto-alt-ref", "1"), ("lag-in-frames", "12"))
DRAWN = {
    "constant.mp4": Drawn(even_times(60)),
    "ntsc.mkv": Drawn(even_times(90, 30000 / 1001), rate=Fraction(30000, 1001)),
    "varied.mp4": Drawn(VARIED_SECONDS),
    "varied.mkv": Drawn(VARIED_SECONDS),
    "late.mp4": Drawn(even_times(60, start=0.5), audio_seconds=3),
    "late.ts": Drawn(even_times(60, start=0.5), audio_seconds=3),
    "turned90.mp4": Drawn(even_times(30), turned=90),
    "turned180.mp4": Drawn(even_times(30), turned=180),
    "turned270.mp4": Drawn(even_times(30), turned=270),
    "mirrored.mp4": Drawn(even_times(30), turned=-1),
    "odd.webm": Drawn(even_times(60), width=97, height=65, codec="libvpx-vp9", options=VP9),
    "two.mp4": Drawn(even_times(60), second_stream=True),
    "one.mp4": Drawn([0.0]),
    "one.mkv": Drawn([0.0]),
    "deep.mp4": Drawn(even_times(30), pixel_format="yuv420p10le"),
    "full.mp4": Drawn(even_times(30), full_range=True),
    "packed.avi": Drawn(even_times(60), codec="mpeg4", options=(("b", "2M"), ("bf", "2"))),
    "h264.avi": Drawn(even_times(60)),
    "open.mp4": Drawn(
        even_times(250),
        codec="libx265",
        options=(("x265-params", "log-level=none:keyint=20:min-keyint=20:bframes=3:open-gop=1"),),
    ),
    "long.mp4": Drawn(even_times(500), options=(("bf", "2"), ("g", "50"), ("crf", "20"), ("preset", "ultrafast"))),
    "long.mkv": Drawn(even_times(500), options=(("bf", "2"), ("g", "50"), ("crf", "20"), ("preset", "ultrafast"))),
    "long.avi": Drawn(even_times(500), codec="mpeg4", options=(("b", "1M"), ("bf", "2"), ("g", "50"))),
}


def made(folder: Path, name: str) -> Path:
    """A video of ``DRAWN``, drawn into the folder when it is first asked for."""
    path = folder / name
    if not path.exists():
        folder.mkdir(exist_ok=True)
        draw(folder / f"unfinished_{name}", DRAWN[name]).rename(path)
    return path


def cut_off(path: Path, folder: Path, part: float) -> Path:
    """A copy of the first part of a file."""
    data = path.read_bytes()
    copy = folder / f"cut_{path.name}"
    copy.write_bytes(data[: int(len(data) * part)])
    return copy


PATCHES = ((200, 40, 40), (40, 190, 60), (50, 60, 200), (210, 200, 60), (128, 128, 128), (20, 20, 20))
LUMA = {1: (0.2126, 0.0722), 2: (0.299, 0.114), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}


def draw_patches(path: Path, matrix: int, full_range: bool, bits: int = 8) -> Path:
    """A lossless video of flat colours whose planes are computed here, not by FFmpeg (ITU-T H.273 §8.3).

    Args:
        path: A ``.mkv`` file.
        matrix: Code point: 1 BT.709, 2 unspecified (taken as BT.601), 5 BT.601, 9 BT.2020.
        full_range: Whether black is 0 rather than 16.
        bits: 8 or 10.
    """
    pixel_format = "yuv420p" if bits == 8 else "yuv420p10le"
    planes = _patch_planes(matrix, full_range, bits)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = planes[0].shape
        stream.pix_fmt = pixel_format
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full_range else 1
        frame = av.VideoFrame(stream.width, stream.height, pixel_format)
        frame.colorspace, frame.color_range = matrix, 2 if full_range else 1
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
            rows[:, : plane.width] = values
            plane.update(rows.tobytes())
        for at in range(12):
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _patch_planes(matrix: int, full_range: bool, bits: int) -> list[np.ndarray]:
    red, blue = LUMA[matrix]
    r, g, b = np.array(PATCHES, float).T / 255
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    unit = 1 << bits - 8
    if full_range:
        levels = y * (256 * unit - 1), (u + 0.5) * (256 * unit - 1) + 0.5, (v + 0.5) * (256 * unit - 1) + 0.5
    else:
        levels = (16 + 219 * y) * unit, (128 + 224 * u) * unit, (128 + 224 * v) * unit
    dtype = np.uint8 if bits == 8 else np.uint16
    sides = (16, 8, 8)
    return [
        np.kron(np.round(level), np.ones((side, side))).reshape(side, -1).astype(dtype)
        for level, side in zip(levels, sides, strict=True)
    ]


def patch_colours(frame: np.ndarray) -> np.ndarray:
    """Mean colour of every patch of a frame, ``[6, 3]``."""
    return frame.reshape(16, len(PATCHES), 16, 3)[4:12, :, 4:12].mean((0, 2))


def rewrap(video: Path, path: Path, **settings) -> Path:
    """The same coded frames in another container; settings are those of ``av.open``."""
    with av.open(str(video)) as source, av.open(str(path), "w", **settings) as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return path
