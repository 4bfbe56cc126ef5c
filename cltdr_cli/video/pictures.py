"""From decoded pictures to RGB arrays as a player shows them: rotation, colour matrix and range of the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.decoding import StreamDamageError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True)
class Orientation:
    """How stored pixels become shown ones: first transposed, then flipped.

    Attributes:
        transposed: Rows and columns change places.
        flipped_rows: Upside down afterwards.
        flipped_columns: Left side right afterwards.
    """

    transposed: bool = False
    flipped_rows: bool = False
    flipped_columns: bool = False

    @property
    def degrees(self) -> int:
        """Clockwise turn: 0, 90, 180 or 270 (of a mirrored picture: the turn after the mirroring of columns)."""
        if self.transposed:
            return 270 if self.flipped_rows else 90
        return 180 if self.flipped_rows else 0

    @property
    def mirrored(self) -> bool:
        """Whether the picture is a mirror image, which no turn can make."""
        return self.transposed == (self.flipped_rows == self.flipped_columns)

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A view of stored pixels ``[H, W, 3]`` as they are shown, ``[H', W', 3]``."""
        pixels = pixels.swapaxes(0, 1) if self.transposed else pixels
        return pixels[:: -1 if self.flipped_rows else 1, :: -1 if self.flipped_columns else 1]

    def turn_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in pixels as shown."""
        return (height, width) if self.transposed else (width, height)


def read_orientation(frame: VideoFrame) -> Orientation:
    """Orientation by the display matrix of a decoded frame (ISO/IEC 14496-12 §6.2.2); angles snap to quarters.

    A point (x, y) of the picture is shown at (a·x + c·y, b·x + d·y), where the matrix begins a b u c d.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(flipped_rows=d < 0, flipped_columns=a < 0)
    return Orientation(transposed=True, flipped_rows=b < 0, flipped_columns=c < 0)


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
