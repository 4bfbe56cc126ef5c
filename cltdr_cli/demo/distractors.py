"""Moving things that are no actions: balls, pendulums, plants in the wind, lamps, passers-by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.demo.brush import Strokes
from cltdr_cli.demo.figure import Track
from cltdr_cli.demo.scene import Distractor

BEHIND, BEFORE = -5.0, 5.0


@dataclass(frozen=True, eq=False)
class _Stroke:
    """One capsule: its ends ``[F, 2]``, its radii in pixels, its brightness (``[F]`` or a constant)."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    start_radius: float
    end_radius: float
    brightness: Track | float = 1.0


def _repeat_point(x: float, y: float, count: int) -> NDArray[np.float64]:
    return np.broadcast_to(np.array([x, y]), (count, 2))


def _trace_ball(thing: Distractor, turns: Track) -> list[_Stroke]:
    """A ball that bounces to and fro."""
    along = np.abs(np.mod(0.37 * turns, 2.0) - 1.0) - 0.5
    hop = np.abs(np.sin(np.pi * turns)) * thing.reach
    at = np.stack([thing.x + 2.5 * thing.reach * along, thing.y - hop], axis=1)
    return [_Stroke(at, at, thing.size, thing.size)]


def _trace_hanging(thing: Distractor, turns: Track, sign: float) -> list[_Stroke]:
    angle = 0.5 * np.sin(2 * np.pi * turns)
    anchor = _repeat_point(thing.x, thing.y, len(turns))
    end = anchor + thing.reach * np.stack([np.sin(angle), sign * np.cos(angle)], axis=1)
    return [_Stroke(anchor, end, 1.5, 1.0, 0.6), _Stroke(end, end, thing.size, thing.size)]


def _trace_pendulum(thing: Distractor, turns: Track) -> list[_Stroke]:
    return _trace_hanging(thing, turns, 1.0)


def _trace_plant(thing: Distractor, turns: Track) -> list[_Stroke]:
    """Three leaves in the wind, out of step with each other."""
    leaves: list[_Stroke] = []
    for number, lean in enumerate((-0.5, 0.0, 0.45)):
        angle = lean + 0.22 * np.sin(2 * np.pi * (turns + 0.13 * number))
        foot = _repeat_point(thing.x, thing.y, len(turns))
        tip = foot + thing.reach * np.stack([np.sin(angle), -np.cos(angle)], axis=1)
        leaves.append(_Stroke(foot, tip, 2.0, 0.4 * thing.size, 1.0 - 0.12 * number))
    return leaves


def _trace_lamp(thing: Distractor, turns: Track) -> list[_Stroke]:
    """A flickering screen or lamp."""
    left = _repeat_point(thing.x, thing.y, len(turns))
    right = _repeat_point(thing.x + thing.size, thing.y, len(turns))
    brightness = 0.75 + 0.25 * np.sin(2 * np.pi * 2.3 * turns) * np.sin(2 * np.pi * 0.71 * turns)
    return [_Stroke(left, right, thing.size, thing.size, brightness)]


def _trace_passer(thing: Distractor, turns: Track) -> list[_Stroke]:
    """Something that crosses the picture from edge to edge, again and again."""
    x = np.mod(0.22 * turns, 1.0) * 520 - 100
    start = np.stack([x, np.full_like(x, thing.y)], axis=1)
    return [_Stroke(start, start + np.array([1.6 * thing.size, 0.0]), thing.size, 0.7 * thing.size)]


KINDS: dict[str, Callable[[Distractor, Track], list[_Stroke]]] = {
    "ball": _trace_ball,
    "pendulum": _trace_pendulum,
    "plant": _trace_plant,
    "lamp": _trace_lamp,
    "passer": _trace_passer,
}


def trace_distractor(thing: Distractor, seconds: Track) -> Strokes:
    """Strokes of one distractor in the frames at ``seconds`` (``[F]``)."""
    strokes = KINDS[thing.kind](thing, thing.hertz * seconds + thing.phase)
    count = len(seconds)
    brightness = np.stack([np.broadcast_to(np.asarray(one.brightness), (count,)) for one in strokes], axis=1)
    return Strokes(
        starts=np.stack([one.start for one in strokes], axis=1),
        ends=np.stack([one.end for one in strokes], axis=1),
        radii=np.broadcast_to([(one.start_radius, one.end_radius) for one in strokes], (count, len(strokes), 2)),
        colours=brightness[..., None] * np.array(thing.colour),
        opacity=np.ones((count, len(strokes))),
        depth=np.full((count, len(strokes)), BEFORE if thing.in_front else BEHIND),
        softness=np.ones(len(strokes)),
    )
