"""The figure of the drawn world: limbs, rhythm, and boundaries that are exact in pose and pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cltdr_cli.demo.actions import LABELS, LONGEST_SECONDS, SHORTEST_SECONDS, compute_offsets, draw_style
from cltdr_cli.demo.figure import CHANNELS, SIDES, Build, make_rest_pose, place_joints
from cltdr_cli.demo.motion import pose_performer
from cltdr_cli.demo.render import Stage
from cltdr_cli.demo.script import draw_script


@pytest.mark.parametrize("label", LABELS)
def test_an_action_begins_and_ends_at_rest_and_moves_between(label: str):
    rng = np.random.default_rng(3)
    for length in (0.8, 1.3, 2.5, 6.0):
        for _ in range(10):
            style = draw_style(rng, label, length)
            share = np.array([-0.1, 0.0, 1e-7, 0.02, 0.5 / style.repeats, 0.98, 1 - 1e-7, 1.0, 1.2])
            moved = np.stack(list(compute_offsets(label, style, share).values()))
            yaw = list(compute_offsets(label, style, share)).index("yaw") if label == "spin" else None
            if yaw is not None:  # whole turns look like none
                moved[yaw] = np.sin(moved[yaw] / 2)
            size = np.abs(moved).max(axis=0)
            assert np.all(size[[0, 1, 7, 8]] == 0)
            assert np.all(size[[2, 6]] < 1e-3)
            assert np.all(size[[3, 5]] > 1e-5)
            assert size[4] > 0.2


@pytest.mark.parametrize("label", LABELS)
def test_rhythm_fits_half_a_second_windows(label: str):
    rng = np.random.default_rng(4)
    for _ in range(100):
        length = rng.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
        assert 0.4 <= length / draw_style(rng, label, length).repeats <= 2.0


@pytest.mark.parametrize("label", LABELS)
def test_limbs_keep_their_lengths_and_feet_stay_above_the_ground(label: str):
    rng = np.random.default_rng(5)
    build = Build()
    style = draw_style(rng, label, 3.0)
    pose = make_rest_pose(91)
    for name, offset in compute_offsets(label, style, np.linspace(0, 1, 91)).items():
        assert name in CHANNELS
        pose[name] = pose[name] + offset
    points = place_joints(pose, build)
    for side in SIDES:
        for start, end, length in (
            ("shoulder", "elbow", 0.53 * build.arm),
            ("elbow", "wrist", 0.47 * build.arm),
            ("hip", "knee", 0.51 * build.leg),
            ("knee", "ankle", 0.49 * build.leg),
        ):
            found = np.linalg.norm(points[f"{end}_{side}"] - points[f"{start}_{side}"], axis=1)
            np.testing.assert_allclose(found, length, rtol=1e-9)
        assert points[f"ankle_{side}"][:, 1].min() > 0.02
    lowest = np.minimum(points["ankle_left"][:, 1], points["ankle_right"][:, 1])
    assert (lowest.max() > 0.1) == (label == "jump")


def test_acts_change_the_pose_inside_their_segments_only():
    for script in (draw_script("train", 11, index) for index in range(20)):
        seconds = np.arange(script.frame_count) / float(script.rate)
        for one in script.performers:
            acting, idle = pose_performer(one, seconds), pose_performer(replace(one, acts=()), seconds)
            assert set(acting) == set(CHANNELS)
            differs = np.any([acting[name] != idle[name] for name in CHANNELS], axis=0)
            inside = np.zeros_like(differs)
            for act in one.acts:
                inside |= (seconds > act.start_seconds) & (seconds < act.end_seconds)
            assert not np.any(differs & ~inside)
            assert np.mean(differs[inside]) > 0.97


def test_boundaries_are_exact_in_the_pixels():
    """With and without the acts: equal frames outside the segments, others within 0.15 s."""
    script = draw_script("validation", 2, 3)
    plain = Stage(replace(script, performers=tuple(replace(one, acts=()) for one in script.performers)))
    stage = Stage(script)
    assert script.list_acts()
    for act in script.list_acts()[:4]:
        near = [act.start_seconds + 0.15, act.end_seconds - 0.15, (act.start_seconds + act.end_seconds) / 2]
        far = [act.start_seconds - 0.04, act.end_seconds + 0.04]
        for moment in near:
            index = round(moment * script.rate)
            assert not np.array_equal(stage.draw_frame(index), plain.draw_frame(index))
        for moment in far:
            index = round(moment * script.rate)
            assert np.array_equal(stage.draw_frame(index), plain.draw_frame(index))


def test_an_idle_figure_still_moves():
    script = next(
        s for s in (draw_script("train", 0, i, duration_seconds=3.0) for i in range(50)) if len(s.performers) == 1
    )
    idle = replace(script.performers[0], acts=(), walks=(), fidgets=(), facings=((0.0, 0.4),))
    pose = pose_performer(idle, np.arange(90) / 30)
    assert max(np.ptp(values) for values in pose.values()) > 0.02
