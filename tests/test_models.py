"""The network: its published outputs, and what every architecture of the house promises."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from localizer_cases import (
    COPIED,
    COPIES,
    FIELDS,
    INPUTS,
    TINY,
    Case,
    build_cltdr,
    distances_at,
    load_case,
    padded,
    read_field,
    tiny,
    unpacked,
)
from torch.utils.flop_counter import FlopCounterMode

from cltdr_cli.methods.cltdr.published import PUBLISHED
from cltdr_cli.methods.published_form import rename_parameter, rename_state
from cltdr_cli.models.convolution import plain_convolution
from cltdr_cli.models.encoder import make_sinusoid_table
from cltdr_cli.models.outputs import HeadOutputs, Packing
from cltdr_cli.zoo.preset import load_preset

RELATIVE = 1e-4


@cache
def _case(folder: Path) -> Case:
    return load_case(folder)


def _assert_forward(case: Case, steps: int, plain: bool) -> None:
    features, mask = padded(case.model, case.features(steps))
    expected = case.forward(steps)
    with torch.set_grad_enabled(plain):
        outputs = case.model(features, mask)
        weights = mask[..., None].float()
        pyramid = case.model.neck(case.model.encoder(features, weights, steps))
    for level, (here, real) in enumerate(zip(pyramid.levels, pyramid.masks, strict=True)):
        _assert_close(expected[f"fpn_{level}"], here, f"fpn_{level}")
        np.testing.assert_array_equal(expected[f"mask_{level}"][0, 0], real[0, :, 0].bool().numpy())
    published = {name.rsplit("_", 1)[0] for name in expected} - {"fpn", "mask"}
    assert published == {short for short, field in FIELDS.items() if read_field(outputs, field) is not None}
    for name in published:
        for level, here in enumerate(unpacked(outputs, FIELDS[name])):
            _assert_close(expected[f"{name}_{level}"], here, f"{name}_{level}")


def _assert_close(expected: np.ndarray, here: torch.Tensor, name: str) -> None:
    """Relative to the array's largest value; steps that were not computed are zeros in the published answer."""
    ours = np.zeros_like(expected)
    ours[0, :, : here.shape[1]] = here[0].detach().T.numpy()
    error = np.abs(ours - expected).max() / max(np.abs(expected).max(), 1e-3)
    assert error <= RELATIVE, f"{name}: relative error {error:.1e}"


@pytest.mark.parametrize("plain", [False, True], ids=["products", "plain"])
@pytest.mark.parametrize(("name", "steps"), [(name, steps) for name in COPIED for steps in INPUTS[name]])
def test_published_outputs_of_the_copied_cases(name, steps, plain):
    _assert_forward(_case(COPIES / name), steps, plain)


@pytest.mark.parametrize("plain", [False, True], ids=["products", "plain"])
@pytest.mark.parametrize(("name", "steps"), [(name, steps) for name in INPUTS for steps in INPUTS[name]])
def test_published_outputs(shared, name, steps, plain):
    _assert_forward(_case(shared / "golden" / "localizer" / name), steps, plain)


def test_the_golden_folder_holds_no_case_that_is_not_tested(shared):
    for name, lengths in INPUTS.items():
        files = (shared / "golden" / "localizer" / name).glob("features_T*.npy")
        assert sorted(int(path.stem.removeprefix("features_T")) for path in files) == sorted(lengths)
    assert {path.name for path in (shared / "golden" / "localizer").iterdir()} == set(INPUTS)


def test_every_published_key_has_a_name_of_ours_and_unread_ones_are_left_out(shared):
    path = shared / "golden" / "localizer" / "thumos_like" / "checkpoint.pth.tar"
    published = torch.load(path, weights_only=True)["state_dict_ema"]
    ours, unknown = rename_state(PUBLISHED, published, {})
    assert not unknown
    unread = [key for key in published if rename_parameter(PUBLISHED, key.removeprefix("module.")) is None]
    assert all(key.startswith("module.refineHead.scale.") for key in unread)
    assert len(unread) == 4
    stacked = [key for key in published if key.startswith("module.reg_head.scale.")]
    assert len(ours) == len(published) - len(unread) - len(stacked) + 1


def test_unknown_published_keys_are_reported_and_similar_ones_are_not_swapped():
    ours, unknown = rename_state(
        PUBLISHED, {"module.backbone.stem.0.convx.weight": torch.zeros(1), "other": torch.zeros(1)}, {}
    )
    assert not ours
    assert unknown == ["module.backbone.stem.0.convx.weight", "other"]
    assert rename_parameter(PUBLISHED, "backbone.stem.0.convw.weight") == "encoder.stem.0.local.weight"
    assert rename_parameter(PUBLISHED, "backbone.stem.0.fc.weight") == "encoder.stem.0.instant.weight"


# The contract of every architecture: shapes, mask, padding rule, one form for training and evaluation.


@pytest.fixture(scope="module")
def model():
    return tiny()


def _random(steps: int, seed: int = 3, width: int = TINY.input_dim) -> torch.Tensor:
    return torch.randn(steps, width, generator=torch.Generator().manual_seed(seed))


def _real_outputs(outputs: HeadOutputs, sample: int, steps: int) -> dict[str, torch.Tensor]:
    """Every field at the real steps of one sample, levels after each other."""
    fields = {name: unpacked(outputs, name) for name in FIELDS.values() if read_field(outputs, name) is not None}
    counts = [-(-steps // 2**level) for level in range(len(outputs.packing.lengths))]
    return {
        name: torch.cat([level[sample, :n] for level, n in zip(levels, counts, strict=True)])
        for name, levels in fields.items()
    }


def _assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], tolerance: float = 2e-5) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        scale = value.abs().max().clamp(min=1)
        assert (value - other[name]).abs().max() <= tolerance * scale, name


@pytest.mark.parametrize("steps", [1, 7, 32, 33, 50])
def test_shapes(model, steps):
    features, mask = padded(model, _random(steps))
    with torch.inference_mode():
        outputs = model(features, mask)
    rows, classes = outputs.packing.rows, TINY.num_classes
    for name in FIELDS.values():
        width = 2 * (TINY.num_bins + 1) if name == "offsets" else classes
        assert read_field(outputs, name).shape == (1, rows, width)
        assert read_field(outputs, name).isfinite().all()
    assert outputs.boundaries.bins == TINY.num_bins
    assert outputs.packing.mask.sum() == sum(-(-steps // 2**level) for level in range(TINY.levels))
    assert (outputs.boundaries.offsets >= 0).all()
    assert outputs.refined.class_logits.equal(outputs.class_logits * outputs.class_refinement)


def test_nothing_but_zeros_outside_the_real_steps(model):
    features, mask = padded(model, _random(11))
    with torch.inference_mode():
        outputs = model(features, mask)
    outside = outputs.packing.mask[0, :, 0] == 0
    for name in FIELDS.values():
        assert (read_field(outputs, name)[0, outside] == 0).all(), name


def test_a_batch_equals_its_members(model):
    lengths = (5, 32, 17)
    parts = [padded(model, _random(steps, seed)) for seed, steps in enumerate(lengths)]
    with torch.inference_mode():
        together = model(torch.cat([f for f, _ in parts]), torch.cat([m for _, m in parts]))
        for sample, ((features, mask), steps) in enumerate(zip(parts, lengths, strict=True)):
            alone = model(features, mask)
            _assert_same(_real_outputs(together, sample, steps), _real_outputs(alone, 0, steps))


@pytest.mark.parametrize("steps", [1, 6, 20, 32, 45])
def test_trimming_beyond_the_real_steps_changes_nothing(model, steps):
    features, mask = padded(model, _random(steps))
    with torch.inference_mode():
        trimmed, whole = model(features, mask), model(features, mask, real_steps=features.shape[1])
    assert whole.packing.lengths == tuple(features.shape[1] // 2**level for level in range(TINY.levels))
    _assert_same(_real_outputs(trimmed, 0, steps), _real_outputs(whole, 0, steps))


def test_training_form_equals_evaluation_form():
    model = tiny(droppath=0.0)
    features, mask = padded(model, _random(19))
    with torch.inference_mode():
        evaluated = model(features, mask)
    trained = model.train()(features, mask)
    assert trained.class_logits.requires_grad
    _assert_same(_real_outputs(evaluated, 0, 19), {k: v.detach() for k, v in _real_outputs(trained, 0, 19).items()})


def test_drop_path_acts_in_training_only_and_drops_whole_samples():
    model = tiny(droppath=0.9)
    features, mask = padded(model, _random(32))
    with torch.inference_mode():
        assert model(features, mask).class_logits.equal(model(features, mask).class_logits)
        block = model.encoder.branch[0].drop_mixed.train()
        torch.manual_seed(0)
        dropped = block(torch.ones(200, 4, 32)) / block.scale
    kept = dropped[:, 0, 0] != 0
    assert 5 < kept.sum() < 40
    torch.testing.assert_close(dropped[kept], torch.full_like(dropped[kept], 10.0))
    assert (dropped[~kept] == 0).all()


def test_the_padded_part_of_the_input_is_not_read(model):
    features, mask = padded(model, _random(13))
    polluted = torch.where(mask[..., None], features, 1e3)
    with torch.inference_mode():
        assert model(features, mask).class_logits.equal(model(polluted, mask).class_logits)


def test_the_answer_depends_on_the_padded_length(model):
    features, mask = padded(model, _random(32))
    longer = torch.cat([features, torch.zeros(1, 32, TINY.input_dim)], 1)
    with torch.inference_mode():
        short = _real_outputs(model(features, mask), 0, 32)["class_logits"]
        long = _real_outputs(model(longer, torch.arange(64)[None] < 32), 0, 32)["class_logits"]
    assert not torch.allclose(short, long, atol=1e-4)


@pytest.mark.parametrize(
    ("preset", "steps", "expected"),
    [
        ("thumos14-i3d", 1, 2304),
        ("thumos14-i3d", 2304, 2304),
        ("thumos14-i3d", 2305, 2336),  # windows of one step: the next multiple of the coarsest stride
        ("activitynet13-tsp", 768, 768),  # not a multiple of 480, and need not be
        ("activitynet13-tsp", 769, 960),
        ("hacs-slowfast", 961, 1152),  # seven levels, windows of three: 64 · 3
        ("epic100-verb-slowfast", 2305, 2400),
    ],
)
def test_padding_rule(preset, steps, expected):
    assert build_cltdr(load_preset(preset).model).pad_length(steps) == expected


def test_lengths_that_do_not_halve_evenly_are_refused_when_the_config_is_made():
    with pytest.raises(ValueError, match="max_seq_len 30 must be a multiple of the coarsest stride 4"):
        tiny(max_seq_len=30)
    with pytest.raises(ValueError, match=r"longer sequences are padded to multiples of 14"):
        tiny(block_kernel_sizes=(1, 7, 1))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("steps", [1, 2])
def test_all_masked_but_one_gives_finite_outputs_and_gradients(steps, training):
    model = tiny().train(training)
    features, mask = padded(model, _random(steps))
    features.requires_grad_()
    outputs = model(features, mask)
    loss = sum(read_field(outputs, name).square().sum() for name in FIELDS.values())
    points = torch.arange(len(outputs.packing.points))
    plain, refined = distances_at(outputs, torch.zeros_like(points), points, torch.zeros_like(points))
    (loss + plain.sum() + refined.sum()).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    if not training:  # in training the padding carries noise, which the first convolution sees
        assert (features.grad[0, steps:] == 0).all()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def _touched(field: str) -> set[str]:
    model = tiny().train()
    read_field(model(*padded(model, _random(32))), field).square().sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters()}
    return {name.split(".")[0] for name, grad in grads.items() if grad is not None and grad.abs().sum() > 0}


def test_boundary_heads_learn_without_teaching_the_encoder():
    assert _touched("start_logits") == {"start_head"}
    assert _touched("end_logits") == {"end_head"}


def test_every_other_head_teaches_its_own_way_down():
    below = {"encoder", "neck"}
    assert _touched("class_logits") == below | {"class_decoupling", "class_head"}
    assert _touched("offsets") == below | {"offset_decoupling", "offset_head"}
    for field in ("start_shifts", "end_shifts", "class_refinement"):
        assert _touched(field) == below | {"fusion", "refine_head"}


def test_initial_values():
    model = build_cltdr(TINY, seed=5)
    prior = -np.log(0.99 / 0.01)
    for head in (model.class_head, model.start_head, model.end_head):
        np.testing.assert_allclose(head.out.conv.bias.detach(), prior, rtol=1e-6)
    state = model.state_dict()
    zero = [name for name in state if name.endswith("bias") and name.startswith("encoder") and "norm" not in name]
    assert len(zero) == 4 * 4  # two depth-wise and two 1×1 convolutions in each of four blocks
    assert all((state[name] == 0).all() for name in zero)
    assert (state["offset_head.out.conv.bias"] == 0).all()
    assert (state["refine_head.start.conv.bias"] == 0).all()
    assert (state["encoder.branch.0.drop_mixed.scale"] == 1e-4).all()
    assert "encoder.stem.0.drop_mixed.scale" not in state
    assert abs(state["encoder.branch.1.local.weight"].std().item() - 0.3) < 0.06
    spectral = torch.cat(
        [state[f"encoder.{b}.mixer.{p}"].flatten() for b in ("stem.0", "branch.1") for p in ("w1", "b2")]
    )
    assert 0.015 < spectral.std() < 0.025
    assert (state["class_decoupling.above.bias"] != 0).any(), "outside the masked convolutions: PyTorch's default"


def test_a_seed_gives_the_same_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one = build_cltdr(TINY, seed=11).state_dict()
    assert torch.rand(1).equal(expected)
    other = build_cltdr(TINY, seed=11).state_dict()
    assert all(one[name].equal(other[name]) for name in one)


def test_make_sinusoid_table_is_the_published_one():
    table = make_sinusoid_table(7, 6)
    for position in range(7):
        for channel in range(6):
            angle = position / 10000 ** (2 * (channel // 2) / 6)
            wanted = (np.sin(angle) if channel % 2 == 0 else np.cos(angle)) / np.sqrt(6)
            assert abs(table[position, channel] - wanted) < 1e-6


def test_longer_sequences_interpolate_the_positions_and_others_do_not():
    model = tiny(use_abs_pe=True)
    table = model.encoder.positions
    with torch.no_grad():
        assert model.encoder._position_rows(32).equal(table)
        longer = model.encoder._position_rows(64)
    torch.testing.assert_close(longer[1], 0.75 * table[0] + 0.25 * table[1])
    torch.testing.assert_close(longer[0], table[0])
    assert "encoder.positions" not in model.state_dict()


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_stays_near_and_keeps_the_spectral_filter_in_float32(model, dtype, grad):
    features, mask = padded(model, _random(20))
    with torch.set_grad_enabled(grad):
        exact = _real_outputs(model(features, mask), 0, 20)
        with torch.autocast("cpu", dtype):
            rough = _real_outputs(model(features, mask), 0, 20)
    for name, value in exact.items():
        assert (value - rough[name]).abs().mean() < 0.1 * value.abs().mean() + 0.1, name


def test_a_network_of_another_type_runs():
    for dtype in (torch.float64, torch.bfloat16):
        model = tiny().to(dtype)
        features, mask = padded(model, _random(20).to(dtype))
        with torch.inference_mode():
            assert model(features, mask).class_logits.dtype == dtype


def test_packing_and_unpacking_are_inverse():
    lengths, levels = (9, 5, 3), [torch.randn(2, n, 4) for n in (16, 8, 4)]
    masks = [torch.ones(2, n, 1) for n in (16, 8, 4)]
    packing = Packing(lengths, 6, masks)
    packed = packing.pack(levels)
    assert packed.shape == (2, packing.rows, 4)
    for level, back, length in zip(levels, packing.unpack(packed), lengths, strict=True):
        assert back.equal(level[:, :length])
    assert packed[:, packing.points].equal(
        torch.cat([level[:, :n] for level, n in zip(levels, lengths, strict=True)], 1)
    )
    gaps = packing.inside[:, 0] == 0
    assert gaps.sum() == 6 * 4
    assert (packed[:, gaps] == 0).all()


@pytest.mark.parametrize("grad", [False, True])
def test_gaps_are_zero_again_and_nothing_else_is_touched(grad):
    packing = Packing((5, 2), 3, [torch.ones(1, 5, 1), torch.ones(1, 2, 1)])
    ones = torch.ones(1, packing.rows, 2)
    with torch.set_grad_enabled(grad):
        assert packing.clear_gaps(ones.clone())[0].equal(packing.inside.expand(-1, 2))


def test_size_and_arithmetic_of_the_published_thumos_model():
    config = load_preset("thumos14-i3d").model
    model = build_cltdr(config, seed=0).eval()
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 21.9
    with torch.inference_mode(), plain_convolution(), FlopCounterMode(display=False) as counter:
        model(torch.randn(1, 2304, 2048), torch.ones(1, 2304, dtype=torch.bool))
    assert 58e9 < counter.get_total_flops() / 2 < 63e9
