"""Time: seconds, frames and steps are turned into each other in one place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.timeline import FeatureGrid, FeatureSequence

_increments = st.lists(st.tuples(st.floats(0.5, 40), st.floats(0.01, 3)), min_size=2, max_size=6)
_constant = st.builds(
    FeatureGrid, st.floats(0.5, 120), st.floats(0.5, 64), st.floats(0.5, 64), start_seconds=st.floats(-5, 100)
)


@st.composite
def _variable(draw: st.DrawFn) -> FeatureGrid:
    steps = draw(_increments)
    frames, seconds = np.cumsum([a for a, _ in steps]) - steps[0][0], np.cumsum([b for _, b in steps])
    knots = tuple(zip(frames.tolist(), seconds.tolist(), strict=True))
    return FeatureGrid(draw(st.floats(1, 60)), draw(st.floats(1, 16)), draw(st.floats(1, 32)), seconds[0], knots)


_grids = st.one_of(_constant, _variable())


@settings(max_examples=150, deadline=None)
@given(_grids, st.lists(st.floats(-50, 500), max_size=20))
def test_steps_to_seconds_and_back(grid, steps):
    np.testing.assert_allclose(grid.to_steps(grid.to_seconds(steps)), steps, rtol=1e-6, atol=1e-4)


@settings(max_examples=150, deadline=None)
@given(_grids, st.lists(st.floats(-100, 1000), max_size=20))
def test_seconds_to_frames_and_back(grid, seconds):
    np.testing.assert_allclose(grid.frames_to_seconds(grid.seconds_to_frames(seconds)), seconds, rtol=1e-6, atol=1e-4)


@settings(max_examples=100, deadline=None)
@given(_grids)
def test_time_never_runs_backwards(grid):
    assert (np.diff(grid.to_seconds(np.linspace(-20, 200, 500))) > 0).all()


@settings(max_examples=100, deadline=None)
@given(_constant, st.integers(1, 500), st.integers(1, 500))
def test_a_stretched_sequence_covers_the_same_time(grid, length, target):
    stretched = grid.stretched(length, target)
    assert stretched.window_frames == stretched.stride_frames
    first_edge = grid.to_seconds(0) - grid.window_frames / 2 / grid.rate
    last_edge = grid.to_seconds(length - 1) + grid.window_frames / 2 / grid.rate
    np.testing.assert_allclose(stretched.to_seconds([-0.5, target - 0.5]), [first_edge, last_edge], atol=1e-6)


def test_a_step_is_the_centre_of_its_window():
    grid = FeatureGrid(rate=25.0, stride_frames=4, window_frames=16)
    assert grid.to_seconds(0) == 8 / 25
    assert grid.to_seconds([1, 2.5]).tolist() == [12 / 25, 18 / 25]
    assert grid.to_steps(8 / 25) == 0
    assert FeatureGrid(25.0, 4, 16, start_seconds=3.0).to_seconds(0) == 3 + 8 / 25


def test_knots_bend_time_and_the_rate_continues_outside():
    grid = FeatureGrid(10.0, 1, 1e-9, start_seconds=0.0, knots=((0, 0.0), (10, 1.0), (20, 5.0)))
    np.testing.assert_allclose(grid.frames_to_seconds([0, 5, 10, 15, 20]), [0, 0.5, 1, 3, 5])
    np.testing.assert_allclose(grid.frames_to_seconds([-10, 30]), [-1, 6])
    np.testing.assert_allclose(grid.seconds_to_frames([-1, 0.5, 3, 6]), [-10, 5, 15, 30])


def test_knots_of_a_constant_rate_change_nothing():
    plain = FeatureGrid(25.0, 4, 16, start_seconds=0.5)
    bent = FeatureGrid(25.0, 4, 16, 0.5, tuple((frame, 0.5 + frame / 25) for frame in (0, 7, 300)))
    steps = np.linspace(-5, 100, 50)
    np.testing.assert_allclose(bent.to_seconds(steps), plain.to_seconds(steps), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(_grids, st.integers(1, 5))
def test_every_nth_step_keeps_its_time(grid, rate):
    np.testing.assert_allclose(
        grid.strided(rate).to_seconds(np.arange(9)), grid.to_seconds(np.arange(9) * rate), rtol=1e-9, atol=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(_grids, st.integers(0, 50))
def test_steps_from_the_middle_on_keep_their_time(grid, first):
    np.testing.assert_allclose(
        grid.shifted(first).to_seconds(np.arange(9)), grid.to_seconds(np.arange(9) + first), rtol=1e-9, atol=1e-6
    )


@pytest.mark.parametrize(
    ("frames", "stride", "window", "steps"),
    [
        (0, 4, 16, 0),
        (15, 4, 16, 0),
        (16, 4, 16, 1),
        (19, 4, 16, 1),
        (20, 4, 16, 2),
        (100, 16, 16, 6),
        (5, 8, 1, 1),
    ],
)
def test_whole_windows_only(frames, stride, window, steps):
    assert FeatureGrid(25.0, stride, window).step_count(frames) == steps


@pytest.mark.parametrize("wrong", [(0, 4, 16), (25, 0, 16), (25, 4, -1), (float("nan"), 4, 16)])
def test_impossible_grids_are_refused(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        FeatureGrid(*wrong)


def _sequence(steps: int = 10) -> FeatureSequence:
    features = np.arange(steps, dtype=np.float32)[:, None]
    return FeatureSequence(features, FeatureGrid(10.0, 5, 10), 6.0, "video")


def test_a_sequence_knows_its_length_and_its_shape():
    assert len(_sequence()) == 10
    with pytest.raises(ValueError, match=r"\[T, C\]"):
        FeatureSequence(np.zeros(3, np.float32), FeatureGrid(10.0, 5, 10), 6.0, "video")


def test_a_part_of_a_sequence_keeps_its_place_in_time():
    sequence = _sequence()  # centres at 0.5, 1.0, ... 5.0 s
    part = sequence.between(1.0, 3.0)
    assert part.features[:, 0].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(part.grid.to_seconds(np.arange(4)), [1.0, 1.5, 2.0, 2.5])
    assert part.duration_seconds == 3.0
    assert len(sequence.between(None, None)) == 10
    assert sequence.between(None, 99.0).duration_seconds == 6.0
    assert len(sequence.between(5.5, None)) == 0
    assert len(sequence.between(3.0, 1.0)) == 0
