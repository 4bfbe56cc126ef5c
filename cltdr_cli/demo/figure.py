"""The jointed figure: computes where its joints are from a pose, which is a set of angles over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Track = NDArray[np.float64]
"""One value for each frame of a video, ``[F]``."""

Points = NDArray[np.float64]
"""One point in each frame of a video, ``[F, 3]``: x to the right of the picture, y up, z toward the viewer."""

SIDES = {"left": 1.0, "right": -1.0}

TORSO_CHANNELS = ("lift", "shift_x", "shift_z", "yaw", "pitch", "roll", "twist", "head_pitch", "head_yaw")
LIMB_CHANNELS = ("arm_flex", "arm_abduct", "arm_turn", "elbow", "leg_flex", "leg_abduct", "knee")
CHANNELS = (*TORSO_CHANNELS, *(f"{name}_{side}" for side in SIDES for name in LIMB_CHANNELS))

Pose = dict[str, Track]
"""Values over time by channel: radians, but body heights for ``lift`` and ``shift_*``. Absent channels are 0."""

REST = {"arm_abduct": 0.13, "elbow": 0.16, "arm_flex": -0.02, "leg_abduct": 0.07, "leg_flex": 0.03, "knee": 0.05}


@dataclass(frozen=True)
class Build:
    """Proportions of one figure, in body heights.

    Attributes:
        leg: Length from hip to ankle.
        torso: Length from the hips to the shoulders.
        arm: Length from shoulder to wrist.
        shoulder_half: Half the distance between the shoulders.
        hip_half: Half the distance between the hips.
        head_radius: Radius of the skull.
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


def add_poses(*poses: Pose) -> Pose:
    """Add poses, channel by channel."""
    total: Pose = {}
    for pose in poses:
        for name, values in pose.items():
            total[name] = total[name] + values if name in total else values
    return total


def make_rest_pose(frame_count: int) -> Pose:
    """Pose of a figure that stands at ease, for ``frame_count`` frames."""
    pose = {name: np.zeros(frame_count) for name in CHANNELS}
    for name, value in REST.items():
        for side in SIDES:
            pose[f"{name}_{side}"] = np.full(frame_count, value)
    return pose


def turn(points: Points, yaw: Track) -> Points:
    """Rotate about the vertical axis; positive turns the front toward the figure's left."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.stack([x * cos + z * sin, y, z * cos - x * sin], axis=1)


def nod(points: Points, pitch: Track) -> Points:
    """Rotate about the axis through both shoulders; positive tilts what points up toward the front."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    cos, sin = np.cos(pitch), np.sin(pitch)
    return np.stack([x, y * cos - z * sin, z * cos + y * sin], axis=1)


def lean(points: Points, roll: Track) -> Points:
    """Rotate about the front axis; positive tilts what points down toward the figure's left."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([x * cos - y * sin, x * sin + y * cos, z], axis=1)


def _stack_vectors(x: Track, y: Track, z: Track) -> Points:
    return np.stack([x, y, z], axis=1)


def _bend_arm(pose: Pose, side: str, build: Build) -> tuple[Points, Points]:
    """Upper arm and forearm as vectors in chest coordinates."""
    sign, half = SIDES[side], build.arm / 2
    flex, abduct = pose[f"arm_flex_{side}"], sign * pose[f"arm_abduct_{side}"]
    bend, turn = pose[f"elbow_{side}"], pose[f"arm_turn_{side}"]
    zero = np.zeros_like(flex)
    upper = _stack_vectors(zero, zero - 1.06 * half, zero)
    fore = 0.94 * half * _stack_vectors(sign * np.sin(bend) * np.sin(turn), -np.cos(bend), np.sin(bend) * np.cos(turn))
    return lean(nod(upper, -flex), abduct), lean(nod(fore, -flex), abduct)


def _bend_leg(pose: Pose, side: str, build: Build) -> tuple[Points, Points, Track]:
    """Thigh and shin as vectors in pelvis coordinates, and the pitch of the foot when it is off the ground."""
    flex, abduct = pose[f"leg_flex_{side}"], SIDES[side] * pose[f"leg_abduct_{side}"]
    bend = pose[f"knee_{side}"]
    zero = np.zeros_like(flex)
    thigh = _stack_vectors(zero, zero - 0.51 * build.leg, zero)
    shin = 0.49 * build.leg * _stack_vectors(zero, -np.cos(bend), -np.sin(bend))
    return lean(nod(thigh, -flex), abduct), lean(nod(shin, -flex), abduct), flex - bend


def _place_legs(pose: Pose, build: Build) -> dict[str, Points]:
    """Pelvis, hips, knees, ankles and toes; the lower foot stands on the ground."""
    points: dict[str, Points] = {}
    free_pitch: dict[str, Track] = {}
    for side, sign in SIDES.items():
        thigh, shin, free_pitch[side] = _bend_leg(pose, side, build)
        points[f"hip_{side}"] = np.broadcast_to([sign * build.hip_half, 0.0, 0.0], thigh.shape)
        points[f"knee_{side}"] = points[f"hip_{side}"] + thigh
        points[f"ankle_{side}"] = points[f"knee_{side}"] + shin
    lowest = np.minimum(points["ankle_left"][:, 1], points["ankle_right"][:, 1])
    for side in SIDES:
        height = points[f"ankle_{side}"][:, 1] - lowest + pose["lift"]
        pitch = free_pitch[side] * np.clip(height / 0.12, 0.0, 1.0) - 0.25
        reach = FOOT_LENGTH * _stack_vectors(np.zeros_like(pitch), np.sin(pitch), np.cos(pitch))
        points[f"toe_{side}"] = points[f"ankle_{side}"] + reach
    points["pelvis"] = np.zeros_like(points["hip_left"])
    rise = _stack_vectors(pose["shift_x"], ANKLE_HEIGHT - lowest + pose["lift"], pose["shift_z"])
    return {name: point + rise for name, point in points.items()}


def _place_upper_body(pose: Pose, build: Build) -> dict[str, Points]:
    """Chest, head and arms relative to the pelvis."""
    count = len(pose["pitch"])

    def place(points: Points) -> Points:
        return lean(nod(turn(points, pose["twist"]), pose["pitch"]), -pose["roll"])

    def repeat(x: float, y: float, z: float) -> Points:
        return np.broadcast_to(np.array([x, y, z]), (count, 3))

    def place_on_head(x: float, y: float, z: float) -> Points:
        turned_head = nod(turn(build.head_radius * repeat(x, y, z), pose["head_yaw"]), pose["head_pitch"])
        return place(repeat(0.0, build.torso + 0.035, 0.0) + turned_head)

    points = {
        "chest": place(repeat(0.0, build.torso, 0.0)),
        "neck": place(repeat(0.0, build.torso + 0.03, 0.0)),
        "head": place_on_head(0.0, 1.3, 0.12),
        "crown": place_on_head(0.0, 1.62, -0.22),
        "nose": place_on_head(0.0, 1.2, 1.1),
        "eye_left": place_on_head(0.38, 1.42, 0.95),
        "eye_right": place_on_head(-0.38, 1.42, 0.95),
        "badge": place(repeat(0.0, build.torso * 0.72, 0.085)),
    }
    for side, sign in SIDES.items():
        upper, fore = _bend_arm(pose, side, build)
        shoulder = repeat(sign * build.shoulder_half, build.torso, 0.0)
        points[f"shoulder_{side}"] = place(shoulder)
        points[f"elbow_{side}"] = place(shoulder + upper)
        points[f"wrist_{side}"] = place(shoulder + upper + fore)
        points[f"knuckle_{side}"] = place(shoulder + upper + 1.18 * fore)
    return points


def place_joints(pose: Pose, build: Build) -> dict[str, Points]:
    """Compute the positions of all joints, in body heights; the origin is on the ground below the figure.

    Args:
        pose: All of ``CHANNELS``, each ``[F]``.
        build: Proportions of the figure.

    Returns:
        Positions ``[F, 3]`` by joint. The lower foot is ``lift`` above the ground.
    """
    points = _place_legs(pose, build)
    points |= {name: point + points["pelvis"] for name, point in _place_upper_body(pose, build).items()}
    return {name: turn(point, pose["yaw"]) for name, point in points.items()}
