"""The rotation that a camera wrote beside the pictures, applied as players apply it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
