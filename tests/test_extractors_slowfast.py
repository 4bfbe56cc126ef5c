"""SlowFast against the outputs of pytorchvideo's network, in both published layouts of weights."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from golden.seeded import seeded_clip
from seeded_weights import GOLDEN, seeded_slowfast
from torch.nn import functional

from extractors import EXTRACTORS, build
from extractors.preprocess import prepare_frames
from extractors.slowfast import DEPTHS, SlowFast, pick_slow_frames
from extractors.slowfast_weights import build_slowfast, list_official_names, load_slowfast
from extractors.state_dict import StateDictError

SHALLOW = (1, 1, 1, 2)
EPIC = EXTRACTORS["slowfast-r50-epic100"]

PYSLOWFAST = {
    "s1.pathway0_stem.conv.weight": (64, 3, 1, 7, 7),
    "s1.pathway1_stem.bn.running_mean": (8,),
    "s1_fuse.conv_f2s.weight": (16, 8, 7, 1, 1),
    "s1_fuse.bn.weight": (16,),
    "s2.pathway0_res0.branch1.weight": (256, 80, 1, 1, 1),
    "s2.pathway0_res0.branch1_bn.bias": (256,),
    "s2.pathway1_res0.branch2.a.weight": (8, 8, 3, 1, 1),
    "s2.pathway1_res2.branch2.c_bn.running_var": (32,),
    "s3.pathway0_res3.branch2.b.weight": (128, 128, 1, 3, 3),
    "s4_fuse.conv_f2s.weight": (256, 128, 7, 1, 1),
    "s4.pathway0_res5.branch2.a.weight": (256, 1024, 3, 1, 1),
    "s5.pathway0_res0.branch2.a_bn.weight": (512,),
    "s5.pathway1_res2.branch2.c.weight": (256, 64, 1, 1, 1),
    "head.projection.weight": (400, 2304),
}
"""Keys of the published Kinetics and EPIC files, one of each kind."""


@lru_cache(maxsize=2)
def loaded(layout):
    return load_slowfast({"model_state": seeded_slowfast(layout)})


def relative_error(ours, published):
    return np.abs(ours - published).max() / np.abs(published).max()


def golden_clip(frames, side, seed):
    return torch.from_numpy(seeded_clip(3, frames, side, side, seed)).transpose(0, 1)[None]


@pytest.mark.parametrize("layout", ["pytorchvideo", "pyslowfast"])
@pytest.mark.parametrize("frames", [32, 64])
def test_features_are_those_of_pytorchvideo(layout, frames):
    network, _ = loaded(layout)
    with torch.inference_mode():
        features = network(golden_clip(frames, 64, 100 + frames))[0].numpy()
    assert relative_error(features, np.load(GOLDEN / "slowfast_expected.npz")[f"features_T{frames}_64"]) <= 1e-4


@pytest.mark.slow
def test_logits_of_the_whole_network_are_those_of_pytorchvideo():
    """At 224x224 the pools of pytorchvideo's head are the global average pool."""
    network, head = loaded("pytorchvideo")
    with torch.inference_mode():
        logits = head(network(golden_clip(32, 224, 324)))[0].numpy()
    assert relative_error(logits, np.load(GOLDEN / "slowfast_expected.npz")["logits_T32_224"]) <= 1e-4


def test_the_layouts_name_the_same_tensors():
    theirs, other = seeded_slowfast("pyslowfast"), seeded_slowfast("pytorchvideo")
    assert {key: tuple(theirs[key].shape) for key in PYSLOWFAST} == PYSLOWFAST
    assert len(theirs) == len(other) == 5 * 110 + 2
    names, others = list_official_names("pyslowfast"), list_official_names("pytorchvideo")
    for ours, pair in names.items():
        for mine, twin in zip(pair, others[ours], strict=True):
            assert torch.equal(theirs.pop(f"{mine}.weight"), other.pop(f"{twin}.weight"))
    assert {key.rpartition(".")[2] for key in theirs} == {"bias", "running_mean", "running_var", "weight"}
    assert [key for key in theirs if key.endswith(".weight")] == ["head.projection.weight"]


def test_the_slow_pathway_sees_the_published_frames():
    assert pick_slow_frames(32) == [0, 4, 8, 13, 17, 22, 26, 31]
    for count in range(8, 132, 4):
        assert pick_slow_frames(count) == torch.linspace(0, count - 1, count // 4).long().tolist()


def test_parameter_counts():
    with torch.device("meta"):
        network = SlowFast()
        weights = {key: torch.empty(value.shape) for key, value in seeded_slowfast("pyslowfast").items()}
    with_head = sum(part.numel() for part in network.parameters()) + 2305 * 400
    assert with_head == 34_566_488  # of pytorchvideo's create_slowfast()
    folded, head = build_slowfast(EPIC.spec, [weights])
    assert sum(part.numel() for part in folded.parameters()) == EPIC.spec.parameters
    assert head.out_features == 400
    assert sum(DEPTHS) == 16


def test_the_heads_of_verbs_and_nouns_are_left_out():
    weights = seeded_slowfast("pyslowfast", SHALLOW)
    weights["head.projection_verb.weight"] = weights.pop("head.projection.weight")[:97]
    weights["head.projection_verb.bias"] = weights.pop("head.projection.bias")[:97]
    weights |= {"head.projection_noun.weight": torch.ones(300, 2304), "head.projection_noun.bias": torch.ones(300)}
    network, head = load_slowfast({"epoch": 29, "model_state": weights, "cfg": "TRAIN: ..."}, SHALLOW)
    assert head is None
    with torch.inference_mode():
        assert network(torch.zeros(1, 32, 3, 32, 32)).shape == (1, 2304)


def test_keys_that_are_missing_or_left_over_and_other_networks_are_named():
    weights = seeded_slowfast("pyslowfast", SHALLOW)
    weights["s9.extra"] = weights.pop("s3_fuse.bn.running_var")
    with pytest.raises(StateDictError) as caught:
        load_slowfast(weights, SHALLOW)
    assert "SlowFast, pyslowfast layout" in str(caught.value)
    assert "missing keys: s3_fuse.bn.running_var" in str(caught.value)
    assert "left-over keys: s9.extra" in str(caught.value)
    with pytest.raises(StateDictError, match=r"neither SlowFast layout; their keys are conv1\.weight"):
        load_slowfast({"conv1.weight": torch.ones(2)})
    with pytest.raises(StateDictError, match=r"head.projection.weight is \[400, 2048\]"):
        load_slowfast(
            seeded_slowfast("pyslowfast", SHALLOW) | {"head.projection.weight": torch.ones(400, 2048)}, SHALLOW
        )
    with pytest.raises(StateDictError, match="one network, and 2"):
        build("slowfast-r50-k400", ({}, {}))


@pytest.mark.parametrize("size", [(256, 456), (300, 301), (480, 270)])
def test_frames_are_prepared_as_the_epic_model_saw_them(size):
    """Scale, short side to 256 without antialiasing, the middle 256x256, blue first."""
    frames = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    pixels = (frames.flip(-1).permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.225
    height, width = size
    to = (256, 256 * width // height) if height <= width else (256 * height // width, 256)
    pixels = functional.interpolate(pixels, size=to, mode="bilinear", align_corners=False)
    top, left = (-(-(length - 256) // 2) for length in to)
    expected = pixels[..., top : top + 256, left : left + 256]
    device = torch.device("cpu")
    prepared = prepare_frames(frames, EPIC.spec, device)
    torch.testing.assert_close(prepared, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(prepare_frames(frames, EPIC.with_option("rgb"), device), prepared.flip(1))
