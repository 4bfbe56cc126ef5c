"""I3D over whole runs: its steps are the windows', and chunks give each once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from golden.seeded import seeded_clip
from seeded_weights import GOLDEN, seeded_i3d

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.features.dense import check_dense_extraction, extract_dense
from cltdr_cli.video.frames import FrameBatch, FrameTiming
from extractors import EXTRACTORS, build
from extractors.dense import DenseEncoder, DenseI3D, _at_phases

CONTEXT_FREE = [lambda x: 2 * x[:, :, ::2] + 3 * x[:, :, 1::2]] * 2
"""Parts that halve time and look at nothing beyond a window."""


def last_part(samples):
    cells = samples[:, :, ::2] - samples[:, :, 1::2]
    return cells[:, :, :-1] + 5 * cells[:, :, 1:]


@pytest.mark.parametrize("frames", [16, 17, 18, 20, 21, 23, 24, 47, 64])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_without_context_dense_steps_equal_windows(frames, stride):
    run = torch.randint(-9, 9, (1, 3, frames)).double()
    windows = run.unfold(2, 16, stride)[0].movedim(1, 0)
    parts = [*CONTEXT_FREE, last_part]
    expected = torch.cat([_at_phases(parts, window[None], 8) for window in windows], dim=2)
    assert expected.shape[2] == (frames - 16) // stride + 1
    assert torch.equal(_at_phases(parts, run, stride), expected)


@lru_cache(maxsize=2)
def extractor_of(backend, modality="rgb"):
    return build(f"i3d-{modality}", seeded_i3d(f"piergiaj_{modality}"), backend=backend)


@pytest.mark.parametrize("frames", [16, 24])
def test_at_stride_8_a_run_is_the_published_network_on_a_long_clip(frames):
    expected = np.load(GOLDEN / "i3d_expected.npz")[f"piergiaj_rgb_T{frames}_features"]
    run = torch.from_numpy(seeded_clip(3, frames, 224, 224, seed=100 + frames)).transpose(0, 1)
    features = DenseEncoder(extractor_of("torch"), 8).encode_run(run).numpy()
    assert np.abs(features - expected.reshape(1024, -1).T).max() <= 1e-4 * np.abs(expected).max()


def test_between_the_steps_of_stride_8_lie_those_of_stride_4():
    run = torch.from_numpy(seeded_clip(3, 24, 224, 224, seed=7)).transpose(0, 1)
    extractor = extractor_of("torch")
    features = DenseEncoder(extractor, 4).encode_run(run)
    assert features.shape == (3, 1024)
    torch.testing.assert_close(features[::2], DenseEncoder(extractor, 8).encode_run(run), rtol=1e-4, atol=1e-5)
    middle = extractor.network.middle(extractor.network.early(run.transpose(0, 1)[None]))
    with torch.inference_mode():
        between = extractor.network.late(middle[:, :, 1:5])[0, :, 0]
    torch.testing.assert_close(features[1], between, rtol=1e-4, atol=1e-5)


def test_openvino_runs_it_as_pytorch_does():
    pytest.importorskip("openvino", reason="needs the extra: openvino")
    run = torch.from_numpy(seeded_clip(3, 21, 224, 224, seed=3)).transpose(0, 1)
    expected = DenseEncoder(extractor_of("torch"), 4).encode_run(run)
    features = DenseEncoder(extractor_of("openvino"), 4).encode_run(run)
    assert features.shape == expected.shape == (2, 1024)
    assert (features - expected).abs().max() <= 1e-3 * expected.abs().max()


def test_two_streams_stand_side_by_side():
    network = build("i3d", [seeded_i3d("piergiaj_rgb"), seeded_i3d("piergiaj_flow")]).network
    run = torch.randn(1, 16, 5, 224, 224)
    with torch.inference_mode():
        features = DenseI3D(network, 4)(run)
        expected = network(run)
    torch.testing.assert_close(features[:, 0], expected, rtol=1e-4, atol=1e-5)


class ToyEncoder:
    """A step is the number of its first frame, and how many frames of context its run had on either side."""

    def __init__(self, stride, chunk_frames):
        self.spec, self.stride_frames, self.chunk_frames = EXTRACTORS["i3d-rgb"].spec, stride, chunk_frames
        self.fine_stride_frames, self.longest, self.computed = min(stride, 8), 0, 0

    def prepare(self, frames):
        return frames[:, 0, 0, :1].float() + 256 * frames[:, 0, 0, 1:2].float()

    def encode_run(self, frames):
        self.longest, self.computed = max(self.longest, len(frames)), self.computed + len(frames)
        starts = torch.arange(0, len(frames) - 15, self.fine_stride_frames)
        return torch.stack([frames[starts, 0], starts, len(frames) - 16 - starts], dim=1)


class ToyStream:
    def __init__(self, count, batch):
        self.count, self.batch = count, batch

    def __iter__(self):
        for start in range(0, self.count, self.batch):
            numbers = np.arange(start, min(start + self.batch, self.count))
            frames = np.zeros((len(numbers), 2, 2, 3), np.uint8)
            frames[:, 0, 0, 0], frames[:, 0, 0, 1] = numbers % 256, numbers // 256
            yield FrameBatch(frames, numbers / 25.0)

    @property
    def timing(self):
        return FrameTiming(25.0, self.count, 0.0, self.count / 25.0)


@pytest.mark.parametrize("frames", [16, 19, 63, 64, 65, 100, 200, 203, 301])
@pytest.mark.parametrize("stride", [1, 2, 4, 8, 16, 24])
@pytest.mark.parametrize("batch", [7, 400])
def test_chunks_give_every_step_once_with_context_on_both_sides(frames, stride, batch):
    encoder = ToyEncoder(stride, 64)
    features, timing = extract_dense(ToyStream(frames, batch), encoder)
    first, before, after = features.T
    np.testing.assert_array_equal(first, np.arange(0, frames - 15, stride))
    assert timing.frame_count == frames
    assert encoder.longest <= 64
    inside = (first >= 8) & (first + 24 <= frames)
    assert (before[inside] >= 8).all()
    assert (after[inside] >= 8 - (encoder.fine_stride_frames - 1)).all()


def test_chunks_do_not_depend_on_the_batches_and_cost_little():
    encoders = [ToyEncoder(4, 128) for _ in range(3)]
    results = [extract_dense(ToyStream(5000, batch), e)[0] for e, batch in zip(encoders, (3, 32, 5000), strict=True)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    assert encoders[0].computed <= 1.3 * 5000


def test_progress_counts_frames():
    seen = []
    extract_dense(ToyStream(50, 20), ToyEncoder(4, 64), on_progress=seen.append)
    assert seen == [20, 40, 50]


def test_a_video_shorter_than_a_window_is_named():
    with pytest.raises(VideoError, match="The video has 15 frames, and one step of i3d-rgb looks at 16"):
        extract_dense(ToyStream(15, 7), ToyEncoder(4, 64))


@pytest.mark.parametrize(
    ("name", "stride", "window", "words"),
    [
        ("videomae-base", 4, 16, "videomae-base has no dense form"),
        ("i3d-rgb", 3, 16, "takes strides 1, 2, 4, 8 and multiples of 8, not 3"),
        ("i3d-rgb", 12, 16, "not 12"),
        ("i3d-rgb", 4, 24, "windows of 16 frames, not 24"),
    ],
)
def test_what_has_no_dense_form_is_refused(name, stride, window, words):
    with pytest.raises(UsageError, match=words):
        check_dense_extraction(EXTRACTORS[name].spec, stride_frames=stride, window_frames=window)


def test_the_record_says_that_features_are_dense():
    layer = DenseEncoder(extractor_of("torch"), 4).spec.layer
    assert layer == "dense, chunks of 128 frames: average pool 2x7x7 before the logits"
    with pytest.raises(ValueError, match="a multiple of 8 frames, at least 64, not 60"):
        DenseEncoder(extractor_of("torch"), 4, chunk_frames=60)
