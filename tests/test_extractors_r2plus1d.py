"""R(2+1)D against torchvision's own model, and what the weights of TSP have that torchvision's have not."""

from __future__ import annotations

import pytest
import torch
from seeded_weights import seeded_part, seeded_r2plus1d
from torch import nn
from torch.nn import functional
from torchvision.models.video import r2plus1d_18

from cltdr_cli.zoo.extractors import ModelSources, extractor_of
from cltdr_cli.zoo.preset import load_preset
from extractors import EXTRACTORS, r2plus1d
from extractors.folding import fold_all_rows
from extractors.preprocess import prepare_frames
from extractors.r2plus1d import DEPTHS, PooledR2Plus1D, build_r2plus1d, build_video_resnet, load_r2plus1d
from extractors.state_dict import StateDictError

SPEC = EXTRACTORS["r2plus1d-tsp"].spec
SHALLOW = (1, 1, 2, 1)


def seeded_clips(frames=8, side=40):
    return torch.randn(2, frames, 3, side, side, generator=torch.Generator().manual_seed(1))


def relative_error(ours, theirs):
    return float((ours - theirs).abs().max() / theirs.abs().max())


def test_features_of_eighteen_layers_are_those_of_torchvision():
    theirs = r2plus1d_18(weights=None).eval()
    weights = {key: seeded_part(key, tuple(value.shape)) for key, value in theirs.state_dict().items()}
    theirs.load_state_dict(weights)
    theirs.fc = nn.Identity()
    ours = build_video_resnet((2, 2, 2, 2), as_in_vmz=False)
    ours.load_state_dict({key: value for key, value in weights.items() if not key.startswith("fc")})
    fold_all_rows(ours)
    assert not any(isinstance(part, nn.BatchNorm3d) for part in ours.modules())
    clips = seeded_clips()
    with torch.inference_mode():
        expected = theirs(clips.transpose(1, 2))
        features = PooledR2Plus1D(ours)(clips)
    assert features.shape == (2, 512)
    assert relative_error(features, expected) <= 1e-4


def test_loading_folds_the_norms_with_their_epsilon():
    weights = seeded_r2plus1d(SHALLOW)
    plain = build_video_resnet(SHALLOW).eval()
    plain.load_state_dict({key: value for key, value in weights.items() if not key.startswith("fc")})
    clips = seeded_clips()
    with torch.inference_mode():
        expected = plain(clips.transpose(1, 2))
        assert relative_error(load_r2plus1d({"model": weights}, SHALLOW)(clips), expected) <= 1e-5
        for norm in (part for part in plain.modules() if isinstance(part, nn.BatchNorm3d)):
            norm.eps = 1e-5
        assert relative_error(plain(clips.transpose(1, 2)), expected) > 1e-4


def test_middle_channels_and_epsilon_are_those_of_the_published_weights():
    with torch.device("meta"):
        network, torchvisions = build_video_resnet(), build_video_resnet(as_in_vmz=False)
    shapes, other = network.state_dict(), torchvisions.state_dict()
    for layer, own, published in ((2, 230, 288), (3, 460, 576), (4, 921, 1152)):
        assert shapes[f"layer{layer}.0.conv1.0.0.weight"].shape[0] == own
        assert other[f"layer{layer}.0.conv2.0.0.weight"].shape[0] == own
        assert {shapes[f"layer{layer}.{i}.conv2.0.0.weight"].shape[0] for i in range(DEPTHS[layer - 1])} == {published}
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm3d)]
    assert {norm.eps for norm in norms} == {1e-3}
    assert sum(isinstance(part, nn.Conv3d) for part in network.modules()) == 2 * 33 + 3


def test_parameters_are_those_of_a_plain_network_of_34_layers():
    """Middle channels make every factored pair as large as one 3×3×3 convolution, up to rounding and norms."""
    with torch.device("meta"):
        network = build_video_resnet()
    convolutions = sum(part.weight.numel() for part in network.modules() if isinstance(part, nn.Conv3d))
    blocks, inputs = 0, 64
    for depth, planes in zip(DEPTHS, (64, 128, 256, 512), strict=True):
        blocks += 27 * planes * (inputs + (2 * depth - 1) * planes) + (inputs * planes if inputs != planes else 0)
        inputs = planes
    stem = 45 * 3 * 49 + 64 * 45 * 3
    assert 0 <= blocks + stem - convolutions < 0.001 * blocks
    assert 63.4e6 < sum(part.numel() for part in network.parameters()) < 63.6e6


def test_parameter_count_of_the_catalogue():
    with torch.device("meta"):
        weights = {key: torch.empty(value.shape) for key, value in build_video_resnet().state_dict().items()}
    folded, head = build_r2plus1d(SPEC, [{"model": weights}])
    assert sum(part.numel() for part in folded.parameters()) == SPEC.parameters
    assert head is None


def test_the_activitynet_preset_takes_video_once_the_weights_are_there(monkeypatch, tmp_path):
    monkeypatch.setattr(r2plus1d, "DEPTHS", SHALLOW)
    torch.save({"model": seeded_r2plus1d(SHALLOW), "epoch": 5}, tmp_path / "tsp.pth")
    sources = ModelSources(files={"r2plus1d-tsp": tmp_path / "tsp.pth"})
    loaded = extractor_of(load_preset("activitynet13-tsp"), sources)
    assert loaded.extractor.encode(seeded_clips(16)).shape == (2, 512)
    assert list(loaded.digests) == ["tsp.pth"]


@pytest.mark.parametrize("prefix", ["module.", "features.", "module.backbone."])
def test_prefixes_of_wrappers_do_not_matter(prefix):
    weights = seeded_r2plus1d(SHALLOW)
    inner = prefix.removeprefix("module.")
    renamed = {(key if key.startswith("fc") else inner + key): value for key, value in weights.items()}
    if prefix != inner:
        renamed = {f"module.{key}": value for key, value in renamed.items()}
    clips = seeded_clips(8, 32)
    with torch.inference_mode():
        features = load_r2plus1d({"epoch": 5, "model": renamed}, SHALLOW)(clips)
        assert torch.equal(features, load_r2plus1d(weights, SHALLOW)(clips))


def test_keys_that_are_missing_or_left_over_and_other_networks_are_named():
    weights = seeded_r2plus1d(SHALLOW)
    weights["layer9.weight"] = weights.pop("layer3.1.conv2.1.running_var")
    with pytest.raises(StateDictError) as caught:
        load_r2plus1d(weights, SHALLOW)
    assert "R(2+1)D-12" in str(caught.value)
    assert "missing keys: layer3.1.conv2.1.running_var" in str(caught.value)
    assert "left-over keys: layer9.weight" in str(caught.value)
    with pytest.raises(StateDictError, match=r"no R\(2\+1\)D; their keys are conv1\.weight"):
        load_r2plus1d({"conv1.weight": torch.ones(2)})
    with pytest.raises(StateDictError, match="one network, and 2"):
        build_r2plus1d(SPEC, [{}, {}])


@pytest.mark.parametrize("size", [(240, 320), (1080, 1920), (128, 171)])
def test_frames_are_prepared_in_the_order_of_the_published_program(size):
    """[0, 1], plain bilinear to 128x171, normalise, crop to rows 8 to 120, columns 30 (29.5 rounded) to 142."""
    frames = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    pixels = frames.permute(0, 3, 1, 2).float() / 255
    pixels = functional.interpolate(pixels, size=(128, 171), mode="bilinear", align_corners=False)
    mean = torch.tensor([0.43216, 0.394666, 0.37645]).view(3, 1, 1)
    std = torch.tensor([0.22803, 0.22145, 0.216989]).view(3, 1, 1)
    expected = ((pixels - mean) / std)[..., 8:120, 30:142]
    torch.testing.assert_close(prepare_frames(frames, SPEC, torch.device("cpu")), expected, rtol=1e-4, atol=1e-4)
