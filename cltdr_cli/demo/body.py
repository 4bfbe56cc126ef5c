"""From joints to strokes: limbs as capsules around the bones, the trunk by how far it faces us."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.demo.brush import Strokes
from cltdr_cli.demo.figure import SIDES, Points, Track, joints
from cltdr_cli.demo.motion import column_over_time, pose_over_time
from cltdr_cli.demo.scene import Camera, Colour
from cltdr_cli.demo.script import Look, Performer


@dataclass(frozen=True)
class Bone:
    """A stroke between two joints; radii in body heights, ``nearer`` pulls it to the front."""

    start: str
    end: str
    start_radius: float
    end_radius: float
    colour: Colour
    nearer: float = 0.0


def _limbs(look: Look) -> list[Bone]:
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


def _head(look: Look) -> list[Bone]:
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
    """Where a point of the figure lies in the picture, before the camera moves."""

    def __init__(self, performer: Performer, camera: Camera, column: Track) -> None:
        self.performer, self.camera, self.column = performer, camera, column

    def scale(self, point: Points) -> Track:
        """Pixels of one body height at the distance of the point."""
        return self.performer.height_pixels / (1 - self.depth(point) / self.camera.distance)

    def depth(self, point: Points) -> Track:
        """Toward us, in body heights, in the tilted view."""
        return point[:, 2] * np.cos(self.camera.tilt) + (point[:, 1] - 0.5) * np.sin(self.camera.tilt)

    def pixels(self, point: Points) -> NDArray[np.float64]:
        """``[F, 2]``, column and row."""
        up = point[:, 1] * np.cos(self.camera.tilt) - point[:, 2] * np.sin(self.camera.tilt)
        scale = self.scale(point)
        return np.stack([self.column + scale * point[:, 0], self.performer.ground_y - scale * up], axis=1)


def performer_strokes(performer: Performer, camera: Camera, seconds: Track) -> Strokes:
    """The whole figure and its shadow, over the frames at ``seconds`` (``[F]``)."""
    view = _View(performer, camera, column_over_time(performer, seconds))
    points = joints(pose_over_time(performer, seconds), performer.look.build)
    rows = [_bone_row(view, points, bone) for bone in _limbs(performer.look) + _head(performer.look)]
    rows += _trunk_rows(view, points, performer.look)
    rows.append(_shadow_row(view, points))
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


def _row(view: _View, start: Points, end: Points, radii: tuple[Track, Track], colour: Colour, near: float) -> _Row:
    scaled = np.stack([radii[0] * view.scale(start), radii[1] * view.scale(end)], axis=1)
    depth = (view.depth(start) + view.depth(end)) / 2 + near
    return view.pixels(start), view.pixels(end), np.maximum(scaled, 0.4), colour, np.ones(len(start)), depth, 1.0


def _bone_row(view: _View, points: dict[str, Points], bone: Bone) -> _Row:
    start, end = points[bone.start], points[bone.end]
    radii = (np.full(len(start), bone.start_radius), np.full(len(start), bone.end_radius))
    return _row(view, start, end, radii, bone.colour, bone.nearer)


def _trunk_rows(view: _View, points: dict[str, Points], look: Look) -> list[_Row]:
    """Chest, pelvis and badge. The trunk is as wide as its shoulders and hips appear from here."""
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
        _row(view, hips, low, (waist, waist), look.trousers, -0.012),
        _row(view, low, high, (waist, chest), look.shirt, 0.0),
        _row(view, points["badge"], points["badge"], (badge, badge), look.badge, 0.012),
    ]


def _shadow_row(view: _View, points: dict[str, Points]) -> _Row:
    """A dark haze on the ground below the pelvis: it stays there when the figure jumps."""
    below = points["pelvis"] * np.array([1.0, 0.0, 1.0])
    left, right = below - np.array([0.11, 0.0, 0.0]), below + np.array([0.11, 0.0, 0.0])
    size = view.scale(below) * 0.035
    opacity = np.full(len(below), 0.4)
    depth = np.full(len(below), -9.0)
    return (
        view.pixels(left), view.pixels(right), np.stack([size, size], axis=1), (10.0, 10.0, 15.0),
        opacity, depth, 0.06 * view.performer.height_pixels,
    )  # fmt: skip
