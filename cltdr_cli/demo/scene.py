"""The surroundings in one video: background, camera, light and other moving things, drawn independently of labels."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]
"""RGB, each from 0 to 255."""

WALLS = ("plain", "noise", "stripes", "blobs", "tiles", "boxes")


@dataclass(frozen=True)
class Backdrop:
    """The background.

    Attributes:
        wall: One of ``WALLS``.
        floor: One of ``WALLS``, or empty where the wall reaches the lower edge.
        horizon: Where the floor begins, as a share of the height from the top.
        colours: Three of the wall, then two of the floor.
        grain: Size of the texture, in pixels.
        angle: Angle of stripes and of the gradient of light, in radians.
        shading: Strength of that gradient, from 0 to 1.
        seed: Seed of the texture.
    """

    wall: str
    floor: str
    horizon: float
    colours: tuple[Colour, ...]
    grain: float
    angle: float
    shading: float
    seed: int


@dataclass(frozen=True)
class Camera:
    """Position and motion of the camera.

    Attributes:
        drift_pixels: Amplitude of a slow drift.
        drift_seconds: Period of that drift.
        zoom: Lowest and highest zoom factor.
        shake_pixels: Amplitude of a hand-held shake.
        tilt: Downward tilt, in radians.
        distance: Distance to the figure, in body heights; smaller gives stronger perspective.
        seed: Seed of the motion.
    """

    drift_pixels: float
    drift_seconds: float
    zoom: tuple[float, float]
    shake_pixels: float
    tilt: float
    distance: float
    seed: int


@dataclass(frozen=True)
class Light:
    """Brightness over time, tint and noise.

    Attributes:
        gain: Overall brightness factor.
        swing: Relative amplitude of slow changes.
        swing_seconds: Period of these changes.
        switches: ``(seconds, factor)``: from that time on brightness is multiplied by the factor.
        flicker: Relative amplitude of a fast flicker.
        flicker_hertz: Frequency of the flicker.
        tint: Factors on red, green and blue.
        noise: Standard deviation of the sensor noise, on a scale of 255.
    """

    gain: float
    swing: float
    swing_seconds: float
    switches: tuple[tuple[float, float], ...]
    flicker: float
    flicker_hertz: float
    tint: Colour
    noise: float


@dataclass(frozen=True)
class Distractor:
    """Something that moves and is no action.

    Attributes:
        kind: ``ball``, ``pendulum``, ``plant``, ``lamp`` or ``passer``.
        x: Column of its anchor.
        y: Row of its anchor.
        size: Radius, in pixels.
        reach: Length of its swing or flight, in pixels.
        hertz: Frequency of its motion.
        phase: Phase of its motion, from 0 to 1.
        colour: Its colour.
        in_front: Whether it is in front of the figures.
    """

    kind: str
    x: float
    y: float
    size: float
    reach: float
    hertz: float
    phase: float
    colour: Colour
    in_front: bool


@dataclass(frozen=True)
class Scene:
    """The whole surroundings; ``figure_contrast`` is the colour that clothes should stand out from."""

    backdrop: Backdrop
    camera: Camera
    light: Light
    distractors: tuple[Distractor, ...]
    figure_contrast: Colour


def draw_colour(rng: np.random.Generator, away_from: Colour | None = None) -> Colour:
    """Draw any colour; with ``away_from``, one that is clearly different from it."""
    while True:
        red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.9), rng.uniform(0.15, 0.98))
        colour = (255 * red, 255 * green, 255 * blue)
        if away_from is None or float(np.linalg.norm(np.subtract(colour, away_from))) > 90:
            return colour


def draw_scene(rng: np.random.Generator, width: int, height: int) -> Scene:
    """Draw the surroundings for a picture of this size in pixels."""
    wall = draw_colour(rng)
    near = [_draw_near(rng, wall, 45), _draw_near(rng, wall, 70)]
    floor = draw_colour(rng)
    backdrop = Backdrop(
        wall=str(rng.choice(WALLS)),
        floor=str(rng.choice(("plain", "noise", "tiles"))) if rng.random() < 0.75 else "",
        horizon=float(rng.uniform(0.55, 0.8)),
        colours=(wall, *near, floor, _draw_near(rng, floor, 40)),
        grain=float(rng.uniform(8, 48)),
        angle=float(rng.uniform(0, np.pi)),
        shading=float(rng.uniform(0, 0.5)),
        seed=int(rng.integers(2**31)),
    )
    light = _draw_light(rng)
    count = int(rng.choice((0, 1, 2, 3), p=(0.3, 0.35, 0.2, 0.15)))
    distractors = tuple(_draw_distractor(rng, width, height) for _ in range(count))
    return Scene(backdrop, _draw_camera(rng), light, distractors, wall)


def _draw_near(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    red, green, blue = np.clip(np.add(colour, rng.uniform(-spread, spread, 3)), 0, 255).tolist()
    return red, green, blue


def _draw_camera(rng: np.random.Generator) -> Camera:
    low, high = np.sort(rng.uniform(0.97, 1.12, 2)).tolist()
    still = rng.random() < 0.25
    steady = still or rng.random() < 0.4
    return Camera(
        drift_pixels=0.0 if still else float(rng.uniform(0, 14)),
        drift_seconds=float(rng.uniform(8, 30)),
        zoom=(low, low) if still else (low, high),
        shake_pixels=0.0 if steady else float(rng.uniform(0.3, 2.5)),
        tilt=float(rng.uniform(0.02, 0.2)),
        distance=float(rng.uniform(3.0, 7.0)),
        seed=int(rng.integers(2**31)),
    )


def _draw_light(rng: np.random.Generator) -> Light:
    switches: list[tuple[float, float]] = []
    if rng.random() < 0.25:
        start = float(rng.uniform(3, 40))
        switches = [(start, float(rng.uniform(0.6, 0.9))), (start + float(rng.uniform(1, 15)), 1.0)]
    red, green, blue = rng.uniform(0.88, 1.1, 3).tolist()
    return Light(
        gain=float(rng.uniform(0.7, 1.15)),
        swing=float(rng.uniform(0, 0.18)) if rng.random() < 0.6 else 0.0,
        swing_seconds=float(rng.uniform(2, 12)),
        switches=tuple(switches),
        flicker=float(rng.uniform(0.01, 0.06)) if rng.random() < 0.25 else 0.0,
        flicker_hertz=float(rng.uniform(3, 11)),
        tint=(red, green, blue),
        noise=float(rng.uniform(1, 7)) if rng.random() < 0.6 else 0.0,
    )


def _draw_distractor(rng: np.random.Generator, width: int, height: int) -> Distractor:
    kind = str(rng.choice(("ball", "pendulum", "plant", "lamp", "passer")))
    return Distractor(
        kind=kind,
        x=float(rng.uniform(0.05, 0.95) * width),
        y=float((rng.uniform(0.75, 0.98) if kind in ("ball", "plant") else rng.uniform(0.02, 0.5)) * height),
        size=float(rng.uniform(4, 15)),
        reach=float(rng.uniform(20, 90)),
        hertz=float(rng.uniform(0.25, 1.4)),
        phase=float(rng.random()),
        colour=draw_colour(rng),
        in_front=bool(rng.random() < 0.2),
    )
