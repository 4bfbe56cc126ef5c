"""The catalogue of extractors, and the contract that every one of them keeps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from seeded_weights import TINY, seeded_demo, seeded_i3d, seeded_r2plus1d, seeded_slowfast, seeded_vit
from torch import nn

from extractors import EXTRACTORS, build, r2plus1d, slowfast_weights
from extractors.demo import DemoNetwork
from extractors.frozen import FrozenExtractor
from extractors.i3d import TwoStreamI3D, load_stream
from extractors.random_weights import draw_weights
from extractors.state_dict import StateDictError, unwrap
from extractors.videomae import SIZES

NAMES = [
    "i3d-rgb",
    "i3d-flow",
    "i3d",
    "videomae-small",
    "videomae-base",
    "videomae-large",
    "videomae-huge",
    "videomaev2-small",
    "videomaev2-base",
    "videomaev2-giant",
    "r2plus1d-tsp",
    "slowfast-r50-epic100",
    "slowfast-r50-k400",
    "movinet-a0-stream",
    "movinet-a1-stream",
    "movinet-a2-stream",
    "movinet-a0",
    "movinet-a1",
    "movinet-a2",
    "movinet-a3",
    "movinet-a4",
    "movinet-a5",
    "demo",
]
SHALLOW = (1, 1, 1, 1)
"""Blocks of each stage."""
CONTRACTED = [
    "i3d-rgb",
    "i3d",
    "videomae-base",
    "videomaev2-small",
    "r2plus1d-tsp",
    "slowfast-r50-epic100",
    "movinet-a0",
    "movinet-a0-stream",
    "demo",
]
OF_ANY_SIZE = ("r2plus1d-tsp", "slowfast-r50-epic100")
"""Their pools are global, so a part of the picture is enough."""


def small_extractor(kind: str) -> FrozenExtractor:
    """Each kind of network through ``build``; those that are large are made small by ``monkeypatch``."""
    weights = {
        "i3d-rgb": lambda: seeded_i3d("piergiaj_rgb"),
        "i3d": lambda: (seeded_i3d("hassony2_rgb"), seeded_i3d("piergiaj_flow")),
        "demo": seeded_demo,
        "movinet-a0": lambda: draw_weights("movinet-a0")[0],
        "movinet-a0-stream": lambda: draw_weights("movinet-a0-stream")[0],
        "r2plus1d-tsp": lambda: {"model": seeded_r2plus1d(SHALLOW)},
        "slowfast-r50-epic100": lambda: {"model_state": seeded_slowfast("pyslowfast", SHALLOW)},
    }
    return build(kind, weights.get(kind, lambda: {"module": seeded_vit(TINY)})())


@pytest.fixture(scope="module", params=CONTRACTED)
def extractor(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "base", TINY)
        patch.setitem(SIZES, "small", TINY)
        for module in (r2plus1d, slowfast_weights):
            patch.setattr(module, "DEPTHS", SHALLOW)
        return small_extractor(request.param)


@pytest.fixture(scope="module")
def clips(extractor):
    generator = torch.Generator().manual_seed(1)
    length = extractor.spec.window_range[0]
    shape = (length + 2, 24, 40, extractor.spec.channels)
    coarse = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    frames = coarse.repeat_interleave(5, 1).repeat_interleave(5, 2)
    prepared = extractor.prepare(frames)
    return torch.stack([prepared[:length], prepared[2 : length + 2]])


def test_prepare_gives_the_shape_its_record_says(extractor, clips):
    assert clips.shape[2:] == (extractor.spec.channels, *extractor.spec.prepared_size)
    assert clips.dtype == torch.float32


def test_encode_is_width_wide_deterministic_and_a_batch_equals_its_members(extractor, clips):
    if extractor.spec.name in OF_ANY_SIZE:
        clips = clips[..., 24:88, 24:88]
    both = extractor.encode(clips)
    wide = TINY.width if "videomae" in extractor.spec.name else extractor.spec.width
    assert both.shape == (2, wide)
    assert both.dtype == torch.float32
    assert not both.requires_grad
    assert torch.equal(both, extractor.encode(clips))
    alone = torch.cat([extractor.encode(clip[None]) for clip in clips])
    assert (both - alone).abs().max() <= 1e-5 * max(1.0, float(both.abs().max()))
    assert (both[0] - both[1]).abs().max() > 1e-3 * both.abs().max()


def test_frames_prepared_alone_equal_frames_prepared_together(extractor):
    shape = (3, 60, 80, extractor.spec.channels)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    together = extractor.prepare(frames)
    assert torch.equal(together, torch.cat([extractor.prepare(frame[None]) for frame in frames]))


def test_a_frame_with_the_wrong_channels_is_refused(extractor):
    with pytest.raises(ValueError, match="takes frames"):
        extractor.prepare(torch.zeros((1, 60, 80, 4), dtype=torch.uint8))


def test_clips_of_a_wrong_length_are_refused(extractor, clips):
    too_short = extractor.spec.window_range[0] - 1
    with pytest.raises(ValueError, match=rf"takes clips of .* frames, not {too_short}$"):
        extractor.encode(clips[:, :too_short])


def test_two_stream_features_are_rgb_then_flow():
    class ChannelMeans(nn.Module):
        def forward(self, clips):
            return clips.mean((1, 3, 4))

    clips = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(2, 9, 5, 4, 4)
    assert TwoStreamI3D(ChannelMeans(), ChannelMeans())(clips).tolist() == [[0, 1, 2, 3, 4]] * 2


def test_two_stream_logits_add_up():
    rgb, flow = seeded_i3d("piergiaj_rgb"), seeded_i3d("hassony2_flow")
    features = torch.randn((2, 2048), generator=torch.Generator().manual_seed(3))
    heads = load_stream(rgb, 3)[1], load_stream(flow, 2)[1]
    apart = heads[0](features[:, :1024]) + heads[1](features[:, 1024:])
    torch.testing.assert_close(build("i3d", (rgb, flow)).class_head()(features), apart, rtol=1e-4, atol=1e-4)


def test_ten_crops_are_the_mean_over_corners_and_centre_and_their_mirrors():
    class Peek(nn.Module):
        def forward(self, clips):
            return clips[:, 0, 0, 0, ::223]

    spec = EXTRACTORS["i3d-rgb"].with_option("ten-crop")
    extractor = FrozenExtractor(spec, Peek(), None, torch.device("cpu"))
    frames = torch.randint(0, 256, (9, 256, 340, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))
    clip = extractor.prepare(frames)[None]
    assert clip.shape == (1, 9, 3, *spec.prepared_size)
    ends = [clip[0, 0, 0, top, [left, left + 223]] for top in (0, 32) for left in (0, 116)]
    ends.append(clip[0, 0, 0, 16, [58, 281]])
    expected = torch.stack([*ends, *(end.flip(0) for end in ends)]).mean(0)
    torch.testing.assert_close(extractor.encode(clip)[0], expected)


def test_the_demo_head_gives_the_logits_of_the_trained_network():
    weights = seeded_demo()
    network = DemoNetwork()
    network.load_state_dict(weights)
    clips = torch.randn(2, 16, 3, 112, 112, generator=torch.Generator().manual_seed(4))
    frozen = build("demo", weights)
    torch.testing.assert_close(frozen.class_head()(frozen.encode(clips)), network.eval()(clips), rtol=1e-4, atol=1e-5)
    assert frozen.class_head().out_features == 9


def test_the_demo_network_learns_and_is_small():
    torch.manual_seed(0)
    network = DemoNetwork(dropout=0.1)
    assert sum(part.numel() for part in network.parameters()) <= 1_500_000
    clips, labels = torch.randn(4, 16, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(network(clips), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_demo_feature_hears_the_order_of_frames():
    frozen = build("demo", seeded_demo())
    clip = torch.randn(1, 16, 3, 112, 112, generator=torch.Generator().manual_seed(5))
    assert (frozen.encode(clip) - frozen.encode(clip.flip(1))).abs().max() > 1e-4


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_near_and_comes_out_as_float32(precision):
    weights = seeded_demo()
    clips = torch.randn(1, 16, 3, 112, 112, generator=torch.Generator().manual_seed(6))
    exact, half = build("demo", weights).encode(clips), build("demo", weights, precision=precision).encode(clips)
    assert half.dtype == torch.float32
    assert not torch.equal(exact, half)
    assert (exact - half).abs().max() < 0.05 * exact.abs().max()


def test_the_catalogue_lists_every_name_of_the_command_line():
    assert list(EXTRACTORS) == NAMES
    for name, record in EXTRACTORS.items():
        assert record.spec.name == name
        grid = (16, 16) if name == "r2plus1d-tsp" else (32, 16) if "slowfast" in name else (16, 4)
        grid = (1, 1) if record.spec.causal else grid
        assert (record.spec.window_frames, record.spec.stride_frames) == grid
        assert record.spec.weights_licence
        assert "/255" in record.spec.transform
        for option, spec in record.options.items():
            assert spec.option == option != record.spec.option
            assert spec.transform != record.spec.transform


def test_the_manifest_knows_the_weights_of_the_catalogue():
    entries = json.loads((Path(__file__).parent.parent / "weights" / "manifest.json").read_text())
    assert {name for record in EXTRACTORS.values() for name in record.weights} <= entries.keys()


def test_the_catalogue_needs_no_torch():
    code = "import sys, extractors; extractors.EXTRACTORS['i3d'].spec.transform; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_names_options_and_precisions_name_the_choices():
    with pytest.raises(ValueError, match=r"unknown extractor 'c3d'.*i3d-rgb"):
        build("c3d", {})
    with pytest.raises(ValueError, match="no option 'five-crop'; there are centre-crop, resize, ten-crop"):
        build("i3d-rgb", {}, option="five-crop")
    with pytest.raises(ValueError, match=r"unknown precision 'int4'.*fp32"):
        build("demo", seeded_demo(), precision="int4")


def test_the_number_of_state_dicts_must_fit():
    with pytest.raises(StateDictError, match=r"made of 2 network\(s\), and 1 came"):
        build("i3d", seeded_i3d("piergiaj_rgb"))
    with pytest.raises(StateDictError, match="one network, and 2"):
        build("demo", ({}, {}))


def test_state_dicts_come_out_of_their_wrappers():
    inner = {"a": torch.ones(2, dtype=torch.float16), "n": torch.tensor(3)}
    for wrapped in ({"module": inner}, {"model": inner, "epoch": 3}, {"state_dict": {"module": inner}}):
        flat = unwrap(wrapped)
        assert flat["a"].dtype == torch.float32
        assert flat["n"].dtype == torch.int64
    assert set(unwrap({f"module.{key}": value for key, value in inner.items()})) == {"a", "n"}
    with pytest.raises(StateDictError, match=r"no tensors.*epoch"):
        unwrap({"epoch": 3})
