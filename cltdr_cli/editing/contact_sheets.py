"""Contact sheets: a grid of small moving pictures, one for each segment of a label, as WebP or GIF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.editing.lettering import Lettering
from cltdr_cli.errors import StreamBrokenError
from cltdr_cli.files import replacing
from cltdr_cli.video.pyav_reader import PyavReader

if TYPE_CHECKING:
    from PIL.Image import Image

FRAMES = 8
"""Pictures of each segment, evenly spaced."""

MOST_CELLS = 24
_CELL_WIDTH, _CELL_HEIGHT, _CAPTION, _GAP, _TITLE = 200, 150, 20, 6, 30
_SHOWN_MILLISECONDS = 250
_GROUND, _TEXT, _QUIET = (24, 24, 24), (235, 235, 235), (160, 160, 160)
_READ_ON_SECONDS = 3.0
"""A picture that is nearer is reached by reading on, a farther one by a jump."""


@dataclass(frozen=True)
class Cell:
    """One segment on a sheet: ``FRAMES`` pictures (uint8 RGB ``[H, W, 3]``) and a line below."""

    pictures: tuple[NDArray[np.uint8], ...]
    caption: str


def sample_segment(reader: PyavReader, start: float, end: float) -> tuple[NDArray[np.uint8], ...]:
    """Small pictures from evenly spaced times of a segment; fewer where the video breaks, none outside of it.

    Args:
        reader: The open video.
        start: Seconds.
        end: Seconds.
    """
    step = max(end - start, 0.001) / FRAMES
    found: list[NDArray[np.uint8]] = []
    times = [start + (number + 0.5) * step for number in range(FRAMES)]
    try:
        while len(found) < len(times):
            count = len(found)
            found += _read_near(reader, times[count:])
            if len(found) == count:
                break
    except StreamBrokenError:
        pass
    return tuple(found)


def _read_near(reader: PyavReader, times: Sequence[float]) -> list[NDArray[np.uint8]]:
    """Pictures on the screen at the first of the times, and at those that soon follow."""
    near = [later - time <= _READ_ON_SECONDS for time, later in pairwise(times)]
    wanted = times[: 1 + (near.index(False) if False in near else len(near))]
    found: list[NDArray[np.uint8]] = []
    held: NDArray[np.uint8] | None = None
    for batch in reader.batches(1, start_seconds=max(0.0, wanted[0])):
        seconds = float(batch.pts_seconds[0])
        while held is not None and len(found) < len(wanted) and seconds > wanted[len(found)]:
            found.append(_shrink(held))
        if len(found) == len(wanted):
            return found
        held = batch.frames[0]
    if held is not None and not found:
        found.append(_shrink(held))
    return found


def _shrink(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((_CELL_WIDTH, _CELL_HEIGHT))
    return np.asarray(image)


def write_sheet(path: Path, title: str, cells: Sequence[Cell], font: Path | None = None) -> None:
    """Write a sheet, atomically.

    Args:
        path: A ``.webp`` or ``.gif`` file.
        title: Line above.
        cells: In their order; those without pictures are left out.
        font: A font file; None takes a usual one.

    Raises:
        OutputError: The file cannot be written.
    """
    shown = [cell for cell in cells if cell.pictures]
    columns = max(1, min(4, math.ceil(math.sqrt(len(shown)))))
    lettering = Lettering(font)
    frames = [_draw_frame(shown, columns, title, number, lettering) for number in range(FRAMES)]
    kind = path.suffix.lower().removeprefix(".")
    more = {"quality": 70, "method": 3} if kind == "webp" else {"optimize": True}
    with replacing(path) as partial:
        frames[0].save(
            partial, format=kind, save_all=True, append_images=frames[1:], duration=_SHOWN_MILLISECONDS, loop=0, **more
        )


def _draw_frame(cells: Sequence[Cell], columns: int, title: str, number: int, lettering: Lettering) -> Image:
    from PIL import Image, ImageDraw

    rows = math.ceil(len(cells) / columns)
    tallest = max(picture.shape[0] for cell in cells for picture in cell.pictures)
    row_height = tallest + _CAPTION + _GAP
    width = _GAP + columns * (_CELL_WIDTH + _GAP)
    sheet = Image.new("RGB", (width, _TITLE + rows * row_height), _GROUND)
    draw = ImageDraw.Draw(sheet)
    text = lettering.fit(title, 16, width - 2 * _GAP)
    draw.text((_GAP, _TITLE / 2), text, fill=_TEXT, font=lettering.font(16), anchor="lm")
    for place, cell in enumerate(cells):
        left = _GAP + place % columns * (_CELL_WIDTH + _GAP)
        top = _TITLE + place // columns * row_height
        picture = Image.fromarray(cell.pictures[number * len(cell.pictures) // FRAMES])
        sheet.paste(picture, (left + (_CELL_WIDTH - picture.width) // 2, top + (tallest - picture.height) // 2))
        caption = lettering.fit(cell.caption, 13, _CELL_WIDTH)
        draw.text((left, top + tallest + _CAPTION / 2), caption, fill=_QUIET, font=lettering.font(13), anchor="lm")
    return sheet
