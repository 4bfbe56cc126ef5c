"""Segments of class scores that come piece by piece: the same as of the whole video, each as soon as it is final."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.nms import suppress
from cltdr_cli.methods.sliding import METHOD
from cltdr_cli.methods.sliding.config import SlidingConfig
from cltdr_cli.methods.sliding.following import SlidingFollower
from cltdr_cli.methods.sliding.grouping import group_scores, smooth_scores
from cltdr_cli.methods.sliding.running import Smoother, find_window_maxima
from cltdr_cli.timeline import FeatureGrid

GRID = FeatureGrid(rate=5.0, stride_frames=1, window_frames=1)
NMS = InferenceConfig(nms_method="hard", iou_threshold=0.3, min_score=0.02, max_seg_num=100_000)


def drawn_scores(seed: int, steps: int, classes: int) -> np.ndarray:
    """Probabilities that wander, so that runs of every length come and go."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(steps, classes)).cumsum(0) * rng.uniform(0.1, 1.0)
    scores = np.exp(logits - logits.max(1, keepdims=True))
    return (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def rows(found) -> list[tuple[int, float, float, float]]:
    return sorted(
        (int(label), float(start), float(end), float(score))
        for (start, end), score, label in zip(found.segments, found.scores, found.labels, strict=True)
    )


def follow(scores: np.ndarray, config: SlidingConfig, nms: InferenceConfig, seed: int = 0):
    """What is final after each piece, pieces of one to eight steps."""
    rng, follower, at = np.random.default_rng(seed), SlidingFollower(config, nms, GRID), 0
    while at < len(scores):
        count = int(rng.integers(1, 9))
        yield min(at + count, len(scores)), follower.push(torch.from_numpy(scores[at : at + count])[None])
        at += count
    yield len(scores), follower.finish()


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    steps=st.integers(1, 250),
    classes=st.integers(1, 5),
    context=st.floats(0.2, 6.0),
    longest=st.floats(1.0, 30.0),
    smoothing=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    gap=st.sampled_from([0.0, 0.5, 1.0]),
    outer=st.sampled_from([0.0, 0.25, 0.5]),
    iou=st.sampled_from([0.1, 0.3, 0.5]),
)
def test_pieces_give_what_the_whole_gives(seed, steps, classes, context, longest, smoothing, gap, outer, iou):
    config = SlidingConfig(
        classes, smoothing, merge_gap_seconds=gap, outer_context=outer, top_classes=2, context_seconds=context,
        max_duration_seconds=longest,
    )  # fmt: skip
    nms = InferenceConfig(nms_method="hard", iou_threshold=iou, min_score=0.02, max_seg_num=100_000)
    scores = drawn_scores(seed, steps, classes)
    whole = suppress(group_scores(scores, config, GRID), nms)
    pieces = [row for _, found in follow(scores, config, nms, seed) for row in rows(found)]
    assert sorted(pieces) == rows(whole)


def test_a_segment_is_final_soon_after_its_end():
    config = SlidingConfig(4, context_seconds=4.0)
    scores = np.full((600, 4), 0.02, np.float32)
    for start in range(50, 550, 100):
        scores[start : start + 20, start // 100 % 4] = 0.9  # actions of four seconds
    late = [at / 5 - (end + 0.5) / 5 for at, found in follow(scores, config, NMS) for _, _, end, _ in rows(found)]
    assert len(late) == 5
    assert max(late) <= 14.0  # its surroundings, and longer runs of a lower threshold that could still take its place


def test_memory_does_not_grow_and_an_action_without_end_is_cut():
    config = SlidingConfig(3, context_seconds=2.0, max_duration_seconds=20.0)
    follower = SlidingFollower(config, NMS, GRID)
    piece = torch.zeros(1, 50, 3)
    piece[..., 0] = 0.9
    found, held = [], []
    for _ in range(100):
        found += rows(follower.push(piece))
        held.append(len(follower._runs._known._rows))
    assert max(held[20:]) <= 2 * follower.held_steps + 50
    assert not follower._waiting or len(follower._waiting[0]) < 30
    assert {(end - start) / 5 for label, start, end, _ in found if label == 0} == {20.0}
    assert len(found) >= 45  # of a thousand seconds
    assert all(score > 0.85 for label, *_, score in found if label == 0)  # an action is no margin of itself


def test_videos_shorter_than_the_context_are_grouped_as_ever():
    scores = drawn_scores(5, 40, 3)
    for top in (1, 3):
        of_whole, of_context = (
            suppress(group_scores(scores, SlidingConfig(3, top_classes=top, context_seconds=context), GRID), NMS)
            for context in (None, 8.0)
        )
        found, wanted = rows(of_context), rows(of_whole)
        assert [row[:3] for row in found] == [row[:3] for row in wanted]
        np.testing.assert_allclose([row[3] for row in found], [row[3] for row in wanted], rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), steps=st.integers(1, 60), width=st.floats(0, 12))
def test_smoothing_in_pieces(seed, steps, width):
    scores, smoother, at, found = drawn_scores(seed, steps, 2), Smoother(width), 0, []
    while at < steps:
        found.append(smoother.push(scores[at : at + 3]))
        at += 3
    found.append(smoother.finish().reshape(-1, 2))
    np.testing.assert_array_equal(np.concatenate(found), smooth_scores(scores, width))


@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 9])
def test_maxima_of_windows(width):
    values = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    expected = np.stack([values[at : at + width].max(0) for at in range(20 - width + 1)])
    np.testing.assert_array_equal(find_window_maxima(values, width), expected)


def test_settings_that_look_at_the_whole_video_are_not_followed():
    config = SlidingConfig(3, context_seconds=4.0)
    assert METHOD.follow is not None
    assert METHOD.follow(config, NMS, GRID) is not None
    assert METHOD.follow(SlidingConfig(3), NMS, GRID) is None
    assert METHOD.follow(config, InferenceConfig(nms_method="soft"), GRID) is None
