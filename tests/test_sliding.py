"""The baseline: class scores along the video, cut at several thresholds, scored by contrast."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.localize import NetworkLocalizer
from cltdr_cli.methods.sliding import METHOD
from cltdr_cli.methods.sliding.classifier import StepClassifier
from cltdr_cli.methods.sliding.config import SlidingConfig
from cltdr_cli.methods.sliding.grouping import measure_contrast, merge_runs, smooth_scores
from cltdr_cli.timeline import FeatureGrid, FeatureSequence

GRID = FeatureGrid(rate=10.0, stride_frames=5, window_frames=5)  # two steps a second
NMS = InferenceConfig(min_score=0.01, max_seg_num=50)


def _localizer(classes: int = 3, **changes: object) -> NetworkLocalizer:
    """Features are the class logits themselves."""
    config = SlidingConfig(num_classes=classes, **({"smoothing_seconds": 0.0} | changes))
    network = METHOD.adopt(config, _identity(classes))
    return NetworkLocalizer(
        network, lambda scores, grid: METHOD.decode(scores, config, NMS, grid), NMS, torch.device("cpu")
    )


def _identity(classes: int) -> torch.nn.Linear:
    head = torch.nn.Linear(classes, classes)
    with torch.no_grad():
        head.weight.copy_(torch.eye(classes))
        head.bias.zero_()
    return head


def _sequence(labels: list[int], classes: int = 3, strength: float = 6.0) -> FeatureSequence:
    features = np.zeros((len(labels), classes), np.float32)
    for step, label in enumerate(labels):
        if label >= 0:
            features[step, label] = strength
    return FeatureSequence(features, GRID, len(labels) / 2, "video", "toy")


def test_an_action_is_found_where_it_is():
    ours = _localizer()(_sequence([-1] * 10 + [1] * 6 + [-1] * 10))
    assert ours.labels[0] == 1
    # Steps 10 to 15, half a step to either side, the first window's centre at 0.25 s: 5 s to 8 s.
    assert ours.segments_seconds[0].tolist() == [5.0, 8.0]
    assert ours.scores[0] > 0.5
    assert (np.diff(ours.scores) <= 0).all()


def test_two_actions_of_two_classes():
    ours = _localizer()(_sequence([-1] * 6 + [0] * 6 + [-1] * 8 + [2] * 4 + [-1] * 6))
    best = {int(label): ours.segments_seconds[ours.labels == label][0].tolist() for label in (0, 2)}
    assert best == {0: [3.0, 6.0], 2: [10.0, 12.0]}


def test_an_action_that_fills_the_video_is_scored_by_its_inside():
    ours = _localizer()(_sequence([1] * 12))
    assert ours.segments_seconds[0].tolist() == [0.0, 6.0]
    assert ours.scores[0] == pytest.approx(np.exp(6) / (np.exp(6) + 2), rel=1e-5)


def test_short_runs_are_dropped_and_close_ones_become_one():
    labels = [-1] * 6 + [1, 1, -1, 1, 1] + [-1] * 10 + [1] + [-1] * 6
    ours = _localizer(min_duration_seconds=1.0, merge_gap_seconds=0.5)(_sequence(labels))
    mine = ours.segments_seconds[ours.labels == 1].tolist()
    assert [3.0, 5.5] in mine
    assert not [segment for segment in mine if segment[0] >= 8]
    apart = _localizer(min_duration_seconds=0.0, merge_gap_seconds=0.0)(_sequence(labels))
    assert [3.0, 4.0] in apart.segments_seconds[apart.labels == 1].tolist()


def test_only_the_best_classes_of_the_video():
    sequence = _sequence([0] * 4 + [1] * 4 + [2] * 4)
    sequence.features[sequence.features > 0] *= np.repeat([1.0, 2.0, 3.0], 4)
    assert set(_localizer(top_classes=2)(sequence).labels.tolist()) == {1, 2}
    assert set(_localizer(top_classes=50)(sequence).labels.tolist()) == {0, 1, 2}


def test_no_features_no_detections():
    assert len(_localizer()(_sequence([]))) == 0


def test_scores_are_softmax_probabilities_and_survive_large_logits():
    logits = torch.tensor([[[1000.0, 999.0, -1000.0], [0, 0, 0]]])
    with torch.inference_mode():
        scores = StepClassifier(_identity(3))(logits, torch.ones(1, 2))[0].numpy()
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(scores[1], 1 / 3, rtol=1e-6)
    assert scores[0, 0] == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30), st.floats(0, 12))
def test_smoothing_is_the_mean_of_what_lies_in_the_window(values, width):
    scores = np.array(values, np.float32)[:, None]
    half = int(width // 2)
    expected = [scores[max(0, i - half) : i + half + 1].mean() for i in range(len(scores))]
    np.testing.assert_allclose(smooth_scores(scores, width)[:, 0], expected, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=30), st.integers(0, 5))
def test_runs_cover_what_is_above_and_gaps_that_are_short(above, gap):
    runs = merge_runs(np.array(above, bool), gap)
    covered = np.zeros(len(above), bool)
    for first, last in runs:
        assert first < last
        assert above[first]
        assert above[last - 1]
        covered[first:last] = True
    assert covered[np.array(above, bool)].all()
    for (_, end), (start, _) in pairwise(runs):
        assert start - end > gap
    inside_gaps = covered & ~np.array(above, bool)
    longest = max((len(part) for part in "".join("x" if g else " " for g in inside_gaps).split()), default=0)
    assert longest <= gap


def test_contrast_is_inside_minus_outside():
    scores = np.array([0, 0.2, 1, 1, 1, 1, 0.4, 0], np.float32)
    assert measure_contrast(scores, 2, 6, 0.25) == pytest.approx(1 - 0.3)
    assert measure_contrast(scores, 2, 6, 0.5) == pytest.approx(1 - 0.15)
    assert measure_contrast(scores, 2, 6, 0.0) == pytest.approx(1)
    assert measure_contrast(scores, 0, 8, 0.25) == pytest.approx(scores.mean())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_classes": 0}, "num_classes"),
        ({"thresholds": ()}, "thresholds"),
        ({"thresholds": (0.5, 1.0)}, "thresholds"),
        ({"smoothing_seconds": -1.0}, "smoothing_seconds"),
        ({"top_classes": 0}, "top_classes"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        SlidingConfig(**({"num_classes": 3} | wrong))
