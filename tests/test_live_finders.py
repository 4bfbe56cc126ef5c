"""From features that come piece by piece to segments: told once each, as the whole sequence tells them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.live.clock import EndClock, FrameClock
from cltdr_cli.live.finders import RangeFinder
from cltdr_cli.segments import Detections
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.video.timing import measure_timing

RATE, STRIDE, WINDOW = 25.0, 4, 16
STEPS_A_SECOND = RATE / STRIDE


def find_runs(sequence: FeatureSequence) -> Detections:
    """A localizer that sees a run of ones as an action, from its own features alone."""
    ones = sequence.features[:, 0] > 0.5
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ones, [False]]).astype(int))).reshape(-1, 2)
    segments = sequence.grid.to_seconds(edges - 0.5).clip(0, sequence.duration_seconds)
    return Detections(segments, np.full(len(segments), 0.9, np.float32), np.zeros(len(segments), np.int64))


class Wavering:
    """The same, but boundaries move from call to call, as those of networks do."""

    def __init__(self, localizer, seconds: float) -> None:
        self.localizer, self.seconds, self.rng = localizer, seconds, np.random.default_rng(0)

    def __call__(self, sequence: FeatureSequence) -> Detections:
        found = self.localizer(sequence)
        moved = found.segments_seconds + self.rng.uniform(-self.seconds, self.seconds, found.segments_seconds.shape)
        return replace(found, segments_seconds=moved)


def drawn_actions(seed: int, steps: int) -> np.ndarray:
    """Features ``[T, 1]``: actions of 5 to 40 steps with pauses between them."""
    rng, features, at = np.random.default_rng(seed), np.zeros((steps, 1), np.float32), 0
    while at < steps:
        at += int(rng.integers(3, 40))
        length = int(rng.integers(5, 40))
        features[at : at + length] = 1
        at += length
    return features


def watch(features: np.ndarray, localizer, piece: int = 3, **sizes: int):
    """What a finder tells, with the number of steps seen until then; the clock of a constant rate."""
    frames = (len(features) - 1) * STRIDE + WINDOW
    clock = FrameClock(None, Fraction(25), frames)
    clock.push(np.arange(frames) / RATE)
    finder = RangeFinder(
        localizer,
        **({"range_steps": 120, "hop_steps": 10, "margin_steps": 15} | sizes),
        stride_frames=STRIDE,
        window_frames=WINDOW,
        steps_per_second=STEPS_A_SECOND,
    )
    for at in range(0, len(features), piece):
        seen = min(len(features), at + piece)
        yield seen, finder.push(features[at : at + piece], clock, frames / RATE)
    yield len(features), finder.finish(clock, frames / RATE)


def whole(features: np.ndarray) -> np.ndarray:
    frames = (len(features) - 1) * STRIDE + WINDOW
    grid = FeatureGrid(RATE, STRIDE, WINDOW)
    return find_runs(FeatureSequence(features, grid, frames / RATE, "whole")).segments_seconds


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 500), piece=st.integers(1, 50), hop=st.integers(1, 20))
def test_a_localizer_that_looks_around_itself_gives_what_it_gives_on_the_whole(seed, steps, piece, hop):
    features = drawn_actions(seed, steps)
    told = [found.segments_seconds for _, found in watch(features, find_runs, piece, hop_steps=hop)]
    np.testing.assert_allclose(np.reshape(sorted(np.concatenate(told).tolist()), (-1, 2)), whole(features), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_boundaries_that_move_make_no_double_and_lose_nothing(seed):
    features = drawn_actions(seed, 2000)
    told = np.concatenate([f.segments_seconds for _, f in watch(features, Wavering(find_runs, 0.1))])
    expected = whole(features)
    assert len(told) == len(expected)
    np.testing.assert_allclose(told[np.argsort(told[:, 0])], expected, atol=0.11)


def test_segments_are_told_after_the_delay():
    sizes = {"hop_steps": 10, "margin_steps": 15}
    features = drawn_actions(1, 1000)
    late = [
        (seen + WINDOW / STRIDE) / STEPS_A_SECOND - end
        for seen, found in watch(features, find_runs, piece=1, **sizes)
        for end in found.segments_seconds[:, 1]
        if seen < len(features)
    ]
    assert max(late) <= 26 / STEPS_A_SECOND + 1e-6 + WINDOW / STRIDE / STEPS_A_SECOND
    assert min(late) >= 15 / STEPS_A_SECOND


def test_a_weak_segment_before_the_border_hides_no_strong_one_after_it():
    def localize(sequence: FeatureSequence) -> Detections:
        end = sequence.grid.to_seconds(len(sequence) - 15)  # around the border, whatever the range
        segments = np.array([[4.0, 10.01], [4.0, 9.99]]) if end < 10.0 + 1.6 else np.array([[4.0, 10.01]])
        scores = np.array([0.9, 0.1][: len(segments)], np.float32)
        return Detections(segments, scores, np.zeros(len(segments), np.int64))

    told = np.concatenate([found.scores for _, found in watch(np.zeros((200, 1), np.float32), localize)])
    assert (told > 0.5).sum() == 1


def test_memory_does_not_grow():
    finder = RangeFinder(
        find_runs, range_steps=120, hop_steps=10, margin_steps=15, stride_frames=4, window_frames=16, steps_per_second=6
    )
    clock = FrameClock(None, Fraction(25), 120 * 4 + 200)
    features, told = drawn_actions(3, 30_000), 0
    for at in range(0, len(features), 8):
        clock.push(np.arange(at * 4, at * 4 + 32) / 25)
        told += len(finder.push(features[at : at + 8], clock, at * 4 / 25))
        assert len(finder._features) <= 120
        assert len(finder._told) < 20
        assert len(clock._times) < 2 * 680 + 32
    assert told > 600


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(30)]),
    count=st.integers(1, 1500),
    jitter=st.sampled_from([0.0, 0.0004, 0.01]),
    start=st.floats(0, 5),
)
def test_the_end_of_the_last_frame_is_that_of_all_times_together(rate, count, jitter, start):
    times = start + np.arange(count) / float(rate) + np.random.default_rng(count).uniform(-jitter, jitter, count)
    clock = EndClock(rate)
    for piece in np.array_split(times, max(1, count // 20)):
        clock.push(piece)
    assert clock.end_seconds == pytest.approx(measure_timing(times, [rate]).duration_seconds, abs=1e-9 + 2.5 * jitter)


def test_a_variable_rate_keeps_its_times():
    times = np.cumsum(np.where(np.arange(3000) % 100 < 50, 0.02, 0.06))
    clock = FrameClock(None, None, 500)
    for piece in np.array_split(times, 100):
        clock.push(piece)
    first = clock.oldest(4)
    grid = clock.place(first, 4, 16)
    steps = np.arange(0, (3000 - first - 16) // 4)
    at = first + steps * 4 + 8
    np.testing.assert_allclose(grid.to_seconds(steps), times[at], atol=0.002)
    with pytest.raises(RuntimeError, match="forgotten"):
        clock.place(100, 4, 16)
