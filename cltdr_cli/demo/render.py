"""Draws the frames of a script: background under the moving camera, strokes, light, noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cltdr_cli.demo.backdrop import paint_backdrop
from cltdr_cli.demo.body import trace_performer
from cltdr_cli.demo.brush import Frame, Strokes, paint
from cltdr_cli.demo.distractors import trace_distractor
from cltdr_cli.demo.figure import Track
from cltdr_cli.demo.scene import Camera, Light
from cltdr_cli.demo.script import HEIGHT, WIDTH, VideoScript

MARGIN = 40
"""Background beyond each edge, in pixels; the camera never moves farther."""


def render_frames(script: VideoScript, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
    """Draw the frames ``[start, stop)`` of a script, one by one.

    A frame depends on the script and its index only, so any stretch equals that stretch of the whole video.

    Args:
        script: The video.
        start: First frame.
        stop: One past the last frame; None for all.

    Yields:
        RGB, uint8 ``[240, 320, 3]``.
    """
    stage = Stage(script)
    for index in range(start, script.frame_count if stop is None else min(stop, script.frame_count)):
        yield stage.draw_frame(index)


class Stage:
    """A script prepared for drawing: positions of everything that moves, computed for all frames at once.

    Args:
        script: The video.
    """

    def __init__(self, script: VideoScript) -> None:
        seconds = np.arange(script.frame_count) / float(script.rate)
        scene = script.scene
        self._boxes, self._zoom, self._offset = move_camera(scene.camera, seconds)
        layers = [trace_distractor(thing, seconds) for thing in scene.distractors if not thing.in_front]
        by_ground = sorted(script.performers, key=lambda one: one.ground_y)
        layers += [trace_performer(one, scene.camera, seconds) for one in by_ground]
        layers += [trace_distractor(thing, seconds) for thing in scene.distractors if thing.in_front]
        self._layers = [_tint(self._apply_camera(layer), scene.light) for layer in layers]
        backdrop = np.asarray(paint_backdrop(scene.backdrop, WIDTH, HEIGHT, MARGIN))
        tinted = np.clip(backdrop * np.array(scene.light.tint, np.float32), 0, 255)
        self._backdrop = Image.fromarray(tinted.astype(np.uint8))
        self._gain = _compute_gain(scene.light, seconds)
        self._noise, self._noise_at = _make_noise(scene.light.noise, scene.backdrop.seed, script.frame_count)

    def _apply_camera(self, strokes: Strokes) -> Strokes:
        """Move the strokes to where the moving camera sees them."""
        zoom, offset = self._zoom[:, None, None], self._offset[:, None, :]
        return replace(
            strokes,
            starts=strokes.starts * zoom + offset,
            ends=strokes.ends * zoom + offset,
            radii=strokes.radii * zoom,
        )

    def draw_frame(self, index: int) -> Frame:
        """Draw frame ``index``, RGB uint8 ``[240, 320, 3]``."""
        box = tuple(self._boxes[index].tolist())
        ground = self._backdrop.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box=box)
        frame = np.array(ground)
        for layer in self._layers:
            paint(frame, layer, index)
        levels = np.clip(np.arange(256) * self._gain[index] + 0.5, 0, 255).astype(np.uint8)
        frame = np.take(levels, frame)
        if self._noise is None:
            return frame
        x, y = self._noise_at[index].tolist()
        return np.clip(frame + self._noise[y : y + HEIGHT, x : x + WIDTH], 0, 255).astype(np.uint8)


def move_camera(camera: Camera, seconds: Track) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compute the way of the camera.

    Returns:
        Visible box of the background ``[F, 4]``; zoom ``[F]`` and offset in pixels ``[F, 2]`` of what stands before it.
    """
    rng = np.random.default_rng(camera.seed)
    turns = seconds / camera.drift_seconds

    def wander(scale: float) -> Track:
        return np.sin(2 * np.pi * (scale * turns + rng.random()))

    drift = camera.drift_pixels * np.stack([wander(1.0), 0.5 * wander(0.7)], axis=1)
    shake = sum(
        np.sin(2 * np.pi * (hertz * seconds[:, None] + rng.random(2))) for hertz in rng.uniform(1.5, 7.0, 3)
    ) * (camera.shake_pixels / 2)
    low, high = camera.zoom
    zoom = low + (high - low) * (0.5 + 0.5 * wander(0.6))
    centre = np.array([WIDTH, HEIGHT]) / 2
    offset = centre - (centre + drift) * zoom[:, None] + shake
    corner = -offset / zoom[:, None] + MARGIN
    far = corner + 2 * centre / zoom[:, None]
    return np.concatenate([corner, far], axis=1), zoom, offset


def _tint(strokes: Strokes, light: Light) -> Strokes:
    return replace(strokes, colours=np.clip(strokes.colours * np.array(light.tint), 0, 255))


def _compute_gain(light: Light, seconds: Track) -> Track:
    """Brightness in each frame, ``[F]``."""
    gain = light.gain * (1 + light.swing * np.sin(2 * np.pi * seconds / light.swing_seconds))
    gain *= 1 + light.flicker * np.sin(2 * np.pi * light.flicker_hertz * seconds)
    factor = np.ones_like(seconds)
    for start, value in light.switches:
        ramp = np.clip((seconds - start) / 0.3, 0.0, 1.0)
        factor += (value - factor) * ramp
    return gain * factor


def _make_noise(sigma: float, seed: int, frame_count: int) -> tuple[NDArray[np.int16] | None, NDArray[np.int64]]:
    """A sheet of noise larger than the picture, and the corner ``[F, 2]`` of the part that each frame shows."""
    rng = np.random.default_rng(seed + 1)
    places = rng.integers(0, 48, (frame_count, 2))
    if sigma == 0:
        return None, places
    sheet = rng.normal(0, sigma, (HEIGHT + 48, WIDTH + 48, 3))
    return np.rint(sheet).astype(np.int16), places
