"""Times of frames: their repair, the rate behind them, knots of a varying rate, the frame nearest an instant."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cltdr_cli.timeline import FeatureGrid
from cltdr_cli.video.clock import StreamClock, order_for_display
from cltdr_cli.video.decoding import StreamDamageError
from cltdr_cli.video.frames import FrameBatch
from cltdr_cli.video.packets import PIECE_FRAMES, choose_least_piece_frames, find_piece_starts
from cltdr_cli.video.resampling import Resampler, SampleGrid, find_nearest
from cltdr_cli.video.timing import choose_nominal_rate, compress_knots, measure_timing

gaps = st.lists(st.floats(0.002, 3.0), min_size=1, max_size=120)
RATES = [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(981, 50), Fraction(60)]


def even(count, rate, start=0.0):
    return start + np.arange(count) / float(rate)


class TestOrder:
    def repaired(self, times, period=0.04):
        items, seconds = zip(*order_for_display(enumerate(times), period), strict=True)
        assert items == tuple(range(len(times)))  # frames keep their order whatever their times say
        return list(seconds)

    def test_swapped_neighbours_are_sorted(self):
        swapped = [0.04, 0.08, 0.16, 0.12, 0.2, 0.28, 0.24, 0.32]
        assert self.repaired(swapped) == sorted(swapped)

    def test_missing_times_follow_the_rate(self):
        assert self.repaired([None, None, None, 0.12]) == pytest.approx([0, 0.04, 0.08, 0.12])

    def test_a_restarted_clock_goes_on(self):
        assert self.repaired([5.0, 5.04, 5.08, 0.0, 0.04]) == pytest.approx([5, 5.04, 5.08, 5.12, 5.16])

    def test_equal_times_are_told_apart(self):
        assert self.repaired([0.0, 0.04, 0.04, 0.08]) == pytest.approx([0, 0.04, 0.0425, 0.08])

    @given(st.lists(st.one_of(st.none(), st.floats(-5, 50)), min_size=1, max_size=60))
    def test_any_times_come_out_increasing(self, times):
        assert (np.diff(self.repaired(times)) > 0).all()

    @given(gaps)
    def test_increasing_times_are_left_alone(self, steps):
        times = np.cumsum(steps).tolist()
        assert self.repaired(times) == times

    def test_damage_comes_after_the_frames_held_back_and_says_when(self):
        def source():
            yield from enumerate([0.0, 0.04, 0.08, 0.16])
            raise StreamDamageError("torn")

        seen = []
        with pytest.raises(StreamDamageError, match="torn") as torn:
            seen.extend(at for _, at in order_for_display(source(), 0.04))
        assert seen == [0.0, 0.04, 0.08]  # what lies after the gap was shown late, and its neighbour is lost
        assert torn.value.seconds == pytest.approx(0.12)


def test_clock_is_exact_and_relative_to_the_players_zero():
    clock = StreamClock(Fraction(1, 90_000), Fraction(14, 10))
    assert clock.seconds(126_000) == 0.0
    assert clock.seconds(126_000 + 3003 * 30) == 1.001
    assert clock.ticks(1.0) == 216_000


class TestRate:
    @pytest.mark.parametrize("rate", RATES)
    @pytest.mark.parametrize("digits", [3, 6])
    def test_rounded_times_give_the_containers_rate(self, rate, digits):
        timing = measure_timing(np.round(even(3000, rate), digits), [rate])
        assert timing.rate == float(rate)
        assert timing.knots == ()
        assert timing.duration_seconds == pytest.approx(3000 / float(rate), abs=1e-9)

    @pytest.mark.parametrize("wrong", [Fraction(1000), Fraction(60), Fraction(3635, 121), None])
    def test_a_wrong_header_is_overruled(self, wrong):
        assert measure_timing(np.round(even(726, 30), 3), [wrong]).rate == 30

    def test_an_unusual_rate_is_measured(self):
        timing = measure_timing(even(500, 17.3), [None])
        assert timing.rate == pytest.approx(17.3)
        assert timing.knots == ()

    def test_late_frames_below_half_an_interval_are_constant(self):
        jitter = np.random.default_rng(0).uniform(-0.015, 0.015, 300)
        times = even(300, 30) + np.where(np.arange(300) % 299, jitter, 0)
        assert measure_timing(times, [Fraction(30)]).knots == ()

    def test_a_dropped_frame_makes_the_rate_variable(self):
        timing = measure_timing(np.delete(even(100, 25), [50, 51]), [Fraction(25)])
        assert timing.knots != ()
        assert timing.duration_seconds == pytest.approx(4.0)
        assert timing.rate == pytest.approx(97 / 3.96)

    def test_start_is_kept(self):
        timing = measure_timing(even(50, 25, 0.04), [Fraction(25)])
        assert (timing.start_seconds, timing.duration_seconds) == pytest.approx((0.04, 2.04))

    @pytest.mark.parametrize(("stated", "rate"), [([Fraction(10)], 10), ([None], 25), ([], 25)])
    def test_one_frame(self, stated, rate):
        timing = measure_timing(np.array([0.5]), stated)
        assert (timing.rate, timing.frame_count, timing.knots) == (rate, 1, ())
        assert timing.duration_seconds == pytest.approx(0.5 + 1 / rate)

    @pytest.mark.parametrize(
        ("times", "stated", "rate"),
        [
            (np.round(even(30, 30), 3), [Fraction(1000), Fraction(60), Fraction(60)], Fraction(30)),
            (even(64, 25), [Fraction(25), Fraction(25)], Fraction(25)),
            (even(64, 30), [Fraction(3635, 121), Fraction(30)], Fraction(3635, 121)),
            (np.zeros(1), [Fraction(50)], Fraction(50)),
            (np.zeros(0), [None], None),
            (np.zeros(2), [Fraction(90_000)], None),
            (even(20, 12.5), [None], Fraction(25, 2)),
        ],
    )
    def test_nominal_rate(self, times, stated, rate):
        assert choose_nominal_rate(times, stated) == rate


class TestKnots:
    @given(gaps)
    def test_every_frame_lies_within_a_millisecond(self, steps):
        times = np.cumsum(steps)
        knots = compress_knots(times)
        at, seconds = np.array(knots).T
        assert np.abs(np.interp(np.arange(len(times)), at, seconds) - times).max() <= 0.001 + 1e-9
        assert (np.diff(at) > 0).all()
        assert (np.diff(seconds) > 0).all()
        assert (at[0], at[-1]) == (0, len(times) - 1)

    @given(st.lists(st.tuples(st.integers(2, 40), st.floats(5, 60)), min_size=1, max_size=6))
    def test_stretches_of_one_rate_need_few_knots(self, stretches):
        times = np.cumsum(np.concatenate([np.full(count, 1 / rate) for count, rate in stretches]))
        assert len(compress_knots(times)) <= 2 * len(stretches) + 1

    @given(gaps, st.data())
    def test_the_feature_grid_finds_every_frame_again(self, steps, data):
        times = np.cumsum(steps)
        timing = measure_timing(times, [None])
        grid = FeatureGrid(timing.rate, 1, 1, timing.start_seconds, timing.knots)
        frame = data.draw(st.integers(0, len(times) - 1))
        tolerance = 0.0011 if timing.knots else 0.5 / timing.rate
        assert abs(float(grid.frames_to_seconds(frame)) - times[frame]) <= tolerance
        assert float(grid.frames_to_seconds(len(times))) == pytest.approx(timing.duration_seconds)


class TestNearest:
    @given(gaps, st.lists(st.floats(-1, 100), min_size=1, max_size=30))
    def test_none_is_nearer(self, steps, wanted):
        times, instants = np.cumsum(steps), np.array(sorted(wanted))
        chosen = np.abs(times[find_nearest(times, instants)] - instants)
        assert (chosen <= np.abs(times[:, None] - instants).min(0) + 2e-6).all()

    def test_midway_takes_the_earlier_one(self):
        assert find_nearest(even(4, 30), even(7, 60)).tolist() == [0, 0, 1, 1, 2, 2, 3]


def resampled(times, grid, end, batch=7):
    """Numbers of the frames chosen and their instants; frame k of the source is a picture of value k."""
    sampler = Resampler(grid, batch)
    out = []
    for first in range(0, len(times), batch):
        part = slice(first, first + batch)
        values = np.arange(len(times))[part].astype(np.uint8).reshape(-1, 1, 1, 1)
        out += list(sampler.push(FrameBatch(np.tile(values, (1, 2, 2, 3)), times[part])))
    out += list(sampler.finish(end))
    assert all(1 <= len(batch_) <= batch for batch_ in out)
    return np.concatenate([b.frames[:, 0, 0, 0] for b in out]), np.concatenate([b.pts_seconds for b in out])


class TestResampling:
    @given(gaps, st.floats(0.5, 90))
    def test_is_the_nearest_frame_at_every_instant_before_the_end(self, steps, rate):
        times = np.cumsum(steps)
        end = times[-1] + 0.04
        chosen, instants = resampled(times, SampleGrid(rate, times[0]), end)
        count = int(np.ceil((end - times[0] - 1e-6) * rate))
        np.testing.assert_allclose(instants, times[0] + np.arange(count) / rate)
        assert chosen.tolist() == find_nearest(times, instants).tolist()

    @given(st.sampled_from(RATES), st.integers(1, 250), st.sampled_from([3, 6]))
    def test_at_its_own_rate_is_the_identity(self, rate, count, digits):
        times = np.round(even(count, rate), digits)
        timing = measure_timing(times, [rate])
        chosen, _ = resampled(times, SampleGrid(float(rate), times[0]), timing.duration_seconds)
        assert chosen.tolist() == list(range(count))

    @pytest.mark.parametrize(("rate", "count"), [(15, 30), (60, 120), (10, 20), (25, 50), (29.97, 60)])
    def test_two_seconds_hold_two_seconds_of_samples(self, rate, count):
        chosen, _ = resampled(even(60, 30), SampleGrid(rate, 0.0), 2.0)
        assert len(chosen) == count

    @given(st.floats(0, 3), st.floats(0.05, 3))
    def test_a_range_is_a_stretch_of_the_whole_grid(self, start, length):
        times = even(120, 25)
        whole, instants = resampled(times, SampleGrid(10, 0.0), 4.8)
        inside = (instants >= start - 1e-6) & (instants < start + length - 1e-6)
        if inside.any():
            some, at = resampled(times, SampleGrid(10, 0.0, start, start + length), 4.8)
            assert at.tolist() == instants[inside].tolist()
            assert some.tolist() == whole[inside].tolist()


class TestPieces:
    @pytest.mark.parametrize(("width", "height", "frames"), [(340, 256, 96), (1920, 1080, 10), (7680, 4320, 1)])
    def test_pieces_of_large_frames_are_short(self, width, height, frames):
        assert choose_least_piece_frames(width, height) == frames

    def test_closed_groups_are_cut_open_ones_are_not(self):
        group = np.array([0, 3, 1, 2, 6, 4, 5, 7])
        ticks = np.concatenate([group + 8 * k for k in range(40)])
        keys = np.arange(len(ticks)) % 8 == 0
        assert find_piece_starts(ticks, keys).tolist() == [0, 96, 192, 288]
        open_group = ticks.copy()
        open_group[[96, 97]] = open_group[[97, 96]]  # a leading picture: decoded after the key frame, shown before
        open_group[[96, 98]] = [98, 96]
        assert find_piece_starts(open_group, keys).tolist() == [0, 104, 200, 296]

    @given(st.permutations(range(30)), st.lists(st.booleans(), min_size=30, max_size=30))
    def test_a_cut_divides_decoding_and_display_alike(self, order, keys):
        ticks = np.concatenate([np.arange(PIECE_FRAMES), PIECE_FRAMES + np.array(order)])
        for start in find_piece_starts(ticks, np.array([True] * PIECE_FRAMES + keys))[1:]:
            assert ticks[:start].max() < ticks[start:].min() == ticks[start]
