"""Optical flow engines: bytes as published, TV-L1 on a known motion, RAFT against torchvision itself."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import torch

from cltdr_cli.errors import UsageError, WeightsError
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.flow import FLOWS, load_flow
from extractors import flow as flow_room
from extractors.flow import RaftFlow, Tvl1Flow, quantise_field

SIDE = (96, 128)


def texture(shape, seed=0):
    """Smooth noise, RGB bytes ``[H, W, 3]``: something to hold on to at every pixel."""
    rng = np.random.default_rng(seed)
    noise = torch.from_numpy(rng.normal(size=(1, 3, shape[0] // 6 + 2, shape[1] // 6 + 2)))
    smooth = torch.nn.functional.interpolate(noise, size=shape, mode="bicubic", align_corners=True)[0]
    return ((smooth * 50 + 128).clamp(0, 255)).byte().permute(1, 2, 0).numpy()


def moving(count, right, down, size=SIDE, margin=40):
    """Frames through which the texture moves by so many pixels each."""
    still = texture((size[0] + 2 * margin, size[1] + 2 * margin))
    starts = [(margin - i * down, margin - i * right) for i in range(count)]
    return np.stack([still[top : top + size[0], left : left + size[1]] for top, left in starts])


# bytes


def test_quantisation_is_the_published_one():
    pixels = np.array([-1e9, -20.001, -20, -19.9, -3, 0, 1 / 12.75, 0.1, 3, 19.99, 20, 25])
    expected = [0, 0, 0, 1, 108, 128, 128, 128, 147, 255, 255, 255]
    assert quantise_field(pixels).tolist() == expected
    assert quantise_field(pixels.astype(np.float32)).dtype == np.uint8


def test_every_byte_comes_back_from_its_displacement():
    codes = np.arange(256)
    assert (quantise_field(codes * 40 / 255 - 20) == codes).all()
    fine = np.linspace(-21, 21, 4001)
    error = quantise_field(fine).astype(float) * 40 / 255 - 20 - fine.clip(-20, 20)
    assert np.abs(error).max() <= 20 / 255 + 1e-12


# TV-L1


@pytest.fixture(scope="module")
def tvl1():
    pytest.importorskip("cv2", reason="needs the extra: flow")
    return Tvl1Flow(threads=2)


@pytest.mark.parametrize(("right", "down"), [(3, -1), (-2, 4)])
def test_tvl1_finds_a_translation(tvl1, right, down):
    fields = tvl1.fields(moving(3, right, down))
    assert fields.shape == (2, *SIDE, 2)
    assert fields.dtype == np.uint8
    inner = fields[:, 16:-16, 16:-16].reshape(-1, 2)
    assert np.median(inner, axis=0).tolist() == quantise_field(np.array([right, down], float)).tolist()
    displacement = inner * (40 / 255) - 20
    assert np.abs(displacement - [right, down]).max() < 0.2 + 20 / 255


def test_tvl1_agrees_with_opencv_pair_by_pair(tvl1):
    import cv2

    frames = np.stack([*moving(4, 2, 1, (40, 56)), texture((40, 56), 9)])
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    solver = cv2.optflow.DualTVL1OpticalFlow_create()
    expected = [quantise_field(solver.calc(a, b, None)) for a, b in pairwise(grey)]
    np.testing.assert_array_equal(tvl1.fields(frames), expected)


def test_tvl1_leaves_opencv_as_it_was(tvl1):
    import cv2

    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        tvl1.fields(moving(3, 1, 1, (16, 16)))
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


def test_tvl1_says_what_it_is(tvl1):
    import cv2

    assert cv2.__version__ in tvl1.describe()
    assert "tau 0.25, lambda 0.15, theta 0.3, scales 5, warps 5" in tvl1.describe()
    assert "20 px, 8 bit" in tvl1.describe()


@pytest.mark.parametrize("size", [(1, 1), (7, 3)])
def test_tiny_frames(tvl1, size):
    frames = moving(3, 0, 0, size)
    assert (tvl1.fields(frames) == 128).all()
    # OpenCV's solver remembers for good that small frames have room for fewer scales
    inner = tvl1.fields(moving(2, 5, -6))[0, 16:-16, 16:-16].reshape(-1, 2)
    assert np.median(inner, axis=0).tolist() == quantise_field(np.array([5.0, -6.0])).tolist()
    assert tvl1.fields(frames[:1]).shape == (0, *size, 2)


@pytest.mark.parametrize("missing", ["cv2", "optflow"])
def test_without_opencv_the_extra_is_named(monkeypatch, missing):
    if missing == "cv2":
        monkeypatch.setitem(sys.modules, "cv2", None)
    else:
        cv2 = pytest.importorskip("cv2", reason="needs the extra: flow")
        monkeypatch.setattr(cv2, "optflow", None)
    with pytest.raises(UsageError, match="contributed modules") as caught:
        load_flow("tvl1", ModelSources())
    assert "cltdr-cli[flow]" in caught.value.hint


# RAFT


@pytest.fixture(scope="module")
def raft_network():
    from torchvision.models.optical_flow import raft_large

    torch.manual_seed(0)
    return raft_large(weights=None, progress=False).eval()


def direct(network, first, second):
    """torchvision's own call for one pair of frames, padded by numpy."""
    rows, columns = (max(128, -(-length // 8) * 8) - length for length in first.shape[:2])
    top, left = rows // 2, columns // 2
    sides = ((top, rows - top), (left, columns - left), (0, 0))
    images = [torch.from_numpy(np.pad(frame, sides, mode="edge")).permute(2, 0, 1)[None] for frame in (first, second)]
    with torch.no_grad():
        field = network(*(image.float() / 127.5 - 1 for image in images), num_flow_updates=12)[-1][0]
    return field[:, top : top + first.shape[0], left : left + first.shape[1]].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", [(128, 136), (131, 140), (50, 61)])
def test_raft_is_torchvisions(raft_network, size):
    frames = moving(2, 3, 1, size)
    expected = direct(raft_network, *frames)
    assert expected.std() > 0.1
    [field] = RaftFlow(raft_network.state_dict()).fields(frames)
    assert field.shape == (*size, 2)
    displacement = field * (40 / 255) - 20
    assert np.abs(displacement - expected.clip(-20, 20)).max() < 20 / 255 + 1e-3


def test_a_batch_of_pairs_is_its_members(raft_network):
    frames = np.stack([*moving(3, 4, -2, (40, 56)), texture((40, 56), 5)])
    together = RaftFlow(raft_network.state_dict(), batch_pairs=2).fields(frames).astype(int)
    alone = RaftFlow(raft_network.state_dict(), batch_pairs=1).fields(frames).astype(int)
    assert together.shape == (3, 40, 56, 2)
    assert np.abs(together - alone).max() <= 1  # sums in another order may round the other way
    assert (together != alone).mean() < 0.01
    assert not np.array_equal(together[0], together[2])


def test_raft_encodes_a_frame_once(raft_network):
    engine = RaftFlow(raft_network.state_dict())
    encoded = []
    engine._network.feature_encoder.encoder.register_forward_hook(lambda _, given, __: encoded.append(len(given[0])))
    engine.fields(moving(4, 1, 1, (32, 32)))
    assert encoded == [4]


def test_raft_serves_several_threads(raft_network):
    """torchvision's network keeps the correlations of a pair in itself."""
    engine = RaftFlow(raft_network.state_dict())
    clips = [moving(2, 3, 1, (40, 56)), moving(3, -2, 4, (140, 56))]
    alone = [engine.fields(clip) for clip in clips]
    with ThreadPoolExecutor(2) as pool:
        for found, expected in zip(pool.map(engine.fields, clips), alone, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_frames_too_large_for_raft_are_refused_before_any_work(raft_network, monkeypatch):
    engine = RaftFlow(raft_network.state_dict())
    with pytest.raises(ValueError, match="RAFT needs 20 GiB for a pair of 2560x1600"):
        engine.fields(np.broadcast_to(np.uint8(0), (2, 1600, 2560, 3)))
    assert engine._pairs_at_once(256, 340) == 16
    monkeypatch.setattr(flow_room, "CORRELATION_BYTES", 50 << 20)
    assert engine._pairs_at_once(256, 340) == 5  # 1376² cells, float32, and a third more for coarser levels


@pytest.mark.parametrize("frames", [np.zeros((2, 8, 8, 2), np.uint8), np.zeros((2, 8, 8, 3), np.float32)])
def test_other_frames_are_refused(raft_network, frames):
    for engine in (RaftFlow(raft_network.state_dict()), *([Tvl1Flow()] if "cv2" in sys.modules else [])):
        with pytest.raises(ValueError, match=r"flow takes RGB frames \[N, H, W, 3\] of bytes"):
            engine.fields(frames)


def test_raft_by_name_reads_verified_weights(raft_network, tmp_path):
    path = tmp_path / "raft.pth"
    torch.save(raft_network.state_dict(), path)
    engine = load_flow("raft", ModelSources(files={"raft-large": path}))
    assert engine.name == "raft"
    assert "raft.pth sha256" in engine.describe()
    torch.save({"a": torch.ones(2)}, path)
    with pytest.raises(WeightsError, match=r"raft\.pth does not fit RAFT.*missing keys"):
        load_flow("raft", ModelSources(files={"raft-large": path}))
    fetched = []
    with pytest.raises(WeightsError):
        load_flow("raft", ModelSources(fetch=lambda name: fetched.append(name) or path))
    assert fetched == ["raft-large"]


def test_an_unknown_engine():
    with pytest.raises(UsageError, match="no optical flow 'pwc'") as caught:
        load_flow("pwc", ModelSources())
    assert all(name in caught.value.hint for name in FLOWS)
