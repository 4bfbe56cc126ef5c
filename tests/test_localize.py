"""From features to segments in seconds: the published answers, and every way in which features may be arranged."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from localizer_cases import COPIED, COPIES, INPUTS, Case, load_case, make_tiny_localizer

from cltdr_cli.errors import CltdrError
from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.localize import to_seconds
from cltdr_cli.inference.nms import Candidates
from cltdr_cli.segments import Detections
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.zoo.load import make_localizer


@cache
def _case(folder: Path) -> Case:
    return load_case(folder)


def _assert_segments(case: Case, steps: int) -> None:
    """Every detection: segment to 1e-3 s, score to 1e-4, label equal, in the published order."""
    expected, ours = case.answer(steps), case.localizer(case.sequence(steps))
    assert len(ours) == len(expected["scores"])
    np.testing.assert_allclose(ours.scores, expected["scores"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(ours.labels, expected["labels"])
    np.testing.assert_allclose(ours.segments_seconds, expected["segments"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("name", "steps"), [(name, steps) for name in COPIED for steps in INPUTS[name]])
def test_published_segments_of_the_copied_cases(name, steps):
    _assert_segments(_case(COPIES / name), steps)


@pytest.mark.parametrize(("name", "steps"), [(name, steps) for name in INPUTS for steps in INPUTS[name]])
def test_published_segments(shared, name, steps):
    _assert_segments(_case(shared / "golden" / "localizer" / name), steps)


# Arrangement of features and time.

CONFIG = InferenceConfig(min_score=0.001, max_seg_num=50)


def _sequence(steps: int, grid: FeatureGrid | None = None, duration: float = 1e6) -> FeatureSequence:
    features = np.random.default_rng(steps).standard_normal((steps, 12)).astype(np.float32)
    return FeatureSequence(features, grid or FeatureGrid(25.0, 4, 16), duration, "video")


def _same(one: Detections, other: Detections, score_tolerance: float = 0.0) -> None:
    np.testing.assert_allclose(one.scores, other.scores, rtol=0, atol=score_tolerance)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_allclose(one.segments_seconds, other.segments_seconds, rtol=1e-7 + score_tolerance)


@pytest.fixture(scope="module")
def localizer():
    return make_tiny_localizer(CONFIG)


@pytest.mark.parametrize("steps", [1, 2, 31, 32, 33, 75])
def test_any_length_ends_in_detections_within_the_video(localizer, steps):
    sequence = _sequence(steps, duration=0.7)
    ours = localizer(sequence)
    assert 0 < len(ours) <= 50
    assert (np.diff(ours.scores) <= 0).all()
    assert (ours.segments_seconds >= 0).all()
    assert (ours.segments_seconds <= 0.7).all()
    assert (ours.segments_seconds[:, 1] >= ours.segments_seconds[:, 0]).all()
    assert set(ours.labels.tolist()) <= {0, 1, 2}


def test_no_features_no_detections(localizer):
    assert len(localizer(_sequence(0))) == 0


def test_scores_that_are_not_numbers_are_an_error_and_not_an_empty_result(localizer):
    sequence = _sequence(10)
    sequence.features[4] = np.nan
    with pytest.raises(CltdrError, match="video: the network's scores are not finite"):
        localizer(sequence)
    damaged = replace(localizer, network=copy.deepcopy(localizer.network))
    next(iter(damaged.network.parameters())).data.fill_(torch.nan)
    with pytest.raises(CltdrError, match="scores are not finite"):
        damaged(_sequence(10))


def test_the_same_features_give_the_same_detections(localizer):
    sequence = _sequence(40)
    _same(localizer(sequence), localizer(sequence))
    doubled = replace(sequence, features=sequence.features.astype(np.float64))
    _same(localizer(sequence), localizer(doubled))
    backwards = replace(sequence, features=np.asfortranarray(sequence.features))
    _same(localizer(sequence), localizer(backwards))


def test_the_grid_alone_decides_about_seconds(localizer):
    steps = localizer(_sequence(20, FeatureGrid(1.0, 1.0, 1e-9)))
    for grid in (FeatureGrid(25.0, 4, 16), FeatureGrid(29.97, 16, 32, start_seconds=2.0)):
        ours = localizer(_sequence(20, grid))
        expected = np.clip(
            grid.to_seconds(localizer.find_candidates(torch.from_numpy(_sequence(20).features), grid).segments),
            0,
            1e6,
        )
        assert {tuple(row) for row in ours.segments_seconds.tolist()} <= {tuple(row) for row in expected.tolist()}
        np.testing.assert_array_equal(ours.scores, steps.scores)


def test_every_nth_step(localizer):
    sequence = _sequence(41)
    ours = replace(localizer, downsample_rate=3)(sequence)
    grid = FeatureGrid(25.0, 12, 16)
    _same(ours, localizer(replace(sequence, features=sequence.features[::3], grid=grid)))


@pytest.mark.parametrize("steps", [5, 32, 70])
def test_stretched_sequences_fill_the_network_and_keep_their_time(localizer, steps):
    sequence = _sequence(steps)
    ours = replace(localizer, stretch_to_steps=32)(sequence)
    features = torch.nn.functional.interpolate(
        torch.from_numpy(sequence.features).T[None], size=32, mode="linear", align_corners=False
    )[0].T.numpy()
    stride = ((steps - 1) * 4 + 16) / 32
    expected = localizer(replace(sequence, features=features, grid=FeatureGrid(25.0, stride, stride)))
    _same(ours, expected, 1e-5)
    span = sequence.grid.to_seconds([-2, steps + 1])  # the first and last windows' outer edges
    stretched = FeatureGrid(25.0, stride, stride).to_seconds([-0.5, 31.5])
    np.testing.assert_allclose(stretched, span, atol=1e-9)


def test_seconds_are_clamped_after_the_conversion():
    candidates = Candidates(
        np.array([[-5, 2], [3, 900]], np.float32), np.array([0.5, 0.25], np.float32), np.array([1, 0])
    )
    ours = to_seconds(candidates, FeatureGrid(10.0, 5, 10), 4.0)
    assert ours.segments_seconds.tolist() == [[0.0, 1.5], [2.0, 4.0]]
    assert ours.segments_seconds.dtype == np.float64
    assert ours.labels.tolist() == [1, 0]


@pytest.mark.gpu
def test_a_gpu_gives_the_same_detections():
    case = _case(COPIES / "thumos_like")
    device = torch.device("cuda")
    ours = make_localizer(case.preset, load_case(COPIES / "thumos_like").model, device)(case.sequence(64))
    expected = case.answer(64)
    np.testing.assert_allclose(ours.scores, expected["scores"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(ours.segments_seconds, expected["segments"], rtol=0, atol=1e-3)
