"""Decoded pictures to 8-bit RGB, with the matrix and range that the stream states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.decoding import StreamDamageError
from cltdr_cli.video.orientation import Orientation

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


class RgbPictures:
    """Converts pictures of one stream into RGB arrays of one size.

    The matrix (BT.601, BT.709, BT.2020) and the range (limited, full) are those of the stream's tags; an untagged
    stream is BT.601, limited, as FFmpeg, OpenCV and decord take it. Halved colour planes are enlarged by repeating
    pixels at every bit depth: swscale does so at 8 bits, and would blur them at higher depths unless told not to
    (measured on one 10-bit clip: 3.4 grey levels on average). Transfer curves (HDR) are left as they are.

    Args:
        width: Pixels of the stored picture; a stream that changes its size is scaled to it.
        height: Likewise.
        orientation: Applied on the way.
    """

    def __init__(self, width: int, height: int, orientation: Orientation) -> None:
        from av.video.reformatter import VideoReformatter

        self._width, self._height, self._orientation = width, height, orientation
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """A decoded frame as it is shown, uint8 ``[H, W, 3]``; a view, to be copied.

        Raises:
            StreamDamageError: The picture's format cannot be converted.
        """
        from av.error import FFmpegError

        try:
            rgb = self._reformatter.reformat(
                frame,
                width=self._width,
                height=self._height,
                format="rgb24",
                interpolation=self._choose_interpolation(frame),
            )
        except (FFmpegError, ValueError) as error:
            reason = f"pictures of format {frame.format.name} cannot be converted to RGB ({error})"
            raise StreamDamageError(reason) from error
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : self._height, : 3 * self._width
        ]
        return self._orientation.apply(rows.reshape(self._height, self._width, 3))

    def _choose_interpolation(self, frame: VideoFrame) -> str:
        same_size = (frame.width, frame.height) == (self._width, self._height)
        deep = any(component.bits > 8 for component in frame.format.components)
        return "POINT" if deep and same_size else "BILINEAR"
