"""The eight actions as offsets from the resting pose.

The offsets are zero up to the start of an action and from its end on. In between they are zero only for an instant,
where one repeat ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.demo.figure import SIDES, Pose, Track, add_poses

SHORTEST_SECONDS, LONGEST_SECONDS = 0.8, 6.0
"""Shortest and longest action. Lengths come from the same distribution for every label, so they give nothing away."""


@dataclass(frozen=True)
class Style:
    """What differs from one performance of an action to the next.

    Attributes:
        side: The leading hand or leg, or the direction of a turn: ``left`` or ``right``.
        amplitude: Factor on all angles and heights.
        repeats: Number of cycles; an action consists of whole cycles.
        hold: Share of a cycle spent at its far end.
        haste: Exponent on the phase of a cycle; below 1 the way out is quicker than the way back.
        variant: From 0 to 1; picks among forms of the same action (kick to the side or the front, ...).
    """

    side: str
    amplitude: float
    repeats: int
    hold: float
    haste: float
    variant: float


def _smooth(values: Track) -> Track:
    values = np.clip(values, 0.0, 1.0)
    return values * values * (3.0 - 2.0 * values)


def _swing(cycle: Track, style: Style) -> Track:
    """Go from 0 to 1 and back within each cycle, staying at 1 for the share ``hold``."""
    phase = np.mod(cycle, 1.0) ** style.haste
    way = (1.0 - style.hold) / 2
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(np.minimum(phase, 1.0 - phase) / way, 0.0, 1.0))


def _hold(cycle: Track, style: Style, ramp_cycles: float = 0.4) -> Track:
    """Go from 0 to 1 once, stay there over all repeats, and go back: for limbs that stay up throughout."""
    ramp = min(ramp_cycles, 0.3 * style.repeats)
    return _smooth(np.minimum(cycle, style.repeats - cycle) / ramp)


def _switch_side(side: str) -> str:
    return "right" if side == "left" else "left"


def _crouch(bend: Track) -> Pose:
    """Bend hips and knees so that the ankles stay below the hips."""
    pose = {f"leg_flex_{side}": bend for side in SIDES}
    return pose | {f"knee_{side}": 2.0 * bend for side in SIDES}


def _wave(cycle: Track, style: Style) -> Pose:
    """One forearm swings from side to side above the shoulder."""
    up, side = _hold(cycle, style), style.side
    swing = np.sin(2 * np.pi * cycle)
    raised = 1.55 + 0.75 * style.variant
    bend = 1.35 - 0.75 * style.variant
    return {
        f"arm_abduct_{side}": up * (raised + 0.14 * swing * style.amplitude),
        f"arm_turn_{side}": up * (np.pi / 2),
        f"elbow_{side}": up * (bend + 0.62 * style.amplitude * swing),
        "roll": -0.05 * SIDES[side] * up,
    }


def _jump(cycle: Track, style: Style) -> Pose:
    """Crouch, fly, land: the whole figure leaves the ground."""
    phase = np.mod(cycle, 1.0)
    air = np.clip((phase - 0.3) / 0.45, 0.0, 1.0)
    lift = 4 * air * (1 - air)
    wind_up = np.sin(np.pi * np.clip(phase / 0.34, 0.0, 1.0)) ** 2
    landing = np.sin(np.pi * np.clip((phase - 0.68) / 0.32, 0.0, 1.0)) ** 2
    bend = 0.85 * style.amplitude * (wind_up + 0.7 * landing) + 0.25 * style.variant * lift
    reach = (0.5 + 1.4 * style.variant) * lift - 0.7 * wind_up - 0.2 * landing
    arms = {f"arm_flex_{side}": style.amplitude * reach for side in SIDES}
    arms |= {f"elbow_{side}": 0.5 * lift for side in SIDES}
    body = {"lift": 0.24 * style.amplitude * lift, "pitch": 0.45 * wind_up + 0.25 * landing}
    return _crouch(bend) | arms | body


def _squat(cycle: Track, style: Style) -> Pose:
    """Down on bent knees and up again, both feet on the ground."""
    down = _swing(cycle, style)
    bend = (1.22 + 0.1 * style.variant) * style.amplitude * down
    arms = {f"arm_flex_{side}": 1.45 * style.variant * down for side in SIDES}
    spread = {f"leg_abduct_{side}": 0.22 * down for side in SIDES}
    return _crouch(bend) | arms | spread | {"pitch": (0.6 - 0.2 * style.variant) * down}


def _kick(cycle: Track, style: Style) -> Pose:
    """One leg is drawn up and kicks to the front or the side; in half of the variants the legs take turns."""
    alternate = style.variant % 0.5 > 0.25
    swing, phase = _swing(cycle, style), np.mod(cycle, 1.0)
    second = alternate & (np.floor(cycle) % 2 == 1)
    guard = _hold(cycle, style)
    poses: list[Pose] = [{f"elbow_{side}": 1.2 * guard for side in SIDES}]
    for side, active in ((style.side, ~second), (_switch_side(style.side), second)):
        poses.append(_kick_with(side, swing * active, np.sin(2 * np.pi * phase) ** 2, style))
    return add_poses(*poses)


def _kick_with(side: str, swing: Track, chamber: Track, style: Style) -> Pose:
    knee = 1.5 * np.sqrt(swing) * chamber
    away = style.amplitude * swing
    other = _switch_side(side)
    if style.variant < 0.5:
        body = {f"leg_flex_{side}": 1.6 * away, "pitch": -0.28 * away}
        return body | {f"knee_{side}": knee, f"arm_flex_{other}": 0.5 * away}
    lean = 0.42 * SIDES[side] * away
    body = {f"leg_abduct_{side}": 1.35 * away, f"leg_flex_{side}": 0.5 * np.sqrt(swing) * chamber}
    return body | {f"knee_{side}": knee, "roll": -lean, f"arm_abduct_{other}": 0.5 * away}


def _punch(cycle: Track, style: Style) -> Pose:
    """Both fists up; the arms punch in turns at chest height."""
    guard = _hold(cycle, style, 0.3)
    beat = np.sin(2 * np.pi * cycle)
    poses: list[Pose] = [{"pitch": 0.08 * guard, **_crouch(0.12 * guard)}]
    for side, turn in ((style.side, beat), (_switch_side(style.side), -beat)):
        out = guard * np.clip(turn, 0.0, 1.0) ** 0.8
        flex = 0.62 * guard + (0.9 + 0.12 * style.variant) * out
        elbow = 2.05 * guard - 2.15 * out
        twist = -0.42 * style.amplitude * SIDES[side] * out
        poses.append({f"arm_flex_{side}": flex, f"elbow_{side}": elbow, "twist": twist})
    return add_poses(*poses)


def _bow(cycle: Track, style: Style) -> Pose:
    """The trunk bends forward over straight legs and comes up again."""
    down = _swing(cycle, style)
    pitch = 1.4 * style.amplitude * down
    arms = {f"arm_flex_{side}": pitch * (0.15 + 0.6 * style.variant) for side in SIDES}
    return arms | {"pitch": pitch, "head_pitch": 0.25 * down, "shift_z": -0.1 * down}


def _spin(cycle: Track, style: Style) -> Pose:
    """Full turns about the vertical axis with the arms held out."""
    share = cycle / style.repeats
    eased = share - np.sin(2 * np.pi * share) / (2 * np.pi) * min(0.6, 0.5 / style.repeats)
    out = _hold(cycle, style, 0.3)
    arms = {f"arm_abduct_{side}": (0.55 + 0.8 * style.variant) * style.amplitude * out for side in SIDES}
    return arms | {"yaw": 2 * np.pi * style.repeats * SIDES[style.side] * eased}


def _jumping_jack(cycle: Track, style: Style) -> Pose:
    """Arms and legs fly apart and together with a small hop."""
    apart = _swing(cycle, style)
    hop = np.abs(np.sin(2 * np.pi * np.mod(cycle, 1.0)))
    pose: Pose = {"lift": 0.05 * style.amplitude * hop * np.sqrt(apart * (1 - apart) * 4)}
    for side in SIDES:
        pose[f"arm_abduct_{side}"] = (2.35 + 0.3 * style.variant) * min(style.amplitude, 1.05) * apart
        pose[f"leg_abduct_{side}"] = 0.5 * style.amplitude * apart
    return pose


@dataclass(frozen=True)
class Motion:
    """One action: the shortest and longest duration of one cycle, and the function that gives its offsets."""

    fastest_seconds: float
    slowest_seconds: float
    offsets: Callable[[Track, Style], Pose]


MOTIONS = {
    "wave": Motion(0.45, 0.75, _wave),
    "jump": Motion(0.6, 1.0, _jump),
    "squat": Motion(0.75, 1.2, _squat),
    "kick": Motion(0.6, 1.0, _kick),
    "punch": Motion(0.5, 0.9, _punch),
    "bow": Motion(0.8, 1.3, _bow),
    "spin": Motion(0.65, 1.1, _spin),
    "jumping jack": Motion(0.55, 0.95, _jumping_jack),
}
LABELS = tuple(MOTIONS)
"""Labels; the id of a label is its index here."""


def compute_offsets(label: str, style: Style, share: NDArray[np.float64]) -> Pose:
    """Compute what an action adds to the resting pose.

    Args:
        label: One of ``LABELS``.
        style: Style of this performance.
        share: ``[F]``, elapsed share of the action; the offsets are zero outside (0, 1).

    Returns:
        Offsets by channel, each ``[F]``; channels that do not move are absent.
    """
    inside = (share > 0.0) & (share < 1.0)
    pose = MOTIONS[label].offsets(np.where(inside, share, 0.0) * style.repeats, style)
    return {name: np.where(inside, values, 0.0) for name, values in pose.items()}


def draw_style(rng: np.random.Generator, label: str, length_seconds: float) -> Style:
    """Draw a style. The number of cycles fits the length of the action and its usual rhythm."""
    motion = MOTIONS[label]
    wanted = rng.uniform(motion.fastest_seconds, motion.slowest_seconds)
    most = max(1, int(length_seconds / motion.fastest_seconds))
    return Style(
        side=str(rng.choice(tuple(SIDES))),
        amplitude=float(rng.uniform(0.8, 1.1)),
        repeats=min(most, max(1, round(length_seconds / wanted))),
        hold=float(rng.uniform(0.0, 0.25)),
        haste=float(rng.uniform(0.8, 1.25)),
        variant=float(rng.uniform(0.0, 1.0)),
    )
