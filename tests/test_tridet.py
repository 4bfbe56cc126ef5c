"""TriDet's own parts: its windows, and the fast forms of its block beside the plain ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from localizer_cases import padded
from training_golden import make_learner
from training_toys import toy_preset_of

from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.models.convolution import TimeConv, plain_convolution, sum_depthwise
from cltdr_cli.zoo.preset import load_preset
from cltdr_cli.zoo.published import preset_from_published

PUBLISHED = """
dataset_name: thumos
dataset: {input_dim: 2048, num_classes: 20, max_seq_len: 2304, feat_stride: 4, num_frames: 16, crop_ratio: [0.9, 1.0]}
model:
  fpn_type: identity
  n_sgp_win_size: 1
  sgp_mlp_dim: 768
  k: 5
  num_bins: 16
  iou_weight_power: 0.2
  input_noise: 0.0005
opt: {learning_rate: 0.0001, epochs: 20, warmup_epochs: 20, weight_decay: 0.025}
train_cfg: {init_loss_norm: 100, clip_grad_l2norm: 1.0}
test_cfg: {pre_nms_topk: 2000, max_seg_num: 2000, min_score: 0.001, voting_thresh: 0.7}
"""


@pytest.mark.parametrize(
    ("narrow", "factor", "wide"),
    [(1, 5, 11), (1, 1.3, 3), (15, 1.3, 21), (1, 1.2, 3), (3, 1.2, 5), (15, 1.2, 19), (1, 4, 9), (1, 2, 5), (5, 2, 13)],
)
def test_published_window_sizes(narrow, factor, wide):
    model = replace(toy_preset_of("tridet").model, window_factor=factor, block_kernel_sizes=(narrow,) * 3)
    assert model.wide_kernel(narrow) == wide
    block = build_network(find_method("tridet"), model).encoder.branch[0]
    assert (block.gate.kernel, block.narrow.kernel, block.wide.kernel) == (narrow, narrow, wide)


def test_halves_are_rounded_to_the_even_neighbour_before_the_window_is_made_odd():
    model = toy_preset_of("tridet").model
    assert replace(model, window_factor=1.25).wide_kernel(1) == 3  # 2.5 -> 2 -> 3
    assert replace(model, window_factor=1.75).wide_kernel(1) == 5  # 3.5 -> 4 -> 5


def test_windows_narrower_than_the_narrow_one_are_refused():
    model = toy_preset_of("tridet").model
    with pytest.raises(ValueError, match=r"window_factor 0\.5 makes wide windows narrower"):
        replace(model, window_factor=0.5, block_kernel_sizes=(1, 15, 15))
    with pytest.raises(ValueError, match=r"(?s)window_factor.*greater than 0"):
        replace(model, window_factor=0.0)
    with pytest.raises(ValueError, match="embd_dim 24 must be a multiple of 16"):
        replace(model, embd_dim=24, fpn_dim=24)


@pytest.mark.parametrize("kernels", [(1, 1), (11, 1), (5, 5), (21, 15)])
def test_two_convolutions_as_one_are_the_same_sum(kernels):
    wide, narrow = (TimeConv(8, 8, kernel, groups=8) for kernel in kernels)
    x = torch.randn(2, 40, 8)
    with plain_convolution():
        expected = sum_depthwise(x, wide, narrow)
    torch.testing.assert_close(sum_depthwise(x, wide, narrow), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(sum_depthwise(x, wide, narrow), expected, rtol=1e-4, atol=1e-5)
    sum_depthwise(x, wide, narrow).sum().backward()
    assert wide.weight.grad is not None
    assert narrow.weight.grad is not None
    assert narrow.bias.grad.eq(80).all()


@pytest.mark.parametrize("downsample", ["max", "avg"])
@pytest.mark.parametrize("steps", [1, 9, 20, 31, 32, 33, 70])
@pytest.mark.parametrize("length", [32, 256])
def test_the_fast_network_answers_as_the_plain_one(steps, length, downsample):
    model = toy_preset_of("tridet", "init_conv_vars=0.3", f"max_seq_len={length}").model
    model = replace(model, downsample=downsample, block_kernel_sizes=(1, 3, 5), window_factor=1.4, use_abs_pe=True)
    network = build_network(find_method("tridet"), model, seed=0).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
        features, mask = padded(network, torch.randn(steps, 12, generator=torch.Generator().manual_seed(steps)))
        fast = network(features, mask)
        with plain_convolution():
            plain = network(features, mask, real_steps=features.shape[1])
    for name in ("class_logits", "offsets", "start_logits", "end_logits"):
        one, other = (
            out.packing.unpack(out.class_logits if name == "class_logits" else getattr(out.boundaries, name))
            for out in (fast, plain)
        )
        for level, (here, there) in enumerate(zip(one, other, strict=True)):
            real = -(-steps // 2**level)
            torch.testing.assert_close(here[:, :real], there[:, :real], rtol=1e-4, atol=1e-4)


def test_the_published_config_equals_our_preset():
    ours, theirs = load_preset("thumos14-i3d-tridet"), preset_from_published("model_name: TriDet\n" + PUBLISHED)
    assert theirs.method == "tridet"
    assert (theirs.model, theirs.inference, theirs.training) == (ours.model, ours.inference, ours.training)
    assert replace(theirs.features, extractor="i3d", flow="tvl1") == ours.features


def test_a_config_without_a_method_is_told_by_the_parameters():
    """CLTDR-GMG's configs look alike: its checkpoints have a refinement head, TriDet's have none."""
    tridet = {"module.backbone.stem.0.psi.weight", "module.cls_head.cls_head.conv.weight"}
    assert preset_from_published(PUBLISHED, None, tridet).method == "tridet"
    assert preset_from_published(PUBLISHED, None, {*tridet, "module.refineHead.s_offset_head.conv.weight"}).method == (
        "cltdr"
    )
    assert preset_from_published(PUBLISHED).method == "cltdr"


def test_how_feature_files_are_read_does_not_change_the_model(shared: Path):
    folder = shared / "golden/peers/tridet/hacs_like"
    content = yaml.safe_load((folder / "config.yaml").read_text())
    assert content["dataset"].pop("backbone_type") == "slowfast"
    without = preset_from_published(yaml.safe_dump(content), folder.name)
    given = preset_from_published(folder / "config.yaml", folder.name)
    assert without.model == given.model
    assert (without.features.file_keys, given.features.file_keys) == ((), ("slow_feature", "fast_feature"))


def test_without_bins_the_iou_does_not_weigh_the_class_loss():
    preset = toy_preset_of("tridet", "use_trident_head=false")
    learner = make_learner(preset, 4, seed=0)
    assert learner.model.start_head is None
    with_bins = make_learner(toy_preset_of("tridet"), 4, seed=0)
    assert [term.iou_power for term in with_bins.objective.terms] == [preset.training.iou_weight_power]


@pytest.mark.parametrize(("steps", "length"), [(1, 256), (40, 256), (77, 256), (230, 256), (250, 256), (300, 320)])
def test_left_out_padding_stands_in_every_level(steps, length):
    """Beside the whole sequence, step by step, padding included; and most of it is never computed."""
    model = replace(toy_preset_of("tridet", "init_conv_vars=0.3").model, max_seq_len=256, stem_blocks=2)
    model = replace(model, block_kernel_sizes=(1, 3, 5), window_factor=1.3)
    encoder = build_network(find_method("tridet"), model, seed=0).eval().encoder
    seen = []
    for block in (*encoder.stem, *encoder.branch):
        block.register_forward_hook(lambda _, given, answer: seen.append(given[0].shape[1]))
    features = torch.randn(2, length, 12, generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(length)[None] < torch.tensor([[steps], [max(steps - 7, 1)]]))[..., None].float()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
        fast = encoder(features * mask, mask, steps)
        computed = sum(seen)
        with plain_convolution():
            plain = encoder(features * mask, mask, steps)
    for here, there, one, other in zip(fast.levels, plain.levels, fast.masks, plain.masks, strict=True):
        torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-4)
        assert torch.equal(one, other)
    if steps <= 40:
        assert computed < 0.6 * (sum(seen) - computed)
