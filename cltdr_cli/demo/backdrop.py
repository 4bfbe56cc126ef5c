"""Paints the background of a video: textured wall, textured floor, a gradient of light."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cltdr_cli.demo.scene import Backdrop

Field = NDArray[np.float32]
"""Values from 0 to 1, ``[H, W]``."""


def paint_backdrop(backdrop: Backdrop, width: int, height: int, margin: int) -> Image.Image:
    """Paint the background with a margin beyond each edge, so that the camera can move.

    Args:
        backdrop: What to paint.
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        margin: Pixels beyond each edge.
    """
    rng = np.random.default_rng(backdrop.seed)
    size = (height + 2 * margin, width + 2 * margin)
    palette = np.array(backdrop.colours, np.float32)
    canvas = _blend(palette[0], palette[1], TEXTURES[backdrop.wall](rng, size, backdrop.grain, backdrop.angle))
    if backdrop.wall in ("boxes", "blobs"):
        second = TEXTURES[backdrop.wall](rng, size, backdrop.grain, backdrop.angle)[..., None]
        canvas += (palette[2] - canvas) * second
    if backdrop.floor:
        top = margin + round(backdrop.horizon * height)
        floor = TEXTURES[backdrop.floor](rng, size, backdrop.grain, 0.0)
        canvas[top:] = _blend(palette[3], palette[4], floor)[top:]
    canvas *= (1 - backdrop.shading * _make_gradient(size, backdrop.angle))[..., None]
    canvas += rng.normal(0, 2.5, canvas.shape).astype(np.float32)
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))


def _blend(first: NDArray[np.float32], second: NDArray[np.float32], share: Field) -> NDArray[np.float32]:
    return (first + (second - first) * share[..., None]).astype(np.float32)


def _make_gradient(size: tuple[int, int], angle: float) -> Field:
    down, across = np.mgrid[0 : 1 : size[0] * 1j, 0 : 1 : size[1] * 1j].astype(np.float32)
    ramp = across * math.cos(angle) + down * math.sin(angle)
    return ((ramp - ramp.min()) / (ramp.max() - ramp.min())).astype(np.float32)


def _paint_plain(rng: np.random.Generator, size: tuple[int, int], grain: float, angle: float) -> Field:
    return _make_gradient(size, angle + float(rng.uniform(-1, 1)))


def _paint_noise(rng: np.random.Generator, size: tuple[int, int], grain: float, angle: float) -> Field:
    """Sum of smoothly interpolated random values on coarse and fine grids."""
    total = np.zeros(size, np.float32)
    for octave in range(4):
        cell = max(2.0, 2.5 * grain / 2**octave)
        shape = (int(size[0] / cell) + 2, int(size[1] / cell) + 2)
        coarse = Image.fromarray(rng.random(shape, np.float32))
        total += np.asarray(coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC)) * 0.6**octave
    return np.clip((total - total.min()) / (total.max() - total.min()), 0, 1)


def _paint_stripes(rng: np.random.Generator, size: tuple[int, int], grain: float, angle: float) -> Field:
    down, across = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    wave = np.sin((across * math.cos(angle) + down * math.sin(angle)) * (np.pi / grain))
    return np.clip(0.5 + wave * float(rng.uniform(0.5, 4)), 0, 1)


def _paint_blobs(rng: np.random.Generator, size: tuple[int, int], grain: float, angle: float) -> Field:
    down, across = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    cover = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(5, 20))):
        y, x = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        radius = grain * rng.uniform(0.4, 1.6)
        np.maximum(cover, np.clip((radius - np.hypot(down - y, across - x)) / 2 + 0.5, 0, 1), out=cover)
    return cover


def _paint_tiles(rng: np.random.Generator, size: tuple[int, int], grain: float, angle: float) -> Field:
    """A chequerboard, or bricks in shifted rows."""
    down, across = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    row = np.floor(down / grain)
    column = np.floor((across + (row % 2) * grain * float(rng.uniform(0, 1))) / (2 * grain))
    if rng.random() < 0.5:
        return ((row + column) % 2).astype(np.float32)
    seam = np.minimum(down % grain, (across + (row % 2) * grain) % (2 * grain))
    return np.clip(seam / 1.5, 0, 1)


def _paint_boxes(rng: np.random.Generator, size: tuple[int, int], grain: float, angle: float) -> Field:
    """Upright boxes, like windows, pictures or shelves."""
    cover = np.zeros(size, np.float32)
    for _ in range(int(rng.integers(3, 10))):
        high, wide = (int(side) for side in grain * rng.uniform(0.6, 3.5, 2))
        y, x = int(rng.integers(0, size[0])), int(rng.integers(0, size[1]))
        cover[y : y + high, x : x + wide] = rng.uniform(0.4, 1.0)
    return cover


TEXTURES: dict[str, Callable[[np.random.Generator, tuple[int, int], float, float], Field]] = {
    "plain": _paint_plain,
    "noise": _paint_noise,
    "stripes": _paint_stripes,
    "blobs": _paint_blobs,
    "tiles": _paint_tiles,
    "boxes": _paint_boxes,
}
