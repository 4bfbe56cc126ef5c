"""Suppression: the published numbers, and a plain reference for everything that those leave open."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.nms import Candidates, suppress, vote

GOLDEN = Path(__file__).parent / "golden" / "nms"
CASES = json.loads((GOLDEN / "nms_cases.json").read_text())


def _config(case: dict) -> InferenceConfig:
    return InferenceConfig(
        nms_method="soft" if case["use_soft_nms"] else "hard",
        nms_sigma=case.get("sigma", 0.5),
        iou_threshold=case["iou_threshold"],
        min_score=case["min_score"],
        multiclass_nms=case["multiclass"],
        voting_thresh=case["voting_thresh"],
        max_seg_num=case["max_seg_num"],
    )


def _golden(name: str) -> Candidates:
    with np.load(GOLDEN / "nms.npz") as arrays:
        return Candidates(*(arrays[f"{name}_{field}"] for field in ("segments", "scores", "labels")))


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("given", range(3))
def test_published_answers(given, case):
    ours = suppress(_golden(f"in{given}"), _config(CASES[case]))
    expected = _golden(f"in{given}_case{case}")
    assert len(ours) == len(expected)
    np.testing.assert_allclose(ours.scores, expected.scores, atol=1e-5)
    np.testing.assert_allclose(ours.segments, expected.segments, atol=1e-3)
    np.testing.assert_array_equal(ours.labels, expected.labels)


def test_the_copies_are_the_golden_files(shared):
    for name in ("nms.npz", "nms_cases.json"):
        assert (GOLDEN / name).read_bytes() == (shared / "golden" / "evaluation" / name).read_bytes()


# A reference that does one candidate at a time, in the arithmetic of the method's description.

F = np.float32
Picks = list[tuple[int, np.float32]]


def _iou(one: np.ndarray, other: np.ndarray) -> np.float32:
    inner = max(min(one[1], other[1]) - max(one[0], other[0]), F(0))
    return inner / ((one[1] - one[0] + F(1e-6)) + (other[1] - other[0] + F(1e-6)) - inner)


def _reference_picks(candidates: Candidates, rows: list[int], config: InferenceConfig) -> Picks:
    """Row and final score of what one group keeps."""
    left = sorted(((candidates.scores[row], row) for row in rows), key=lambda pair: (-pair[0], pair[1]))
    if config.nms_method == "hard":
        left = [(score, row) for score, row in left if score > F(config.min_score)]
    picks: Picks = []
    while left and len(picks) < config.max_seg_num:
        score, row = max(left, key=lambda pair: pair[0])  # the first of equals
        # Scores that have decayed out of float32's normal range count as nothing, also with a minimum of 0.
        if score < np.finfo(F).tiny or (config.nms_method == "soft" and score < F(config.min_score)):
            break
        picks.append((row, score))
        rest = []
        for other_score, other in left:
            if other == row:
                continue
            overlap = _iou(candidates.segments[row], candidates.segments[other])
            if config.nms_method == "soft":
                rest.append((other_score * np.exp(-(overlap * overlap) / F(config.nms_sigma)), other))
            elif overlap < config.iou_threshold:
                rest.append((other_score, other))
        left = rest
    return picks


def _reference(candidates: Candidates, config: InferenceConfig) -> Picks:
    groups = candidates.labels if config.multiclass_nms else np.zeros_like(candidates.labels)
    picks = [
        pick
        for group in sorted(set(groups.tolist()))
        for pick in _reference_picks(candidates, np.flatnonzero(groups == group).tolist(), config)
    ]
    return sorted(picks, key=lambda pick: (-pick[1], pick[0]))[: config.max_seg_num]


def _reference_vote(segment: np.ndarray, candidates: Candidates, threshold: float) -> np.ndarray:
    total, weight = np.zeros(2), 0.0
    segments, scores = candidates.segments.astype(float), candidates.scores.astype(float)
    for (start, end), score in zip(segments, scores, strict=True):
        inner = max(min(end, segment[1]) - max(start, segment[0]), 0.0)
        union = (end - start) + (segment[1] - segment[0]) - inner
        if union > 0 and inner / union >= threshold:
            total, weight = total + score * np.array([start, end]), weight + score
    return total / weight if weight > 0 else segment


# Coordinates and scores on a coarse lattice make ties, touching, nested and empty segments common.
_segment = st.tuples(st.integers(-8, 40), st.integers(0, 24)).map(lambda p: (p[0] / 2, (p[0] + p[1]) / 2))
_candidate = st.tuples(_segment, st.integers(1, 64).map(lambda n: n / 64), st.integers(0, 3))
_candidates = st.lists(_candidate, max_size=40).map(
    lambda rows: Candidates(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 2),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
    )
)
_configs = st.builds(
    InferenceConfig,
    nms_method=st.sampled_from(["soft", "hard"]),
    nms_sigma=st.sampled_from([0.05, 0.5, 0.7]),
    iou_threshold=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    min_score=st.sampled_from([0.0, 0.001, 0.25]),
    multiclass_nms=st.booleans(),
    voting_thresh=st.just(0.0),
    max_seg_num=st.sampled_from([1, 3, 1000]),
)


@settings(max_examples=250, deadline=None)
@given(_candidates, _configs)
def test_suppression_equals_the_reference(candidates, config):
    ours, expected = suppress(candidates, config), _reference(candidates, config)
    rows = [row for row, _ in expected]
    np.testing.assert_allclose(ours.scores, [score for _, score in expected], rtol=1e-6)
    np.testing.assert_array_equal(ours.segments, candidates.segments[rows].reshape(-1, 2))
    np.testing.assert_array_equal(ours.labels, candidates.labels[rows])


@settings(max_examples=60, deadline=None)
@given(_configs, st.integers(0, 10**6))
def test_long_lists_equal_the_reference(config, seed):
    """More rounds than between two clearings of the dead, and groups of very different sizes."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(60, 120))
    start = rng.integers(0, 100, count) / 4
    many = Candidates(
        np.stack([start, start + rng.integers(0, 80, count) / 4], 1).astype(np.float32),
        rng.random(count).astype(np.float32),
        (rng.random(count) ** 3 * 5).astype(np.int64),
    )
    config = replace(config, max_seg_num=int(rng.choice([2, 20, 1000])))
    ours, expected = suppress(many, config), _reference(many, config)
    rows = [row for row, _ in expected]
    np.testing.assert_allclose(ours.scores, [score for _, score in expected], rtol=1e-6)
    np.testing.assert_array_equal(ours.segments, many.segments[rows].reshape(-1, 2))


@settings(max_examples=150, deadline=None)
@given(_candidates, st.sampled_from(["soft", "hard"]), st.sampled_from([0.25, 0.5, 0.75, 1.0]))
def test_voting_equals_the_reference(candidates, method, threshold):
    config = InferenceConfig(
        nms_method=method, multiclass_nms=False, voting_thresh=threshold, min_score=0.25, iou_threshold=0.5
    )
    kept = suppress(candidates, replace(config, voting_thresh=0.0))
    ours = suppress(candidates, config)
    np.testing.assert_array_equal(ours.scores, kept.scores)
    expected = [_reference_vote(segment.astype(float), candidates, threshold) for segment in kept.segments]
    np.testing.assert_allclose(ours.segments, np.array(expected).reshape(-1, 2), atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(_candidates, _configs)
def test_what_holds_of_every_answer(candidates, config):
    ours = suppress(candidates, config)
    assert len(ours) <= min(len(candidates), config.max_seg_num)
    assert (np.diff(ours.scores) <= 0).all()
    assert (ours.scores > 0).all()
    assert ours.segments.dtype == ours.scores.dtype == np.float32
    assert ours.labels.dtype == np.int64
    again = suppress(candidates, config)
    np.testing.assert_array_equal(ours.segments, again.segments)
    if config.nms_method == "hard" and config.iou_threshold > 0:  # what is left does not overlap any more
        np.testing.assert_array_equal(suppress(ours, config).scores, ours.scores)


def _of(*rows: tuple[float, float, float, int]) -> Candidates:
    table = np.array(rows, np.float32).reshape(-1, 4)
    return Candidates(table[:, :2], table[:, 2], table[:, 3].astype(np.int64))


@pytest.mark.parametrize("method", ["soft", "hard", "none"])
@pytest.mark.parametrize("multiclass", [False, True])
@pytest.mark.parametrize("voting", [0.0, 0.7])
def test_nothing_and_one(method, multiclass, voting):
    config = InferenceConfig(nms_method=method, multiclass_nms=multiclass, voting_thresh=voting)
    assert len(suppress(_of(), config)) == 0
    one = suppress(_of((1, 3, 0.5, 2)), config)
    assert one.segments.tolist() == [[1, 3]]
    assert one.scores.tolist() == [0.5]
    assert one.labels.tolist() == [2]
    empty = suppress(_of((2, 2, 0.5, 0), (2, 2, 0.25, 0)), config)
    assert np.isfinite(empty.segments).all()
    assert empty.segments[0].tolist() == [2, 2]


def test_all_below_the_minimum():
    for method in ("soft", "hard"):
        config = InferenceConfig(nms_method=method, min_score=0.3, multiclass_nms=False)
        assert len(suppress(_of((0, 1, 0.2, 0), (5, 6, 0.1, 0)), config)) == 0


def test_the_minimum_itself_stays_in_soft_and_goes_in_hard():
    rows = _of((0, 1, 0.5, 0), (5, 6, 0.25, 0))
    assert len(suppress(rows, InferenceConfig(nms_method="soft", min_score=0.25))) == 2
    assert len(suppress(rows, InferenceConfig(nms_method="hard", min_score=0.25))) == 1


def test_identical_empty_segments_overlap_wholly():
    config = InferenceConfig(nms_method="hard", iou_threshold=0.5, min_score=0.0)
    assert len(suppress(_of((2, 2, 0.5, 0), (2, 2, 0.4, 0)), config)) == 2, "their intersection has no length"
    assert len(suppress(_of((2, 3, 0.5, 0), (2, 3, 0.4, 0)), config)) == 1


def test_none_only_sorts_and_cuts():
    config = InferenceConfig(nms_method="none", max_seg_num=2)
    ours = suppress(_of((0, 1, 0.1, 0), (0, 1, 0.9, 1), (0, 1, 0.9, 2)), config)
    assert ours.scores.tolist() == pytest.approx([0.9, 0.9])
    assert ours.labels.tolist() == [1, 2]


def test_at_most_max_seg_num_of_each_class_and_in_all():
    rows = _of(*[(10 * i, 10 * i + 1, 0.9 - 0.01 * i, i % 2) for i in range(40)])
    assert len(suppress(rows, InferenceConfig(max_seg_num=5))) == 5
    assert len(suppress(rows, InferenceConfig(max_seg_num=30))) == 30


def test_votes_come_from_all_candidates_with_their_first_scores():
    rows = _of((0, 10, 0.9, 0), (1, 10, 0.3, 1), (50, 60, 0.8, 0))
    config = InferenceConfig(
        nms_method="hard", iou_threshold=0.5, multiclass_nms=False, voting_thresh=0.7, min_score=0.5
    )
    ours = suppress(rows, config)
    assert ours.segments[0] == pytest.approx([0.25, 10])  # (0.9 · 0 + 0.3 · 1) / 1.2; 0.3 is below min_score
    assert ours.segments[1] == pytest.approx([50, 60])


def test_voting_in_parts_equals_voting_at_once():
    rng = np.random.default_rng(0)
    start = rng.random(700) * 100
    rows = Candidates(
        np.stack([start, start + rng.random(700) * 9], 1).astype(np.float32),
        rng.random(700).astype(np.float32),
        np.zeros(700, np.int64),
    )
    parts = [vote(rows.selected(np.arange(i, i + 100)), rows, 0.6).segments for i in range(0, 700, 100)]
    np.testing.assert_allclose(vote(rows, rows, 0.6).segments, np.concatenate(parts), rtol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"nms_sigma": 0.0},
        {"min_score": -0.1},
        {"iou_threshold": 1.5},
        {"max_seg_num": 0},
        {"duration_thresh_steps": -1.0},
        {"fusion_keep_segments": 200},
        {"pre_nms_topk": 0},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InferenceConfig(**wrong)
