"""I3D against the outputs of the published ports, and its parts against their plain definitions."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from golden.seeded import seeded_clip
from seeded_weights import GOLDEN, seeded_i3d
from torch.nn import functional

from extractors import EXTRACTORS, build
from extractors.i3d import SameConv3d, build_i3d, choose_same_padding, load_stream, pool_max_same, take_neighbour_max
from extractors.state_dict import StateDictError

TOLERANCE = 1e-4
CASES = [
    ("piergiaj", "rgb", 16),
    ("piergiaj", "rgb", 24),
    ("piergiaj", "rgb", 64),
    ("hassony2", "rgb", 16),
    ("hassony2", "rgb", 64),
    ("piergiaj", "flow", 16),
    ("hassony2", "flow", 16),
]


@lru_cache(maxsize=1)
def extractor_of(port, modality):
    return build(f"i3d-{modality}", seeded_i3d(f"{port}_{modality}"))


def relative_error(ours, published):
    return np.abs(ours - published).max() / np.abs(published).max()


@pytest.mark.parametrize(("port", "modality", "frames"), CASES)
def test_features_and_logits_are_those_of_the_published_port(port, modality, frames):
    extractor = extractor_of(port, modality)
    expected = np.load(GOLDEN / "i3d_expected.npz")
    features, logits = (expected[f"{port}_{modality}_T{frames}_{part}"] for part in ("features", "logits"))
    clip = torch.from_numpy(seeded_clip(extractor.spec.channels, frames, 224, 224, seed=100 + frames))[None]
    with torch.inference_mode():
        pooled = extractor.network.pooled(clip.contiguous(memory_format=torch.channels_last_3d))
        scores = extractor.class_head()(pooled.transpose(1, 2)).transpose(1, 2)
    if port == "hassony2":
        pooled, scores = pooled.mean(-1), scores.mean(-1)
        assert relative_error(extractor.encode(clip.transpose(1, 2)).numpy(), features) <= TOLERANCE
    else:
        pooled, scores = pooled[0], scores[0]
    assert pooled.shape == features.shape
    assert relative_error(pooled.numpy(), features) <= TOLERANCE
    assert relative_error(scores.numpy(), logits) <= TOLERANCE


def test_the_golden_file_holds_no_case_that_is_not_tested():
    tested = {f"{port}_{modality}_T{frames}" for port, modality, frames in CASES}
    assert {key.rsplit("_", 1)[0] for key in np.load(GOLDEN / "i3d_expected.npz")} == tested


@pytest.mark.parametrize("size", [(4, 6, 8), (5, 7, 9), (1, 2, 3), (8, 15, 16)])
@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))])
def test_pools_equal_explicit_zero_padding(size, kernel, stride):
    pixels = torch.rand((2, 3, *size))
    padded = functional.pad(pixels, choose_same_padding(size, kernel, stride))
    expected = functional.max_pool3d(padded, kernel, stride)
    assert expected.shape[2:] == tuple(-(-length // step) for length, step in zip(size, stride, strict=True))
    assert torch.equal(pool_max_same(pixels, kernel, stride), expected)


@pytest.mark.parametrize("size", [(4, 6, 8), (1, 7, 1), (2, 2, 2)])
def test_neighbour_max_is_the_pool_at_stride_one(size):
    pixels = torch.rand((2, 3, *size))
    before = pixels.clone()
    assert torch.equal(take_neighbour_max(pixels), functional.max_pool3d(pixels, 3, 1, 1))
    assert torch.equal(pixels, before)


@pytest.mark.parametrize(
    ("kernel", "stride", "size"), [(7, 2, (6, 8, 10)), (7, 2, (5, 9, 11)), (3, 1, (2, 5, 4)), (1, 1, (3, 3, 3))]
)
def test_convolutions_pad_as_tensorflow_does(kernel, stride, size):
    torch.manual_seed(0)
    convolution = SameConv3d(2, 3, kernel, stride)
    pixels = torch.randn((1, 2, *size))
    padding = []
    for length in reversed(size):
        total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        padding += [total // 2, total - total // 2]
    plain = functional.conv3d(functional.pad(pixels, padding), convolution.weight, convolution.bias, stride)
    with torch.inference_mode():
        torch.testing.assert_close(convolution(pixels), functional.relu(plain), rtol=1e-5, atol=1e-5)


def test_keys_that_are_missing_or_left_over_are_listed():
    weights = seeded_i3d("piergiaj_rgb")
    weights["Mixed_9z.extra"] = weights.pop("Mixed_4c.b1a.bn.running_var")
    with pytest.raises(StateDictError) as caught:
        load_stream(weights, 3)
    assert "missing keys: Mixed_4c.b1a.bn.running_var" in str(caught.value)
    assert "left-over keys: Mixed_9z.extra" in str(caught.value)


def test_flow_weights_are_refused_for_rgb_with_the_shape():
    with pytest.raises(StateDictError, match=r"Conv3d_1a_7x7.conv3d.weight is \[64, 2, 7, 7, 7\]"):
        load_stream(seeded_i3d("piergiaj_flow"), 3)


def test_weights_of_something_else_are_named():
    with pytest.raises(StateDictError, match=r"neither published I3D port; their keys are conv1\.weight"):
        load_stream({"conv1.weight": torch.ones(2, 2)}, 3)


def test_old_files_without_batch_counters_load():
    weights = {key: value for key, value in seeded_i3d("hassony2_flow").items() if "num_batches" not in key}
    network, head = load_stream(weights, 2)
    assert head.out_features == 400
    assert sum(part.numel() for part in network.parameters()) == EXTRACTORS["i3d-flow"].spec.parameters


def test_parameter_counts_of_the_catalogue():
    shapes = {name: {k: v.to("meta") for k, v in seeded_i3d(f"piergiaj_{name}").items()} for name in ("rgb", "flow")}
    for name, streams in (("i3d-rgb", ["rgb"]), ("i3d", ["rgb", "flow"])):
        network, _ = build_i3d(EXTRACTORS[name].spec, [shapes[stream] for stream in streams])
        assert sum(part.numel() for part in network.parameters()) == EXTRACTORS[name].spec.parameters
