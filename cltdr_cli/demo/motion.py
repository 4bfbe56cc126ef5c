"""Computes the pose and place of a performer in every frame."""

from __future__ import annotations

import numpy as np

from cltdr_cli.demo.actions import compute_offsets
from cltdr_cli.demo.figure import SIDES, Pose, Track, add_poses, make_rest_pose
from cltdr_cli.demo.script import Fidget, Performer, Walk


def pose_performer(performer: Performer, seconds: Track) -> Pose:
    """Add up the resting pose, swaying, fidgets, walks, turns and actions.

    Args:
        performer: The figure and what it does.
        seconds: ``[F]``, times of the frames.

    Returns:
        All channels, each ``[F]``. Actions change them strictly inside their segments only.
    """
    parts = [
        make_rest_pose(len(seconds)),
        _sway(performer.habit_seed, seconds),
        {"yaw": _compute_yaw(performer, seconds)},
    ]
    parts += [_fidget(fidget, seconds) for fidget in performer.fidgets]
    parts += [_walk(walk, performer.height_pixels, seconds) for walk in performer.walks]
    for act in performer.acts:
        share = (seconds - act.start_seconds) / (act.end_seconds - act.start_seconds)
        parts.append(compute_offsets(act.label, act.style, share))
    return add_poses(*parts)


def locate_performer(performer: Performer, seconds: Track) -> Track:
    """Column where the figure stands, in pixels, ``[F]``."""
    knots = [(0.0, performer.start_x)]
    for walk in performer.walks:
        knots += [(walk.start_seconds, walk.from_x), (walk.end_seconds, walk.to_x)]
    at, columns = np.array(knots).T
    return np.interp(seconds, at, columns)


def _compute_yaw(performer: Performer, seconds: Track) -> Track:
    """Direction of the figure in radians, ``[F]``, turning smoothly from one facing to the next."""
    at, yaws = np.array(performer.facings).T
    after = np.clip(np.searchsorted(at, seconds, side="right"), 1, max(1, len(at) - 1))
    if len(at) == 1:
        return np.full_like(seconds, yaws[0])
    share = np.clip((seconds - at[after - 1]) / (at[after] - at[after - 1]), 0.0, 1.0)
    return yaws[after - 1] + (yaws[after] - yaws[after - 1]) * share * share * (3 - 2 * share)


def _sway(seed: int, seconds: Track) -> Pose:
    """Breathing and swaying: slow, small and always there."""
    rng = np.random.default_rng(seed)

    def sway(amount: float, slowest: float = 0.15, fastest: float = 0.45) -> Track:
        waves = [np.sin(2 * np.pi * (rng.uniform(slowest, fastest) * seconds + rng.random())) for _ in range(2)]
        return amount * rng.uniform(0.4, 1.0) * (waves[0] + 0.6 * waves[1])

    pose: Pose = {"pitch": sway(0.03), "roll": sway(0.03), "twist": sway(0.05), "shift_x": sway(0.008)}
    pose |= {"head_yaw": sway(0.3), "head_pitch": sway(0.06)}
    for side in SIDES:
        pose |= {f"arm_flex_{side}": sway(0.08), f"arm_abduct_{side}": np.abs(sway(0.05))}
        pose |= {f"elbow_{side}": np.abs(sway(0.12))}
    return pose


def _fidget(fidget: Fidget, seconds: Track) -> Pose:
    """A small motion that is no action, there and back once."""
    share = np.clip((seconds - fidget.start_seconds) / (fidget.end_seconds - fidget.start_seconds), 0.0, 1.0)
    there = fidget.amount * np.sin(np.pi * share) ** 2
    sign, side = SIDES[fidget.side], fidget.side
    if fidget.kind == "look":
        return {"head_yaw": 0.9 * sign * there, "twist": 0.15 * sign * there}
    if fidget.kind == "touch":
        return {f"elbow_{side}": 1.7 * there, f"arm_flex_{side}": 0.25 * there, "head_pitch": 0.15 * there}
    if fidget.kind == "lean":
        return {"roll": 0.16 * sign * there, "shift_x": -0.03 * sign * there}
    return {f"leg_flex_{side}": 0.22 * there, f"knee_{side}": 0.44 * there, "pitch": 0.08 * there}


def _walk(walk: Walk, height_pixels: float, seconds: Track) -> Pose:
    """Swing legs and arms against each other, in steps that fit the distance."""
    length = walk.end_seconds - walk.start_seconds
    since = np.clip(seconds - walk.start_seconds, 0.0, length)
    going = np.clip(np.minimum(since, length - since) / 0.2, 0.0, 1.0)
    strides = max(1, round(abs(walk.to_x - walk.from_x) / height_pixels / 0.72))
    phase = 2 * np.pi * strides * since / length
    pose: Pose = {"pitch": 0.06 * going}
    for side, sign in SIDES.items():
        swing = sign * np.sin(phase)
        pose[f"leg_flex_{side}"] = going * (0.42 * swing + 0.06)
        pose[f"knee_{side}"] = going * (0.1 + 0.75 * np.clip(sign * np.cos(phase), 0.0, 1.0) ** 1.5)
        pose[f"arm_flex_{side}"] = -0.4 * going * swing
        pose[f"elbow_{side}"] = going * (0.25 - 0.12 * swing)
    return pose
