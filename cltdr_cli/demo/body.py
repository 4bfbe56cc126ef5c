"""Turns the joints of a figure into strokes: capsules around the bones, and a trunk as wide as it appears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.demo.brush import Strokes
from cltdr_cli.demo.figure import SIDES, Points, Track, place_joints
from cltdr_cli.demo.motion import locate_performer, pose_performer
from cltdr_cli.demo.scene import Camera, Colour
from cltdr_cli.demo.script import Look, Performer


@dataclass(frozen=True)
class Bone:
    """A stroke between two joints. Radii are in body heights; ``nearer`` moves it toward the viewer when drawing."""

    start: str
    end: str
    start_radius: float
    end_radius: float
    colour: Colour
    nearer: float = 0.0


def _list_limbs(look: Look) -> list[Bone]:
    thick = look.build.thickness
    bones: list[Bone] = []
    for side in SIDES:
        bones += [
            Bone(f"hip_{side}", f"knee_{side}", 0.052 * thick, 0.04 * thick, look.trousers),
            Bone(f"knee_{side}", f"ankle_{side}", 0.04 * thick, 0.028 * thick, look.trousers),
            Bone(f"ankle_{side}", f"toe_{side}", 0.03 * thick, 0.022 * thick, look.shoes, 0.005),
            Bone(f"shoulder_{side}", f"elbow_{side}", 0.039 * thick, 0.031 * thick, look.shirt, 0.02),
            Bone(f"elbow_{side}", f"wrist_{side}", 0.03 * thick, 0.023 * thick, look.sleeve, 0.022),
            Bone(f"wrist_{side}", f"knuckle_{side}", 0.029 * thick, 0.027 * thick, look.skin, 0.024),
        ]
    return bones


def _list_head_bones(look: Look) -> list[Bone]:
    radius = look.build.head_radius
    dark = (30.0, 25.0, 25.0)
    return [
        Bone("neck", "head", 0.032, 0.03, look.skin),
        Bone("head", "head", radius, radius, look.skin, 0.01),
        Bone("crown", "crown", 0.92 * radius, 0.92 * radius, look.hair, 0.01),
        Bone("nose", "nose", 0.2 * radius, 0.2 * radius, look.skin, 0.02),
        Bone("eye_left", "eye_left", 0.14 * radius, 0.14 * radius, dark, 0.02),
        Bone("eye_right", "eye_right", 0.14 * radius, 0.14 * radius, dark, 0.02),
    ]


class _View:
    """Projects points of a figure into the picture, before the camera moves."""

    def __init__(self, performer: Performer, camera: Camera, column: Track) -> None:
        self.performer, self.camera, self.column = performer, camera, column

    def measure_scale(self, point: Points) -> Track:
        """Pixels per body height at the distance of the point, ``[F]``."""
        return self.performer.height_pixels / (1 - self.measure_depth(point) / self.camera.distance)

    def measure_depth(self, point: Points) -> Track:
        """Distance toward the viewer in body heights, ``[F]``, for a camera tilted downward."""
        return point[:, 2] * np.cos(self.camera.tilt) + (point[:, 1] - 0.5) * np.sin(self.camera.tilt)

    def project(self, point: Points) -> NDArray[np.float64]:
        """Column and row of a point in pixels, ``[F, 2]``."""
        up = point[:, 1] * np.cos(self.camera.tilt) - point[:, 2] * np.sin(self.camera.tilt)
        scale = self.measure_scale(point)
        return np.stack([self.column + scale * point[:, 0], self.performer.ground_y - scale * up], axis=1)


def trace_performer(performer: Performer, camera: Camera, seconds: Track) -> Strokes:
    """Strokes of the whole figure and its shadow in the frames at ``seconds`` (``[F]``)."""
    view = _View(performer, camera, locate_performer(performer, seconds))
    points = place_joints(pose_performer(performer, seconds), performer.look.build)
    rows = [_trace_bone(view, points, bone) for bone in _list_limbs(performer.look) + _list_head_bones(performer.look)]
    rows += _trace_trunk(view, points, performer.look)
    rows.append(_trace_shadow(view, points))
    starts, ends, radii, colours, opacity, depth, softness = (list(column) for column in zip(*rows, strict=True))
    return Strokes(
        np.stack(starts, 1), np.stack(ends, 1), np.stack(radii, 1),
        np.broadcast_to(np.array(colours), (len(seconds), len(rows), 3)),
        np.stack(opacity, 1), np.stack(depth, 1), np.array(softness),
    )  # fmt: skip


_Row = tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], Colour, NDArray[np.float64],
    NDArray[np.float64], float,
]  # fmt: skip


def _make_row(view: _View, start: Points, end: Points, radii: tuple[Track, Track], colour: Colour, near: float) -> _Row:
    scaled = np.stack([radii[0] * view.measure_scale(start), radii[1] * view.measure_scale(end)], axis=1)
    depth = (view.measure_depth(start) + view.measure_depth(end)) / 2 + near
    return view.project(start), view.project(end), np.maximum(scaled, 0.4), colour, np.ones(len(start)), depth, 1.0


def _trace_bone(view: _View, points: dict[str, Points], bone: Bone) -> _Row:
    start, end = points[bone.start], points[bone.end]
    radii = (np.full(len(start), bone.start_radius), np.full(len(start), bone.end_radius))
    return _make_row(view, start, end, radii, bone.colour, bone.nearer)


def _trace_trunk(view: _View, points: dict[str, Points], look: Look) -> list[_Row]:
    """Strokes of chest, pelvis and badge. The trunk is as wide as shoulders and hips appear to the viewer."""
    across = points["shoulder_left"] - points["shoulder_right"]
    facing = np.hypot(across[:, 0], across[:, 1]) / (2 * look.build.shoulder_half)
    build, thick = look.build, 0.5 + 0.5 * look.build.thickness
    chest = thick * np.hypot(0.072, (build.shoulder_half - 0.012) * facing)
    waist = thick * np.hypot(0.062, (build.hip_half + 0.01) * facing)
    low = points["pelvis"] + 0.25 * (points["chest"] - points["pelvis"])
    high = points["pelvis"] + 0.72 * (points["chest"] - points["pelvis"])
    badge = np.full(len(across), 0.034)
    hips = points["pelvis"] + 0.04 * (points["chest"] - points["pelvis"])
    return [
        _make_row(view, hips, low, (waist, waist), look.trousers, -0.012),
        _make_row(view, low, high, (waist, chest), look.shirt, 0.0),
        _make_row(view, points["badge"], points["badge"], (badge, badge), look.badge, 0.012),
    ]


def _trace_shadow(view: _View, points: dict[str, Points]) -> _Row:
    """A dark haze on the ground below the pelvis; it stays there when the figure jumps."""
    below = points["pelvis"] * np.array([1.0, 0.0, 1.0])
    left, right = below - np.array([0.11, 0.0, 0.0]), below + np.array([0.11, 0.0, 0.0])
    size = view.measure_scale(below) * 0.035
    opacity = np.full(len(below), 0.4)
    depth = np.full(len(below), -9.0)
    return (
        view.project(left), view.project(right), np.stack([size, size], axis=1), (10.0, 10.0, 15.0),
        opacity, depth, 0.06 * view.performer.height_pixels,
    )  # fmt: skip
