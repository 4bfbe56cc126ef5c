"""Decoded pictures to 8-bit RGB, with the matrix and range that the stream states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.decoding import StreamDamageError
from cltdr_cli.video.orientation import Orientation

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# Formats of more than 8 bits, by the 8-bit format with the same layout.
DEEP_FORMATS = {
    f"{layout}{bits}{order}": layout
    for layout in ("yuv420p", "yuv422p", "yuv440p", "yuv444p")
    for bits in (9, 10, 12, 14, 16)
    for order in ("le", "be")
}
DEEP_FORMATS |= {"p010le": "yuv420p", "p012le": "yuv420p", "p016le": "yuv420p"}


class RgbWriter:
    """Converts pictures of one stream into RGB arrays of one size.

    The matrix (BT.601, BT.709, BT.2020) and the range (limited, full) are those of the stream's tags; an untagged
    stream is BT.601, limited, as FFmpeg, OpenCV and decord take it. High bit depths are first reduced to 8 bits in
    their own layout, so that colour planes are enlarged in the same way at every depth. Transfer curves (HDR) are
    left as they are.

    Args:
        width: Pixels of the stored picture; a stream that changes its size is scaled to it.
        height: Likewise.
        orientation: Applied on the way.
    """

    def __init__(self, width: int, height: int, orientation: Orientation) -> None:
        from av.video.reformatter import VideoReformatter

        self._width, self._height, self._orientation = width, height, orientation
        self._to_eight_bits = VideoReformatter()
        self._to_rgb = VideoReformatter()

    def write(self, frame: VideoFrame, seconds: float, out: NDArray[np.uint8]) -> None:
        """Write a decoded frame, shown at ``seconds``, into ``out``, uint8 ``[H, W, 3]``.

        Raises:
            StreamDamageError: The picture's format cannot be converted.
        """
        import av

        try:
            layout = DEEP_FORMATS.get(frame.format.name)
            if layout is not None:
                frame = self._to_eight_bits.reformat(frame, format=layout)
            rgb = self._to_rgb.reformat(frame, width=self._width, height=self._height, format="rgb24")
        except (av.FFmpegError, ValueError) as error:
            reason = f"pictures of format {frame.format.name} cannot be converted to RGB ({error})"
            raise StreamDamageError(reason, seconds) from error
        plane = rgb.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: self._height, : 3 * self._width]
        out[...] = self._orientation.shown(rows.reshape(self._height, self._width, 3))
