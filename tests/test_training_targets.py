"""Targets where the golden numbers are silent: ties, ranges, centres, empty ground truth, masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_toys import toy_preset

from cltdr_cli.models.points import PointGrid
from cltdr_cli.training.targets import NO_INSTANCE, assign

CONFIG = toy_preset().model
GRID = PointGrid(CONFIG.max_seq_len, CONFIG.regression_range)
POINTS = GRID.points
CLASSES = 3


def targets_of(segments, labels, **options):
    segments = torch.tensor(segments, dtype=torch.float32).reshape(1, -1, 2)
    return assign(POINTS, segments, torch.tensor(labels, dtype=torch.int64).reshape(1, -1), CLASSES, **options)


def at(targets, level, step):
    row = int(GRID.starts[level]) + step
    return targets.classes[0, row].tolist(), targets.distances[0, row].tolist()


def test_points_start_at_zero_and_step_by_their_stride():
    assert GRID.lengths == (32, 16, 8)
    assert POINTS.times[:3].tolist() == [0, 1, 2]
    assert POINTS.times[32:35].tolist() == [0, 2, 4]
    assert POINTS.times[48:51].tolist() == [0, 4, 8]
    assert POINTS.strides[48] == 4
    assert POINTS.ranges[48].tolist() == [8, 10000]


def test_distances_are_in_strides_of_the_level():
    targets = targets_of([[10, 22]], [1])
    assert at(targets, 1, 8) == ([0, 1, 0], [3, 3])
    assert at(targets, 0, 16)[0] == [0, 0, 0], "both ends are 6 steps away: not for level 0"


def test_ranges_hold_both_ends():
    """4 steps to the farther end lie in the ranges of levels 0 and 1."""
    targets = targets_of([[12, 20]], [0])
    assert at(targets, 0, 16)[0] == [1, 0, 0]
    assert at(targets, 1, 8)[0] == [1, 0, 0]


def test_only_points_near_the_centre_count():
    segment = [[2, 8]]
    near = targets_of(segment, [0])
    assert [step for step in range(32) if at(near, 0, step)[0][0]] == [4, 5, 6]
    anywhere = targets_of(segment, [0], center_sample="none")
    assert [step for step in range(32) if at(anywhere, 0, step)[0][0]] == [4, 5, 6]
    wider = targets_of([[2, 8]], [0], radius=0.4)
    assert [step for step in range(32) if at(wider, 0, step)[0][0]] == [5]


def test_a_point_on_the_rim_is_outside():
    """Strictly inside: 1.5 strides from the centre of 6.5 is 5 and 8."""
    targets = targets_of([[4, 9]], [0])
    assert [step for step in range(32) if at(targets, 0, step)[0][0]] == [6, 7]


def test_the_shortest_instance_wins():
    targets = targets_of([[2, 9], [4, 8]], [0, 1])
    assert at(targets, 0, 6) == ([0, 1, 0], [2, 2])


def test_equally_short_instances_give_all_their_labels_and_the_first_its_distances():
    targets = targets_of([[4, 8], [4.5, 8.5], [4, 8.0005]], [0, 1, 2])
    assert at(targets, 0, 6) == ([1, 1, 1], [2, 2])
    other = targets_of([[4.5, 8.5], [4, 8]], [1, 0])
    assert at(other, 0, 6) == ([1, 1, 0], [1.5, 2.5])


def test_a_label_twice_is_one_label():
    assert at(targets_of([[4, 8], [4, 8]], [2, 2]), 0, 6)[0] == [0, 0, 1]


def test_empty_ground_truth_has_no_positives():
    for targets in (targets_of([], []), targets_of([[0, 0]], [NO_INSTANCE])):
        assert targets.classes.shape == (1, 56, CLASSES)
        assert not targets.classes.any()
        assert not targets.positives(torch.ones(1, 56, dtype=torch.bool)).any()
        assert torch.isfinite(targets.distances).all()


def test_filling_rows_change_nothing():
    alone = targets_of([[4, 8]], [1])
    filled = targets_of([[4, 8], [0, 0], [0, 30]], [1, NO_INSTANCE, NO_INSTANCE])
    assert torch.equal(alone.classes, filled.classes)
    positive = alone.classes.sum(2) > 0
    assert torch.equal(alone.distances[positive], filled.distances[positive])


def test_masked_points_are_not_positive():
    """The annotation may run past the features."""
    targets = targets_of([[10, 32]], [0])
    real = torch.arange(32)[None] < 20
    mask = GRID.mask(real)
    assert mask.sum().item() == 20 + 10 + 5
    times = POINTS.times[targets.positives(mask)[0]]
    assert len(times)
    assert times.max() < 20
    assert POINTS.times[targets.classes[0].sum(1) > 0].max() > 20


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0.5, 20), st.integers(0, 2)), min_size=1, max_size=6))
def test_the_definition_word_by_word(instances):
    segments = np.array([(start, start + length) for start, length, _ in instances], np.float32)
    labels = [label for *_, label in instances]
    targets = targets_of(segments.tolist(), labels)
    lengths = segments[:, 1] - segments[:, 0]
    for row in range(len(POINTS.times)):
        time, stride = np.float32(POINTS.times[row]), np.float32(POINTS.strides[row])
        low, high = POINTS.ranges[row].tolist()
        fits = [i for i, s in enumerate(segments) if fitting(time, stride, low, high, s)]
        shortest = min((lengths[i] for i in fits), default=np.inf)
        expected = {labels[i] for i in fits if lengths[i] <= shortest + np.float32(1e-3)}
        assert {k for k in range(CLASSES) if targets.classes[0, row, k]} == expected
        if fits:
            chosen = next(i for i in fits if lengths[i] == shortest)
            wanted = [(time - segments[chosen, 0]) / stride, (segments[chosen, 1] - time) / stride]
            assert targets.distances[0, row].tolist() == pytest.approx(wanted, abs=1e-5)


def fitting(time, stride, low, high, segment):
    start, end = segment
    center, reach = np.float32(0.5) * (start + end), stride * np.float32(1.5)
    inside = min(time - max(center - reach, start), min(center + reach, end) - time)
    return inside > 0 and low <= max(time - start, end - time) <= high
