"""From frames to a feature sequence: windows, their times, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cltdr_cli.errors import FeatureError, UsageError, VideoError
from cltdr_cli.features.extract import check_extraction, extract_features, make_sequence
from cltdr_cli.video.frames import FrameBatch, FrameTiming
from extractors import EXTRACTORS

SPEC = replace(EXTRACTORS["demo"].spec, name="toy", width=2, window_range=(1, 1000))


class ToyStream:
    """Frames whose first pixel is their number, in batches of the given sizes."""

    def __init__(self, count, batch=7, rate=25.0, writeable=True):
        self.count, self.batch, self.rate, self.writeable, self.finished = count, batch, rate, writeable, False

    def __iter__(self):
        for start in range(0, self.count, self.batch):
            numbers = np.arange(start, min(start + self.batch, self.count))
            frames = np.zeros((len(numbers), 2, 2, 3), np.uint8)
            frames[:, 0, 0, 0], frames[:, 0, 0, 1] = numbers % 256, numbers // 256
            frames.setflags(write=self.writeable)
            yield FrameBatch(frames, numbers / self.rate)
        self.finished = True

    @property
    def timing(self):
        assert self.finished, "timing was read before the last frame"
        return FrameTiming(self.rate, self.count, 0.5, 0.5 + self.count / self.rate)


class ToyExtractor:
    """The feature of a clip is its first frame's number and the sum of all."""

    def __init__(self, spec=SPEC):
        self.spec, self.device = spec, torch.device("cpu")
        self.prepared_frames, self.batches = 0, []

    def prepare(self, frames):
        self.prepared_frames += len(frames)
        return frames.permute(0, 3, 1, 2).float()

    def encode(self, clips):
        self.batches.append(len(clips))
        assert clips.shape[2:] == (3, 2, 2)
        numbers = clips[:, :, 0, 0, 0] + 256 * clips[:, :, 1, 0, 0]
        return torch.stack([numbers[:, 0], numbers.sum(1)], dim=1)

    def class_head(self):
        return None


def expected(count, window, stride):
    starts = np.arange(0, count - window + 1, stride)
    return np.stack([starts, starts * window + window * (window - 1) // 2], axis=1).astype(np.float32)


@pytest.mark.parametrize("count", [16, 17, 19, 20, 100, 333])
@pytest.mark.parametrize(("window", "stride"), [(16, 4), (16, 16), (8, 1), (3, 10), (5, 40), (1, 1)])
@pytest.mark.parametrize(("batch_frames", "batch_clips"), [(1, 1), (7, 3), (32, 8), (1000, 5)])
def test_every_whole_window_and_nothing_else(count, window, stride, batch_frames, batch_clips):
    extractor = ToyExtractor()
    features, timing = extract_features(
        ToyStream(count, batch_frames),
        extractor,
        stride_frames=stride,
        window_frames=window,
        batch_clips=batch_clips,
    )
    np.testing.assert_array_equal(features, expected(count, window, stride))
    assert features.dtype == np.float32
    assert len(features) == (count - window) // stride + 1
    assert timing.frame_count == count
    assert max(extractor.batches) <= batch_clips
    assert all(size == batch_clips for size in extractor.batches[:-1])


def test_overlapping_frames_are_prepared_once_and_skipped_ones_never():
    extractor = ToyExtractor()
    extract_features(ToyStream(100), extractor, stride_frames=4, window_frames=16)
    assert extractor.prepared_frames == 100
    sparse = ToyExtractor()
    extract_features(ToyStream(100, batch=1), sparse, stride_frames=10, window_frames=2, batch_clips=1)
    assert sparse.prepared_frames == 20


def test_memory_does_not_grow_with_the_video(monkeypatch):
    import cltdr_cli.features.extract as room

    held = []
    original = room.WindowEncoder._encode

    def encode(self, at_least):
        held.append(len(self._held))
        yield from original(self, at_least)

    monkeypatch.setattr(room.WindowEncoder, "_encode", encode)
    extract_features(ToyStream(2000, batch=10), ToyExtractor(), stride_frames=4, window_frames=16, batch_clips=4)
    assert max(held) <= 16 + 4 * 4 + 10


@pytest.mark.parametrize(("window", "stride"), [(16, 4), (3, 10)])
def test_frames_prepared_ahead_give_the_same(window, stride):
    seen, extractor = [], ToyExtractor()
    features, timing = extract_features(
        ToyStream(333),
        extractor,
        stride_frames=stride,
        window_frames=window,
        ahead_batches=2,
        on_progress=seen.append,
    )
    np.testing.assert_array_equal(features, expected(333, window, stride))
    assert (timing.frame_count, seen[-1]) == (333, 333)


def test_an_error_while_preparing_ahead_is_raised_where_the_features_are_wanted():
    class Broken(ToyExtractor):
        def prepare(self, frames):
            if self.prepared_frames > 20:
                raise VideoError("broken picture", "Take another.")
            return super().prepare(frames)

    with pytest.raises(VideoError, match="broken picture"):
        extract_features(ToyStream(50), Broken(), stride_frames=4, window_frames=16, ahead_batches=1)


def test_progress_counts_frames():
    seen = []
    stream = ToyStream(50, batch=20)
    extract_features(stream, ToyExtractor(), stride_frames=4, window_frames=16, on_progress=seen.append)
    assert seen == [20, 40, 50]


def test_frames_that_cannot_be_written_are_no_trouble(recwarn):
    stream = ToyStream(20, writeable=False)
    features, _ = extract_features(stream, ToyExtractor(), stride_frames=4, window_frames=16)
    np.testing.assert_array_equal(features, expected(20, 16, 4))
    assert not recwarn.list


@pytest.mark.parametrize("count", [0, 1, 15])
def test_a_video_shorter_than_one_window_says_how_short(count):
    with pytest.raises(VideoError, match=f"has {count} frames?, and one window of toy looks at 16") as caught:
        extract_features(ToyStream(count), ToyExtractor(), stride_frames=4, window_frames=16)
    assert "longer video" in caught.value.hint
    assert ("window of at most 15" in caught.value.hint) == (count == 15)


def test_windows_that_the_network_cannot_take_are_refused():
    spec = EXTRACTORS["videomae-base"].spec
    with pytest.raises(UsageError, match="windows of exactly 16 frames, not 32"):
        check_extraction(spec, stride_frames=4, window_frames=32)
    with pytest.raises(UsageError, match="windows of 9 to 4096 frames, not 8"):
        check_extraction(EXTRACTORS["i3d-rgb"].spec, stride_frames=4, window_frames=8)
    for stride, batch in ((0, 1), (4, 0)):
        with pytest.raises(UsageError, match="at least 1"):
            check_extraction(spec, stride_frames=stride, window_frames=16, batch_clips=batch)
    check_extraction(spec, stride_frames=16, window_frames=16)


def test_a_sequence_knows_the_time_of_its_steps():
    stream = ToyStream(100)
    features, timing = extract_features(stream, ToyExtractor(), stride_frames=4, window_frames=16)
    sequence = make_sequence(features, timing, stride_frames=4, window_frames=16, video_id="v", extractor="toy")
    assert (sequence.video_id, sequence.extractor, len(sequence)) == ("v", "toy", 22)
    assert sequence.duration_seconds == 0.5 + 100 / 25
    np.testing.assert_allclose(sequence.grid.to_seconds([0, 1]), [0.5 + 8 / 25, 0.5 + 12 / 25])


def test_knots_of_a_variable_rate_travel_with_the_sequence():
    timing = FrameTiming(10.0, 40, 1.0, 6.0, knots=((0.0, 1.0), (20.0, 2.0), (40.0, 6.0)))
    sequence = make_sequence(np.zeros((7, 2), np.float32), timing, stride_frames=4, window_frames=16, video_id="v")
    np.testing.assert_allclose(sequence.grid.to_seconds([0, 5.5]), [1.4, 4.0])


def test_errors_of_the_stream_pass_through():
    class Broken(ToyStream):
        def __iter__(self):
            yield from super().__iter__()
            raise VideoError("broken at 2 s")

    with pytest.raises(VideoError, match="broken at 2 s"):
        extract_features(Broken(50), ToyExtractor(), stride_frames=4, window_frames=16)


def test_features_that_are_no_numbers_are_refused():
    """As of an extractor in half precision whose numbers overflow: the file would only fail when it is used."""
    features = np.zeros((7, 2), np.float32)
    features[3, 1] = np.inf
    timing = FrameTiming(25.0, 40, 0.0, 1.6)
    with pytest.raises(FeatureError, match="v: the extractor's features are NaN or infinite in 1 of 7 steps"):
        make_sequence(features, timing, stride_frames=4, window_frames=16, video_id="v")
