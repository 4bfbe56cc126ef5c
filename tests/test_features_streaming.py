"""Causal extractors: every frame once and in order, whatever the batches; resets; files that resume and match."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from test_features_extract import SPEC, ToyExtractor, ToyStream

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.features.batching import SharedExtractor
from cltdr_cli.features.extract import check_extraction
from cltdr_cli.features.streaming import check_reset, extract_stream
from extractors import EXTRACTORS
from extractors.random_weights import draw_weights

CAUSAL = EXTRACTORS["movinet-a0-stream"].spec


class ToyRun:
    """The feature of a frame is its number, and the sum of all numbers so far."""

    def __init__(self, batches):
        self.total, self.batches = 0.0, batches

    def encode(self, frames):
        self.batches.append(len(frames))
        numbers = frames[:, 0, 0, 0] + 256 * frames[:, 1, 0, 0]
        sums = self.total + numbers.cumsum(0)
        self.total = float(sums[-1])
        return torch.stack([numbers, sums], dim=1)


class ToyCausal(ToyExtractor):
    def start_run(self):
        return ToyRun(self.batches)


def run(count, read_frames=7, **settings):
    extractor = ToyCausal(SPEC)
    features, timing = extract_stream(ToyStream(count, read_frames), extractor, fps=5.0, **settings)
    assert timing.frame_count == count
    assert extractor.prepared_frames == count
    return features, extractor.batches


@pytest.mark.parametrize("stride", [1, 2, 5, 40])
@pytest.mark.parametrize(("read_frames", "together"), [(1, 1), (7, 3), (32, 8), (1000, 5)])
def test_every_frame_is_seen_and_every_kth_kept(stride, read_frames, together):
    features, batches = run(33, read_frames, stride_frames=stride, batch_frames=together)
    at = np.arange(0, 33, stride)
    np.testing.assert_array_equal(features, np.stack([at, at * (at + 1) / 2], axis=1))
    assert features.dtype == np.float32
    assert sum(batches) == 33
    assert max(batches) <= together


@pytest.mark.parametrize("together", [1, 3, 8, 64])
def test_a_reset_starts_afresh_after_so_many_seconds(together):
    features, _ = run(33, 32, batch_frames=together, reset_seconds=2.0)
    sums = np.concatenate([np.arange(start, min(start + 10, 33)).cumsum() for start in range(0, 33, 10)])
    np.testing.assert_array_equal(features[:, 1], sums)


def test_no_frames_are_told():
    with pytest.raises(VideoError, match="no frames"):
        run(0)


def test_a_window_is_refused():
    with pytest.raises(UsageError, match="windows of exactly 1 frames, not 16"):
        check_extraction(CAUSAL, stride_frames=1, window_frames=16)


def test_a_reset_is_for_causal_extractors_and_above_zero():
    check_reset(CAUSAL, 10.0)
    with pytest.raises(UsageError, match="has no state"):
        check_reset(EXTRACTORS["demo"].spec, 10.0)
    with pytest.raises(UsageError, match="above 0"):
        check_reset(CAUSAL, 0.0)


def test_videos_that_share_a_network_keep_their_own_state():
    shared = SharedExtractor(ToyCausal(SPEC), 8)
    try:
        one, two = shared.start_run(), shared.start_run()
        frames = torch.ones(2, 3, 2, 2)
        frames[:, 1] = 0
        one.encode(frames)
        assert two.encode(frames)[:, 1].tolist() == [1.0, 2.0]
        assert one.encode(frames)[:, 1].tolist() == [3.0, 4.0]
    finally:
        shared.close()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "modelA0_stream_statedict_v3"
    torch.save(draw_weights("movinet-a0-stream")[0], path)
    return path


@pytest.fixture
def extract(cltdr, weights, sample_video, tmp_path):
    def run(*more, out="features"):
        folder = tmp_path / out
        words = ["extract-features", sample_video, "--extractor", "movinet-a0-stream", "--weights", weights]
        done = cltdr(*words, "--device", "cpu", "--out", folder, *more)
        path = folder / "drawn.npy"
        facts = json.loads(path.with_suffix(".json").read_text()) if path.is_file() else {}
        return done, np.load(path) if facts else None, facts

    return run


def test_a_video_gives_one_feature_per_frame_at_five_a_second(extract):
    done, features, facts = extract()
    assert done.code == 0, done.err
    assert features.shape == (15, 480)  # three seconds
    assert (facts["fps"], facts["stride"], facts["window"], facts["causal"]) == (5.0, 1, 1, True)
    assert facts["reset_seconds"] is None
    assert facts["layer"] == "mean of conv7 over all frames so far"
    assert facts["transform"].startswith("pooled: short side 192 bilinear, centre crop 172x172")


def test_batch_size_and_stride_change_no_value(extract):
    _, whole, _ = extract()
    _, single, _ = extract("--batch-size", 1, out="single")
    _, third, facts = extract("--stride", 3, out="third")
    np.testing.assert_allclose(single, whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(third, whole[::3], rtol=1e-5, atol=1e-6)
    assert (facts["stride"], facts["window"]) == (3, 1)


def test_finished_files_match_only_the_same_layer_and_reset(extract):
    extract()
    assert "1 already there" in extract()[0].err
    done, frames, facts = extract("--option", "frame")
    assert "again: transform is pooled" in done.err
    assert facts["layer"] == "mean of conv7 over the frame"
    done, again, facts = extract("--option", "frame", "--reset-seconds", 1)
    assert "again: reset_seconds is None, and 1.0 is wanted" in done.err
    assert facts["reset_seconds"] == 1.0
    np.testing.assert_allclose(again[:5], frames[:5], rtol=1e-5, atol=1e-6)
    assert np.abs(again[5:] - frames[5:]).max() > 1e-4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--window", "16"], "windows of exactly 1 frames"),
        (["--compile"], "neither compiled nor in int8"),
        (["--reset-seconds", "-1"], "above 0"),
        (["--dense"], "dense"),
    ],
)
def test_what_does_not_go_with_a_stream_is_a_usage_error(extract, words, said):
    done, _, _ = extract(*words)
    assert done.code == 2
    assert said in done.err


def test_several_videos_at_once_equal_one_by_one(extract, sample_video, cltdr, weights, tmp_path):
    _, alone, _ = extract()
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").write_bytes(sample_video.read_bytes())
    words = ["extract-features", tmp_path / "a.mp4", tmp_path / "b.mp4", "--extractor", "movinet-a0-stream"]
    done = cltdr(*words, "--weights", weights, "--at-once", 2, "--device", "cpu", "--out", tmp_path / "two")
    assert done.code == 0, done.err
    for name in ("a", "b"):
        np.testing.assert_allclose(np.load(tmp_path / "two" / f"{name}.npy"), alone, rtol=1e-5, atol=1e-6)


def test_a_preset_takes_features_of_its_own_layer_only(cltdr, extract, weights, tmp_path):
    words = ["--preset", "kinetics600-movinet-a0", "--extractor-weights", f"movinet-a0-stream={weights}"]
    extract()
    done = cltdr("detect", tmp_path / "features" / "drawn.npy", *words)
    assert done.code == 1
    assert "was made with option pooled" in done.err
    assert "the model needs option frame" in done.err
    extract("--option", "frame", out="frames")
    done = cltdr("detect", tmp_path / "frames" / "drawn.npy", *words, "--out", tmp_path / "found.json")
    assert done.code == 0, done.err
    extract("--option", "frame", "--reset-seconds", 1, out="resets")
    done = cltdr("detect", tmp_path / "resets" / "drawn.npy", *words)
    assert done.code == 1
    assert "was made with reset_seconds 1.0" in done.err
