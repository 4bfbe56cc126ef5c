"""The jointed figure: a pose is angles over time, and its joints in space follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Track = NDArray[np.float64]
"""One quantity over the frames of a video, ``[F]``."""

Points = NDArray[np.float64]
"""One point over the frames of a video, ``[F, 3]``: x to the right of the picture, y up, z to us."""

SIDES = {"left": 1.0, "right": -1.0}

TORSO_CHANNELS = ("lift", "shift_x", "shift_z", "yaw", "pitch", "roll", "twist", "head_pitch", "head_yaw")
LIMB_CHANNELS = ("arm_flex", "arm_abduct", "arm_turn", "elbow", "leg_flex", "leg_abduct", "knee")
CHANNELS = (*TORSO_CHANNELS, *(f"{name}_{side}" for side in SIDES for name in LIMB_CHANNELS))

Pose = dict[str, Track]
"""Channel name to its values over time: radians, and body heights for ``lift`` and ``shift_*``. Absent means 0."""

REST = {"arm_abduct": 0.13, "elbow": 0.16, "arm_flex": -0.02, "leg_abduct": 0.07, "leg_flex": 0.03, "knee": 0.05}


@dataclass(frozen=True)
class Build:
    """Proportions of one figure, in body heights.

    Attributes:
        leg: From hip to ankle.
        torso: From the hips to the shoulders.
        arm: From shoulder to wrist.
        shoulder_half: Half the distance between the shoulders.
        hip_half: Half the distance between the hips.
        head_radius: Of the skull.
        thickness: Factor on all limb radii.
    """

    leg: float = 0.475
    torso: float = 0.295
    arm: float = 0.33
    shoulder_half: float = 0.118
    hip_half: float = 0.062
    head_radius: float = 0.072
    thickness: float = 1.0


ANKLE_HEIGHT = 0.04
FOOT_LENGTH = 0.115


def combined(*poses: Pose) -> Pose:
    """Sum of poses, channel by channel."""
    total: Pose = {}
    for pose in poses:
        for name, values in pose.items():
            total[name] = total[name] + values if name in total else values
    return total


def rest_pose(frame_count: int) -> Pose:
    """Standing at ease, ``frame_count`` times."""
    pose = {name: np.zeros(frame_count) for name in CHANNELS}
    for name, value in REST.items():
        for side in SIDES:
            pose[f"{name}_{side}"] = np.full(frame_count, value)
    return pose


def turned(points: Points, yaw: Track) -> Points:
    """Rotated about the vertical; positive turns the front toward the figure's left."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.stack([x * cos + z * sin, y, z * cos - x * sin], axis=1)


def nodded(points: Points, pitch: Track) -> Points:
    """Rotated about the axis through both shoulders; positive brings what points up to the front."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    cos, sin = np.cos(pitch), np.sin(pitch)
    return np.stack([x, y * cos - z * sin, z * cos + y * sin], axis=1)


def leaned(points: Points, roll: Track) -> Points:
    """Rotated about the front axis; positive brings what points down to the figure's left."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([x * cos - y * sin, x * sin + y * cos, z], axis=1)


def _vectors(x: Track, y: Track, z: Track) -> Points:
    return np.stack([x, y, z], axis=1)


def _arm(pose: Pose, side: str, build: Build) -> tuple[Points, Points]:
    """Upper arm and forearm as vectors in the frame of the chest."""
    sign, half = SIDES[side], build.arm / 2
    flex, abduct = pose[f"arm_flex_{side}"], sign * pose[f"arm_abduct_{side}"]
    bend, turn = pose[f"elbow_{side}"], pose[f"arm_turn_{side}"]
    zero = np.zeros_like(flex)
    upper = _vectors(zero, zero - 1.06 * half, zero)
    fore = 0.94 * half * _vectors(sign * np.sin(bend) * np.sin(turn), -np.cos(bend), np.sin(bend) * np.cos(turn))
    return leaned(nodded(upper, -flex), abduct), leaned(nodded(fore, -flex), abduct)


def _leg(pose: Pose, side: str, build: Build) -> tuple[Points, Points, Track]:
    """Thigh and shin as vectors in the frame of the pelvis, and the pitch of a foot that hangs free."""
    flex, abduct = pose[f"leg_flex_{side}"], SIDES[side] * pose[f"leg_abduct_{side}"]
    bend = pose[f"knee_{side}"]
    zero = np.zeros_like(flex)
    thigh = _vectors(zero, zero - 0.51 * build.leg, zero)
    shin = 0.49 * build.leg * _vectors(zero, -np.cos(bend), -np.sin(bend))
    return leaned(nodded(thigh, -flex), abduct), leaned(nodded(shin, -flex), abduct), flex - bend


def _legs(pose: Pose, build: Build) -> dict[str, Points]:
    """Hips, knees, ankles and toes in the frame of the pelvis; the lower foot stands on the ground."""
    points: dict[str, Points] = {}
    free_pitch: dict[str, Track] = {}
    for side, sign in SIDES.items():
        thigh, shin, free_pitch[side] = _leg(pose, side, build)
        points[f"hip_{side}"] = np.broadcast_to([sign * build.hip_half, 0.0, 0.0], thigh.shape)
        points[f"knee_{side}"] = points[f"hip_{side}"] + thigh
        points[f"ankle_{side}"] = points[f"knee_{side}"] + shin
    lowest = np.minimum(points["ankle_left"][:, 1], points["ankle_right"][:, 1])
    for side in SIDES:
        height = points[f"ankle_{side}"][:, 1] - lowest + pose["lift"]
        pitch = free_pitch[side] * np.clip(height / 0.12, 0.0, 1.0) - 0.25
        reach = FOOT_LENGTH * _vectors(np.zeros_like(pitch), np.sin(pitch), np.cos(pitch))
        points[f"toe_{side}"] = points[f"ankle_{side}"] + reach
    points["pelvis"] = np.zeros_like(points["hip_left"])
    rise = _vectors(pose["shift_x"], ANKLE_HEIGHT - lowest + pose["lift"], pose["shift_z"])
    return {name: point + rise for name, point in points.items()}


def _upper_body(pose: Pose, build: Build) -> dict[str, Points]:
    """Chest, head and arms relative to the pelvis."""
    count = len(pose["pitch"])

    def placed(points: Points) -> Points:
        return leaned(nodded(turned(points, pose["twist"]), pose["pitch"]), -pose["roll"])

    def at(x: float, y: float, z: float) -> Points:
        return np.broadcast_to(np.array([x, y, z]), (count, 3))

    def of_head(x: float, y: float, z: float) -> Points:
        turned_head = nodded(turned(build.head_radius * at(x, y, z), pose["head_yaw"]), pose["head_pitch"])
        return placed(at(0.0, build.torso + 0.035, 0.0) + turned_head)

    points = {
        "chest": placed(at(0.0, build.torso, 0.0)),
        "neck": placed(at(0.0, build.torso + 0.03, 0.0)),
        "head": of_head(0.0, 1.3, 0.12),
        "crown": of_head(0.0, 1.62, -0.22),
        "nose": of_head(0.0, 1.2, 1.1),
        "eye_left": of_head(0.38, 1.42, 0.95),
        "eye_right": of_head(-0.38, 1.42, 0.95),
        "badge": placed(at(0.0, build.torso * 0.72, 0.085)),
    }
    for side, sign in SIDES.items():
        upper, fore = _arm(pose, side, build)
        shoulder = at(sign * build.shoulder_half, build.torso, 0.0)
        points[f"shoulder_{side}"] = placed(shoulder)
        points[f"elbow_{side}"] = placed(shoulder + upper)
        points[f"wrist_{side}"] = placed(shoulder + upper + fore)
        points[f"knuckle_{side}"] = placed(shoulder + upper + 1.18 * fore)
    return points


def joints(pose: Pose, build: Build) -> dict[str, Points]:
    """Joint positions over time, in body heights, the origin on the ground below the figure.

    Args:
        pose: All of ``CHANNELS``, each ``[F]``.
        build: Proportions.

    Returns:
        Joint name to ``[F, 3]``. The lower ankle rests on the ground, ``lift`` above it.
    """
    points = _legs(pose, build)
    points |= {name: point + points["pelvis"] for name, point in _upper_body(pose, build).items()}
    return {name: turned(point, pose["yaw"]) for name, point in points.items()}
