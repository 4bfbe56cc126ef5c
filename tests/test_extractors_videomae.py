"""VideoMAE v2 against published outputs, VideoMAE against the library's own model, sizes against their names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.seeded import seeded_clip
from seeded_weights import GOLDEN, TINY, seeded_vit
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from extractors import EXTRACTORS
from extractors.state_dict import StateDictError
from extractors.videomae import SIZES, VitSize, build_videomae, load_videomae, make_sinusoid_table

GOLDEN_SIZE = VitSize(48, 3, 3, 192, image=64)
TRANSFORMERS = [name for name in EXTRACTORS if name.startswith("videomae")]


@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_features_and_logits_are_those_of_the_published_network(pool):
    weights = torch.load(GOLDEN / f"videomae_v2_{pool}pool.pth", weights_only=True)
    expected = np.load(GOLDEN / f"videomae_v2_{pool}pool_expected.npz")
    network, head = load_videomae(weights, GOLDEN_SIZE, "golden")
    clip = torch.from_numpy(seeded_clip(3, 16, 64, 64, int(expected["clip_seed"].item())))[None].transpose(1, 2)
    with torch.inference_mode():
        features = network(clip)
        logits = head(features)
    for ours, name in ((features, "features"), (logits, "logits")):
        error = np.abs(ours.numpy() - expected[name]).max() / np.abs(expected[name]).max()
        assert ours.shape == expected[name].shape
        assert error <= 1e-4


def own_model(**changes):
    torch.manual_seed(0)
    config = VideoMAEConfig(
        image_size=64, hidden_size=48, num_hidden_layers=3, num_attention_heads=3, intermediate_size=192, **changes
    )
    model = VideoMAEForVideoClassification(config).eval()
    with torch.no_grad():
        for name, part in model.named_parameters():
            if name.endswith("bias"):
                part.normal_(std=0.1)
    return model


@pytest.mark.parametrize("mean_pooling", [True, False])
@pytest.mark.parametrize("biases", ["published", "library"])
def test_weights_in_the_layout_of_transformers_give_its_logits(mean_pooling, biases):
    model = own_model(num_labels=7, use_mean_pooling=mean_pooling)
    weights = dict(model.state_dict())
    if biases == "published":  # files on the hub keep the names of version 4
        names = {"attention.attention.query.bias": "attention.attention.q_bias"}
        names["attention.attention.value.bias"] = "attention.attention.v_bias"
        for new, old in names.items():
            weights = {key.replace(new, old): value for key, value in weights.items()}
        assert any(key.endswith("q_bias") for key in weights)
    network, head = load_videomae(weights, GOLDEN_SIZE, "own")
    clips = torch.randn(2, 16, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(head(network(clips)), model(clips).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_weights_are_read_as_float32(kind):
    weights = {key: value.to(kind) for key, value in seeded_vit(TINY).items()}
    network, _ = load_videomae({"model": weights}, TINY, "half")
    assert {part.dtype for part in network.parameters()} == {torch.float32}


def test_weights_without_a_classifier_have_none():
    weights = {key: value for key, value in seeded_vit(TINY).items() if not key.startswith("head.")}
    _, head = load_videomae(weights, TINY, "headless")
    assert head is None


def test_a_learned_position_table_replaces_the_fixed_one():
    table = torch.randn(1, 8 * 14 * 14, TINY.width)
    network, _ = load_videomae({**seeded_vit(TINY), "pos_embed": table}, TINY, "learned")
    plain, _ = load_videomae(seeded_vit(TINY), TINY, "fixed")
    clip = torch.randn(1, 16, 3, 224, 224)
    with torch.inference_mode():
        assert (network(clip) - plain(clip)).abs().max() > 1e-3
    with pytest.raises(StateDictError, match="pos_embed is"):
        load_videomae({**seeded_vit(TINY), "pos_embed": table[:, 1:]}, TINY, "learned")


def test_position_table_is_the_published_one():
    table = make_sinusoid_table(12, 10)[0].double().numpy()
    for position in range(12):
        for channel in range(10):
            angle = position / 10000 ** (2 * (channel // 2) / 10)
            assert table[position, channel] == pytest.approx([np.sin, np.cos][channel % 2](angle), abs=1e-6)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_every_size_loads_and_has_the_weights_that_the_catalogue_counts(name):
    spec = EXTRACTORS[name].spec
    size = SIZES[name.rpartition("-")[2]]
    network, head = build_videomae(spec, [{"module": seeded_vit(size, device="meta", classes=400)}])
    assert size.width == spec.width == head.in_features
    assert sum(part.numel() for part in network.parameters()) == spec.parameters
    assert network.videomae.embeddings.position_embeddings.shape[1] == 8 * (224 // size.patch) ** 2


def test_another_size_is_named():
    weights = seeded_vit(SIZES["base"], device="meta")
    with pytest.raises(StateDictError, match=r"width 384, depth 12.*have width 768.*look like the base size"):
        build_videomae(EXTRACTORS["videomaev2-small"].spec, [weights])
    with pytest.raises(StateDictError, match=r"width 48, depth 2, MLP 96, patch 16$"):
        build_videomae(EXTRACTORS["videomaev2-small"].spec, [seeded_vit(TINY)])


def test_keys_that_are_missing_or_left_over_are_listed():
    weights = seeded_vit(TINY)
    weights["decoder.weight"] = weights.pop("blocks.1.mlp.fc2.bias")
    with pytest.raises(StateDictError, match=r"missing keys: .*layer\.1\.output\.dense\.bias") as caught:
        load_videomae(weights, TINY, "tiny")
    assert "left-over keys: decoder.weight" in str(caught.value)
    with pytest.raises(StateDictError, match="neither VideoMAE layout"):
        load_videomae({"conv.weight": torch.ones(1)}, TINY, "tiny")


def test_an_odd_fused_matrix_is_reported_not_split():
    weights = seeded_vit(TINY)
    weights["blocks.0.attn.qkv.weight"] = torch.ones(100, 48)
    with pytest.raises(StateDictError, match="missing keys"):
        load_videomae(weights, TINY, "tiny")


@pytest.mark.slow
def test_giant_runs_at_full_size():
    network, _ = load_videomae(seeded_vit(SIZES["giant"]), SIZES["giant"], "videomaev2-giant")
    with torch.inference_mode():
        features = network(torch.rand(1, 16, 3, 224, 224))
    assert features.shape == (1, 1408)
    assert torch.isfinite(features).all()
