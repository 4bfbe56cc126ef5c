"""Encodes pictures as H.264 with the times that they have, whatever their size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.editing.streams import StreamFacts
from cltdr_cli.video.frames import VideoInfo

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

TICKS = Fraction(1, 90_000)
"""Seconds of a tick; the usual rates, and milliseconds, are whole numbers of them."""

_OPTIONS = {"crf": "18", "preset": "veryfast"}
_BT709, _LIMITED = 1, 1
_BATCH_BYTES = 48 * 1024 * 1024


@dataclass(frozen=True)
class PictureShape:
    """Size and kind of the pictures of a video, as they are shown.

    Attributes:
        width: Pixels.
        height: Pixels.
        rate: Frames per second, nominal.
        pixel_aspect: Width of a shown pixel through its height.
        primaries: Code point of the colours.
        transfer: Code point of the brightness curve.
    """

    width: int
    height: int
    rate: Fraction
    pixel_aspect: Fraction
    primaries: int
    transfer: int

    @property
    def batch_frames(self) -> int:
        """Pictures to read together, so that memory stays small also at 8K."""
        return max(1, min(16, _BATCH_BYTES // (3 * self.width * self.height)))


def find_shape(info: VideoInfo, facts: StreamFacts) -> PictureShape:
    """The shape of a video's pictures after it was turned upright."""
    turned = info.rotation_degrees in (90, 270)
    aspect = 1 / facts.pixel_aspect if turned else facts.pixel_aspect
    return PictureShape(
        info.width, info.height, info.rate or Fraction(25), aspect, facts.primaries, facts.transfer
    )  # fmt: skip


class PictureEncoder:
    """Encodes RGB pictures into a file.

    H.264 players want even sizes: an odd one grows by a row or column, which repeats the last one.

    Args:
        target: The open file.
        shape: Of the pictures.
    """

    def __init__(self, target: OutputContainer, shape: PictureShape) -> None:
        self._target, self._shape = target, shape
        self._stream = target.add_stream("libx264", rate=shape.rate, options=dict(_OPTIONS))
        self._stream.width, self._stream.height = shape.width + shape.width % 2, shape.height + shape.height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = TICKS
        self._stream.codec_context.sample_aspect_ratio = shape.pixel_aspect
        self._stream.codec_context.colorspace, self._stream.codec_context.color_range = _BT709, _LIMITED
        self._stream.codec_context.color_primaries = shape.primaries
        self._stream.codec_context.color_trc = shape.transfer
        self._last_tick = -1

    def encode(self, picture: NDArray[np.uint8], seconds: float) -> None:
        """Encode one picture, uint8 RGB ``[H, W, 3]``, shown from ``seconds`` on."""
        from av import VideoFrame

        rows, columns = self._shape.height % 2, self._shape.width % 2
        even = np.pad(picture, ((0, rows), (0, columns), (0, 0)), "edge") if rows or columns else picture
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation="AREA"
        )  # fmt: skip
        frame.colorspace, frame.color_range = _BT709, _LIMITED
        frame.color_primaries, frame.color_trc = self._shape.primaries, self._shape.transfer
        tick = max(round(seconds / TICKS), self._last_tick + 1)
        frame.time_base, frame.pts, self._last_tick = TICKS, tick, tick
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: list[Packet]) -> None:
        """Write packets; each says how long it lasts, or the last picture would be over at once."""
        for packet in packets:
            packet.duration = packet.duration or round(1 / (self._shape.rate * TICKS))
            self._target.mux(packet)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._mux(self._stream.encode(None))
