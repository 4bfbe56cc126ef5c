"""Draws tapered capsules, anti-aliased and lit from one side. Everything that moves consists of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""An RGB picture, ``[H, W, 3]``."""


@dataclass(frozen=True, eq=False)
class Strokes:
    """``K`` capsules in the ``F`` frames of a video, in pixels.

    Attributes:
        starts: ``[F, K, 2]``, x and y of one end.
        ends: ``[F, K, 2]``, x and y of the other end.
        radii: ``[F, K, 2]``, at the start and at the end; a stroke of radius 0 is not drawn.
        colours: ``[F, K, 3]``, RGB from 0 to 255.
        opacity: ``[F, K]``, from 0 to 1.
        depth: ``[F, K]``; strokes with smaller depth are farther away and drawn first.
        softness: ``[K]``, pixels over which an edge fades; 1 is a crisp anti-aliased edge.
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    radii: NDArray[np.float64]
    colours: NDArray[np.float64]
    opacity: NDArray[np.float64]
    depth: NDArray[np.float64]
    softness: NDArray[np.float64]


def paint(frame: Frame, strokes: Strokes, index: int) -> None:
    """Draw the strokes of frame ``index`` onto the picture, in place, far ones first."""
    shapes = np.concatenate([strokes.starts[index], strokes.ends[index], strokes.radii[index]], axis=1).tolist()
    colours = strokes.colours[index].astype(np.float32)
    opacity, softness = strokes.opacity[index].tolist(), strokes.softness.tolist()
    for k in np.argsort(strokes.depth[index], kind="stable").tolist():
        if opacity[k] > 0 and max(shapes[k][4:]) > 0:
            _paint_capsule(frame, shapes[k], colours[k], opacity[k], softness[k])


def _find_patch(shape: list[float], margin: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels that a capsule can cover."""
    ax, ay, bx, by, ra, rb = shape
    height, width = size
    left, right = min(ax - ra, bx - rb) - margin, max(ax + ra, bx + rb) + margin
    top, bottom = min(ay - ra, by - rb) - margin, max(ay + ra, by + rb) + margin
    return max(0, int(left)), max(0, int(top)), min(width, int(right) + 2), min(height, int(bottom) + 2)


def _paint_capsule(
    frame: Frame, shape: list[float], colour: NDArray[np.float32], opacity: float, softness: float
) -> None:
    """Blend one capsule into the frame. The distance to its axis gives coverage and, with the side, the shade."""
    left, top, right, bottom = _find_patch(shape, softness, (frame.shape[0], frame.shape[1]))
    if left >= right or top >= bottom:
        return
    ax, ay, bx, by, ra, rb = shape
    dx, dy = bx - ax, by - ay
    across = np.arange(left, right, dtype=np.float32) - np.float32(ax)
    down = (np.arange(top, bottom, dtype=np.float32) - np.float32(ay))[:, None]
    length = dx * dx + dy * dy
    if length > 1e-4:
        along = across * np.float32(dx / length) + down * np.float32(dy / length)
        np.minimum(along, 1, out=along)
        np.maximum(along, 0, out=along)
        across = across - along * np.float32(dx)
        down = down - along * np.float32(dy)
        radius = along * np.float32(rb - ra) + np.float32(ra)
    else:
        radius = np.float32(max(ra, rb))
    squared = across * across + down * down
    cover = (radius - np.sqrt(squared)) * np.float32(1 / softness) + np.float32(0.5)
    np.minimum(cover, 1, out=cover)
    np.maximum(cover, 0, out=cover)
    if opacity < 1:
        cover *= np.float32(opacity)
    planes = frame[top:bottom, left:right].transpose(2, 0, 1)  # inner loops over pixels, not over three colours
    tone = colour[:, None, None]
    if softness <= 1:
        lit = across * np.float32(0.16) + down * np.float32(0.16) + squared * np.float32(0.14 / max(ra, rb))
        tone = np.minimum((1.02 - lit / radius) * tone, 255)
    blended = tone - planes
    blended *= cover
    blended += planes
    blended += np.float32(0.5)
    planes[...] = blended
