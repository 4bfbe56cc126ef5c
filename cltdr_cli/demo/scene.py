"""The stage of one video: background, camera, light and what else moves. Drawn without a look at the labels."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]
"""RGB, each from 0 to 255."""

WALLS = ("plain", "noise", "stripes", "blobs", "tiles", "boxes")


@dataclass(frozen=True)
class Backdrop:
    """What stands still.

    Attributes:
        wall: One of ``WALLS``.
        floor: Likewise, or empty where the wall goes down to the lower edge.
        horizon: Where the floor begins, as a share of the height from the top.
        colours: Three of the wall, then two of the floor.
        grain: Size of the texture, in pixels.
        angle: Of stripes and of the gradient of light, in radians.
        shading: Strength of that gradient, from 0 to 1.
        seed: Of the texture.
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
    """How the camera moves and looks.

    Attributes:
        drift_pixels: How far it wanders, slowly.
        drift_seconds: Length of one such wandering.
        zoom: Lowest and highest factor on the way.
        shake_pixels: How far a hand trembles.
        tilt: Looking down, in radians.
        distance: To the figure, in body heights; smaller is stronger perspective.
        seed: Of the ways.
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
    """How bright it is, over time.

    Attributes:
        gain: Factor on the whole.
        swing: Share by which it swells and fades.
        swing_seconds: Length of one swell.
        switches: ``(seconds, factor)``, from then on.
        flicker: Share of a fast flicker.
        flicker_hertz: Its frequency.
        tint: Factor on red, green and blue.
        noise: Standard deviation of the sensor's noise, of 255.
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
    """Something else that moves: ``ball``, ``pendulum``, ``plant``, ``lamp`` or ``passer``.

    Attributes:
        kind: Which.
        x: Column of its anchor.
        y: Row of its anchor.
        size: Radius, in pixels.
        reach: Length of its swing or of its flight, in pixels.
        hertz: Frequency of its motion.
        phase: From 0 to 1.
        colour: Of its body.
        in_front: Whether it passes before the figures.
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
    """All of the stage; ``figure_contrast`` is the colour that clothes should stand out from."""

    backdrop: Backdrop
    camera: Camera
    light: Light
    distractors: tuple[Distractor, ...]
    figure_contrast: Colour


def drawn_colour(rng: np.random.Generator, away_from: Colour | None = None) -> Colour:
    """Any colour; with ``away_from``, one that can be told from it."""
    while True:
        red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.05, 0.9), rng.uniform(0.15, 0.98))
        colour = (255 * red, 255 * green, 255 * blue)
        if away_from is None or float(np.linalg.norm(np.subtract(colour, away_from))) > 90:
            return colour


def drawn_scene(rng: np.random.Generator, width: int, height: int) -> Scene:
    """A stage for a picture of this size."""
    wall = drawn_colour(rng)
    near = [_near(rng, wall, 45), _near(rng, wall, 70)]
    floor = drawn_colour(rng)
    backdrop = Backdrop(
        wall=str(rng.choice(WALLS)),
        floor=str(rng.choice(("plain", "noise", "tiles"))) if rng.random() < 0.75 else "",
        horizon=float(rng.uniform(0.55, 0.8)),
        colours=(wall, *near, floor, _near(rng, floor, 40)),
        grain=float(rng.uniform(8, 48)),
        angle=float(rng.uniform(0, np.pi)),
        shading=float(rng.uniform(0, 0.5)),
        seed=int(rng.integers(2**31)),
    )
    light = _drawn_light(rng)
    count = int(rng.choice((0, 1, 2, 3), p=(0.3, 0.35, 0.2, 0.15)))
    distractors = tuple(_drawn_distractor(rng, width, height) for _ in range(count))
    return Scene(backdrop, _drawn_camera(rng), light, distractors, wall)


def _near(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    red, green, blue = np.clip(np.add(colour, rng.uniform(-spread, spread, 3)), 0, 255).tolist()
    return red, green, blue


def _drawn_camera(rng: np.random.Generator) -> Camera:
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


def _drawn_light(rng: np.random.Generator) -> Light:
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


def _drawn_distractor(rng: np.random.Generator, width: int, height: int) -> Distractor:
    kind = str(rng.choice(("ball", "pendulum", "plant", "lamp", "passer")))
    return Distractor(
        kind=kind,
        x=float(rng.uniform(0.05, 0.95) * width),
        y=float((rng.uniform(0.75, 0.98) if kind in ("ball", "plant") else rng.uniform(0.02, 0.5)) * height),
        size=float(rng.uniform(4, 15)),
        reach=float(rng.uniform(20, 90)),
        hertz=float(rng.uniform(0.25, 1.4)),
        phase=float(rng.random()),
        colour=drawn_colour(rng),
        in_front=bool(rng.random() < 0.2),
    )
