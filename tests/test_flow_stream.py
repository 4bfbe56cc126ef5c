"""Streams of flow: every pair once, in order, whatever the batches; and two-stream features end to end."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from seeded_weights import seeded_i3d

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.features.extract import extract_features
from cltdr_cli.features.flow_stream import FlowFrames, add_flow, check_flow
from cltdr_cli.pipeline import VideoOptions, extract_video
from cltdr_cli.video import open_video
from cltdr_cli.video.frame_stream import FrameStream
from cltdr_cli.video.frames import FrameBatch, FrameTiming
from extractors import EXTRACTORS, build
from extractors.preprocess import prepare_frames, warp_frames

TWO_STREAMS = EXTRACTORS["i3d"].spec
AS_IS = {name: replace(EXTRACTORS[name].spec, resize=None, crop=None) for name in ("i3d", "i3d-flow")}
RATE = 25.0


class Numbered:
    """Frames of 2 x 3 whose pixels are their number, in batches of the given sizes."""

    def __init__(self, *sizes, fails=None):
        self.sizes, self.fails, self.count = sizes, fails, sum(sizes)

    def __iter__(self):
        done = 0
        for size in self.sizes:
            numbers = np.arange(done, done + size)
            yield FrameBatch(np.tile(numbers[:, None, None, None], (1, 2, 3, 3)).astype(np.uint8), numbers / RATE)
            done += size
        if self.fails is not None:
            raise self.fails

    @property
    def timing(self):
        return FrameTiming(RATE, self.count, 0.0, self.count / RATE)


class CountingFlow:
    """The flow of two frames is their numbers; remembers which pairs were asked for."""

    name = "counting"

    def __init__(self):
        self.pairs = []

    def describe(self):
        return "counted"

    def fields(self, frames):
        firsts = frames[:, 0, 0, 0].tolist()
        self.pairs += list(pairwise(firsts))
        return np.stack([frames[:-1, ..., 0], frames[1:, ..., 0]], axis=-1)


class ShiftFlow:
    """A cheap stand-in for flow on real frames: differs for every pair, and depends on both frames."""

    name = "shift"

    def describe(self):
        return "shifted"

    def fields(self, frames):
        return np.stack([frames[:-1, ..., 0] ^ frames[1:, ..., 1], frames[1:, ..., 2]], axis=-1)


BATCHES = [(9,), (1,) * 9, (4, 5), (1, 8), (8, 1), (3, 1, 1, 4)]


@pytest.mark.parametrize("sizes", BATCHES)
@pytest.mark.parametrize("name", ["i3d", "i3d-flow"])
def test_every_pair_once_and_in_order_whatever_the_batches(sizes, name):
    engine = CountingFlow()
    batches = list(FlowFrames(Numbered(*sizes), AS_IS[name], engine))
    assert engine.pairs == [(i, i + 1) for i in range(8)]
    frames = np.concatenate([batch.frames for batch in batches])
    pairs = np.array(engine.pairs)
    assert frames.dtype == np.uint8
    assert (frames[..., -2:] == pairs[:, None, None]).all()
    if name == "i3d":
        assert frames.shape == (8, 2, 3, 5)
        assert (frames[..., :3] == np.arange(8)[:, None, None, None]).all()
    else:
        assert frames.shape == (8, 2, 3, 2)
    np.testing.assert_array_equal(np.concatenate([batch.pts_seconds for batch in batches]), np.arange(8) / RATE)


def test_flow_is_computed_while_frames_come():
    stream = FlowFrames(Numbered(4, 4, fails=VideoError("broken")), AS_IS["i3d"], CountingFlow())
    seen = []
    with pytest.raises(VideoError, match="broken"):
        seen.extend(len(batch) for batch in stream)
    assert seen == [3, 4]


def test_the_timing_is_that_of_the_frames():
    stream = FlowFrames(Numbered(5), AS_IS["i3d"], CountingFlow())
    list(stream)
    assert stream.timing.frame_count == 5
    assert stream.timing.duration_seconds == 5 / RATE


@pytest.mark.parametrize(("sizes", "count"), [((1,), "one"), ((), "0")])
def test_fewer_than_two_frames(sizes, count):
    with pytest.raises(VideoError, match=f"has {count} frame, and optical flow is the motion between two") as caught:
        list(FlowFrames(Numbered(*sizes), AS_IS["i3d"], CountingFlow()))
    assert "longer" in caught.value.hint


def test_only_extractors_that_look_at_flow_get_it():
    stream = Numbered(3)
    assert add_flow(stream, EXTRACTORS["i3d-rgb"].spec, CountingFlow()) is stream
    assert add_flow(stream, EXTRACTORS["demo"].spec, None) is stream
    assert isinstance(add_flow(stream, TWO_STREAMS, CountingFlow()), FlowFrames)
    with pytest.raises(UsageError, match="i3d-flow needs optical flow") as caught:
        check_flow(EXTRACTORS["i3d-flow"].spec, None)
    assert "flow= tvl1" in caught.value.hint


@pytest.mark.parametrize("option", [None, "resize"])
@pytest.mark.parametrize("size", [(60, 80), (256, 340), (480, 854), (720, 1280)])
def test_frames_are_warped_as_the_extractor_would_and_then_left_alone(size, option):
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8))
    spec = EXTRACTORS["i3d-rgb"].with_option(option)
    warped = warp_frames(frames, spec)
    assert warped.shape == (2, 256, 340, 3)
    assert warped.dtype == torch.uint8
    cpu = torch.device("cpu")
    assert torch.equal(prepare_frames(warped, spec, cpu), prepare_frames(frames, spec, cpu))


# whole networks on a drawn video


@pytest.fixture(scope="module")
def streams():
    rgb, flow = seeded_i3d("piergiaj_rgb"), seeded_i3d("piergiaj_flow")
    return {
        "i3d": build("i3d", (rgb, flow)),
        "i3d-rgb": build("i3d-rgb", rgb),
        "i3d-flow": build("i3d-flow", flow),
    }


class Cut:
    """A stream without its last frame."""

    def __init__(self, stream):
        self.stream, self.timing = stream, None

    def __iter__(self):
        batches = list(self.stream)
        self.timing = self.stream.timing
        last = batches.pop()
        yield from batches
        if len(last) > 1:
            yield FrameBatch(last.frames[:-1], last.pts_seconds[:-1])


def test_two_streams_are_each_stream_on_the_same_frames(streams, sample_video):
    """17 frames and windows of 9, 4 apart: RGB alone would have three steps, 16 flow fields have two."""
    options = VideoOptions(end_seconds=16.5 / RATE, fps=RATE, stride_frames=4, window_frames=9)
    both = extract_video(sample_video, streams["i3d"], options, flow=ShiftFlow())
    flow = extract_video(sample_video, streams["i3d-flow"], options, flow=ShiftFlow())
    assert both.timing.frame_count == 17
    assert both.sequence.features.shape == (2, 2048)
    assert flow.sequence.features.shape == (2, 1024)
    reader = open_video(sample_video, "auto")
    try:
        rgb, _ = extract_features(
            Cut(FrameStream(reader, fps=RATE, end_seconds=16.5 / RATE)),
            streams["i3d-rgb"],
            stride_frames=4,
            window_frames=9,
        )
    finally:
        reader.close()
    assert rgb.shape == (2, 1024)
    assert rgb.std() > 1e-3
    np.testing.assert_allclose(both.sequence.features[:, :1024], rgb, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(both.sequence.features[:, 1024:], flow.sequence.features, rtol=1e-4, atol=1e-5)
    assert both.sequence.grid == flow.sequence.grid


def test_without_an_engine_nothing_is_read(streams, tmp_path):
    with pytest.raises(UsageError, match="The extractor i3d needs optical flow"):
        extract_video(tmp_path / "gone.mp4", streams["i3d"], VideoOptions())


def test_tvl1_on_a_real_video(shared):
    """A few frames only: a pair takes a core the better part of a second."""
    pytest.importorskip("cv2", reason="needs the extra: flow")
    from extractors.flow import Tvl1Flow

    reader = open_video(shared / "data" / "videos" / "v_ApplyEyeMakeup_g01_c01.avi", "auto")
    try:
        stream = FrameStream(reader, batch_frames=4)
        [batch] = islice(FlowFrames(stream, EXTRACTORS["i3d-flow"].spec, Tvl1Flow()), 1)
    finally:
        reader.close()
    assert batch.frames.shape == (3, 256, 340, 2)
    displacement = batch.frames * (40 / 255) - 20
    assert 0.01 < np.abs(displacement).mean() < 3  # a hand moves before a still face
    assert np.median(np.abs(displacement)) < 0.5
