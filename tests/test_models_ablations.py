"""Every key of CltdrConfig builds, runs forward and backward, and changes what it should and only that."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest
import torch
from localizer_cases import FIELDS, TINY, build_cltdr, distances_at, padded, read_field, tiny

from cltdr_cli.methods.cltdr.config import CltdrConfig
from cltdr_cli.methods.cltdr.network import Cltdr
from cltdr_cli.models.outputs import HeadOutputs

ALL = set(FIELDS.values())
CLASS, OFFSET = {"class_logits"}, {"offsets"}
EDGES = {"start_logits", "end_logits"}
SHIFTS, SCORE = {"start_shifts", "end_shifts"}, {"class_refinement"}
REFINEMENT = SHIFTS | SCORE

# key: [(changes, fields whose values change when all shared weights are equal)], weights kept by name.
CHANGES: dict[str, list[tuple[dict, set[str]]]] = {
    "input_dim": [({"input_dim": 7}, ALL)],
    "num_classes": [({"num_classes": 5}, ALL - OFFSET)],
    "max_seq_len": [({"max_seq_len": 64}, ALL)],
    "regression_range": [({"regression_range": ((0, 2), (1, 8), (2, 50))}, set())],
    "block_kernel_sizes": [({"block_kernel_sizes": (1, 1, 1)}, ALL), ({"block_kernel_sizes": (5, 3, 5)}, set())],
    "backbone": [({"backbone": "conv"}, ALL)],
    "embd_layers": [({"embd_layers": 1}, ALL), ({"embd_layers": 3}, ALL)],
    "stem_blocks": [({"stem_blocks": 0}, ALL), ({"stem_blocks": 1}, ALL)],
    "branch_blocks": [
        ({"branch_blocks": 1, "block_kernel_sizes": (1, 3), "regression_range": ((0, 4), (4, 99))}, ALL),
        ({"branch_blocks": 0, "block_kernel_sizes": (1,), "regression_range": ((0, 99),)}, ALL),
    ],
    "embd_kernel_size": [({"embd_kernel_size": 1}, ALL), ({"embd_kernel_size": 5}, ALL)],
    "embd_dim": [({"embd_dim": 48, "fpn_dim": 48}, ALL), ({"embd_dim": 48, "neck": "fpn"}, ALL)],
    "embd_with_ln": [({"embd_with_ln": False}, ALL)],
    "mlp_dim": [({"mlp_dim": 40}, ALL)],
    "downsample": [({"downsample": "avg"}, ALL)],
    "init_conv_vars": [({"init_conv_vars": 0.0}, set())],
    "use_abs_pe": [({"use_abs_pe": True}, ALL)],
    "neck": [({"neck": "fpn"}, ALL)],
    "fpn_dim": [({"fpn_dim": 24, "neck": "fpn"}, ALL)],
    "fpn_with_ln": [({"fpn_with_ln": False}, ALL), ({"fpn_with_ln": False, "neck": "fpn"}, ALL)],
    "head_dim": [({"head_dim": 28}, ALL)],
    "head_num_layers": [({"head_num_layers": 1, "head_dim": 32}, ALL), ({"head_num_layers": 2}, ALL)],
    "head_kernel_size": [({"head_kernel_size": 5}, ALL - EDGES), ({"head_kernel_size": 1}, ALL - EDGES)],
    "boundary_kernel_size": [({"boundary_kernel_size": 1}, EDGES), ({"boundary_kernel_size": 5}, EDGES)],
    "head_with_ln": [({"head_with_ln": False}, ALL)],
    "use_trident_head": [({"use_trident_head": False}, EDGES | OFFSET)],
    "num_bins": [({"num_bins": 1}, OFFSET), ({"num_bins": 40}, OFFSET)],
    "cls_prior_prob": [({"cls_prior_prob": 0.1}, set())],
    "droppath": [({"droppath": 0.0}, ALL), ({"droppath": 0.5}, set())],
    "scale_factor": [],
    "gmg_gate": [({"gmg_gate": "relu"}, ALL), ({"gmg_gate": "none"}, ALL)],
    "gmg_branches": [
        ({"gmg_branches": ("instant",)}, ALL),
        ({"gmg_branches": ("local",)}, ALL),
        ({"gmg_branches": ("global",)}, ALL),
        ({"gmg_branches": ("instant", "local")}, ALL),
        ({"gmg_branches": ("instant", "global")}, ALL),
        ({"gmg_branches": ("local", "global")}, ALL),
        ({"gmg_branches": ("global", "local", "instant")}, set()),  # their order means nothing
    ],
    "global_extractor": [({"global_extractor": "attention"}, ALL)],
    "cls_neighbors": [({"cls_neighbors": value}, CLASS) for value in ("none", "below", "both")],
    "reg_neighbors": [({"reg_neighbors": value}, OFFSET) for value in ("none", "above", "both")],
    "refine": [({"refine": "none"}, REFINEMENT), ({"refine": "class"}, SHIFTS), ({"refine": "regression"}, SCORE)],
    "fusion": [({"fusion": "concat"}, CLASS | OFFSET), ({"fusion": "add"}, CLASS | OFFSET)],
}
CASES = [(key, changes, touched) for key, cases in CHANGES.items() for changes, touched in cases]
NAMES = ["-".join([key, *(str(v) for v in changes.values())])[:60] for key, changes, _ in CASES]


def test_every_key_is_covered():
    assert set(CHANGES) == {field.name for field in fields(CltdrConfig)}


def _with_shared_weights(config: CltdrConfig) -> Cltdr:
    """The network with those weights of the unchanged one that fit by name and shape."""
    base, model = tiny().state_dict(), build_cltdr(config, seed=9)
    state = model.state_dict()
    model.load_state_dict(state | {k: v for k, v in base.items() if k in state and v.shape == state[k].shape})
    return model.eval()


def _inputs(model: Cltdr) -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.randn(21, 12, generator=torch.Generator().manual_seed(4))
    return padded(model, features[:, : model.config.input_dim])


def _same(one: HeadOutputs, other: HeadOutputs, name: str) -> bool:
    a, b = read_field(one, name), read_field(other, name)
    if a is None or b is None:
        return a is b
    a, b = _at_real_points(one, a), _at_real_points(other, b)
    return a.shape == b.shape and torch.allclose(a, b, atol=1e-5)


def _at_real_points(outputs: HeadOutputs, values: torch.Tensor) -> torch.Tensor:
    packing = outputs.packing
    return values[:, packing.points][packing.mask[:, packing.points, 0].bool()].detach()


@pytest.mark.parametrize(("key", "changes", "touched"), CASES, ids=NAMES)
def test_a_key_changes_what_it_should_and_only_that(key, changes, touched):
    config = replace(TINY, **changes)
    assert getattr(config, key) == changes[key]
    model, base = _with_shared_weights(config), tiny()
    with torch.inference_mode():
        ours, unchanged = model(*_inputs(model)), base(*_inputs(base))
    assert {name for name in ALL if not _same(ours, unchanged, name)} == touched


@pytest.mark.parametrize(("key", "changes", "touched"), CASES, ids=NAMES)
def test_every_form_trains(key, changes, touched):
    model = build_cltdr(replace(TINY, **changes), seed=3).train()
    features, mask = _inputs(model)
    outputs = model(features, mask)
    points = torch.arange(len(outputs.packing.points))
    samples, classes = torch.zeros_like(points), torch.full_like(points, model.config.num_classes - 1)
    plain, refined = distances_at(outputs, samples, points, classes)
    assert plain.shape == refined.shape == (len(points), 2)
    values = [read_field(outputs, name) for name in ALL if read_field(outputs, name) is not None]
    (sum(value.square().sum() for value in values) + plain.sum() + refined.sum()).backward()
    for name, parameter in model.named_parameters():
        if model.config.levels == 1 and re.match(r"(class_decoupling|offset_decoupling|fusion)\.", name):
            continue  # a single level has no neighbours
        if not parameter.requires_grad:
            continue  # without bins nothing reads the shifts
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(("key", "changes", "touched"), CASES, ids=NAMES)
def test_every_form_answers_alike_with_and_without_products_and_trimming(key, changes, touched):
    model = tiny(**changes)
    features, mask = _inputs(model)
    with torch.inference_mode():
        fast = model(features, mask)
    whole = model(features, mask, real_steps=features.shape[1])
    for name in ALL:
        a, b = read_field(fast, name), read_field(whole, name)
        assert (a is None) == (b is None)
        if a is None:
            continue
        a, b = _at_real_points(fast, a), _at_real_points(whole, b)
        assert (a - b).abs().max() <= 2e-5 * b.abs().max().clamp(min=1), name


def _names(**changes: object) -> set[str]:
    return set(build_cltdr(replace(TINY, **changes)).state_dict())


def test_parameters_come_and_go_with_their_parts():
    base = _names()
    for branch, part in (("global", ".mixer."), ("local", ".local."), ("instant", ".instant.")):
        others = tuple(b for b in ("instant", "local", "global") if b != branch)
        assert base - _names(gmg_branches=others) == {name for name in base if part in name}
        assert _names(gmg_branches=others) < base
    assert {n.split(".")[0] for n in base - _names(refine="none")} == {"fusion", "refine_head"}
    assert {n.rsplit(".", 3)[0] for n in base - _names(refine="class")} == {"refine_head"}
    assert all(name.startswith("refine_head.score.") for name in base - _names(refine="regression"))
    assert {n.split(".")[0] for n in base - _names(use_trident_head=False)} == {"start_head", "end_head"}
    assert all(n.endswith("scale") for n in base - _names(droppath=0.0))
    assert all(n.startswith("class_decoupling.") for n in base ^ _names(cls_neighbors="below"))
    assert all(n.startswith("offset_decoupling.") for n in base ^ _names(reg_neighbors="above"))
    assert not [n for n in _names(cls_neighbors="none") if n.startswith("class_decoupling.")]
    assert base == _names(gmg_gate="relu") == _names(gmg_gate="none") == _names(use_abs_pe=True)


def _block_parts(gate: str, branches: tuple[str, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    block = tiny(gmg_gate=gate, gmg_branches=branches).encoder.branch[1]
    z, mask = torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(6)), torch.ones(1, 8, 1)
    modules = {"global": block.mixer, "local": block.local, "instant": block.instant}
    with torch.inference_mode():
        parts = {
            name: module(z, mask) if name == "global" else module(z)
            for name, module in modules.items()
            if module is not None
        }
        return block.mix(z, mask) - z, parts


@pytest.mark.parametrize("gate", ["identity", "relu", "none"])
def test_gates_multiply_each_granularity_by_the_next_coarser_one(gate):
    g = {"identity": lambda t: t, "relu": torch.relu, "none": torch.ones_like}[gate]
    mixed, parts = _block_parts(gate, ("instant", "local", "global"))
    local = g(parts["global"]) * parts["local"]
    torch.testing.assert_close(mixed, parts["global"] + local + g(local) * parts["instant"], rtol=1e-4, atol=1e-4)
    mixed, parts = _block_parts(gate, ("instant", "global"))
    torch.testing.assert_close(mixed, parts["global"] + g(parts["global"]) * parts["instant"], rtol=1e-4, atol=1e-4)
    mixed, parts = _block_parts(gate, ("instant",))
    torch.testing.assert_close(mixed, parts["instant"], rtol=1e-4, atol=1e-4)


def test_the_spectral_filter_is_the_one_of_the_method():
    mixer = tiny().encoder.stem[0].mixer
    z = torch.randn(2, 10, 32, generator=torch.Generator().manual_seed(8))
    spectrum = torch.fft.rfft(z, dim=1, norm="ortho")
    re, im = spectrum.real, spectrum.imag
    r1 = torch.relu(re * mixer.w1[0] - im * mixer.w1[1] + mixer.b1[0])
    i1 = torch.relu(im * mixer.w1[0] + re * mixer.w1[1] + mixer.b1[1])
    r2 = r1 * mixer.w2[0] - i1 * mixer.w2[1] + mixer.b2[0]
    i2 = i1 * mixer.w2[0] + r1 * mixer.w2[1] + mixer.b2[1]
    shrunk = torch.complex(*(v.sign() * (v.abs() - 0.001).clamp(min=0) for v in (r2, i2)))
    expected = torch.fft.irfft(spectrum * shrunk, n=10, dim=1, norm="ortho")
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            torch.testing.assert_close(mixer(z, torch.ones(2, 10, 1)), expected, rtol=1e-4, atol=1e-5)


def test_attention_sees_real_steps_only():
    mixer = tiny(global_extractor="attention").encoder.stem[0].mixer
    z = torch.randn(1, 12, 32, generator=torch.Generator().manual_seed(8))
    mask = (torch.arange(12) < 7).float()[None, :, None]
    other = torch.where(mask.bool(), z, 50.0)
    with torch.inference_mode():
        torch.testing.assert_close(mixer(z, mask)[:, :7], mixer(other, mask)[:, :7])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gmg_branches": ()}, "one to three"),
        ({"gmg_branches": ("local", "local")}, "one to three"),
        ({"fpn_dim": 24}, "must equal embd_dim"),
        ({"embd_dim": 24, "fpn_dim": 24}, "multiple of 16"),
        ({"cls_prior_prob": 1.0}, "between 0 and 1"),
        ({"droppath": 1.0}, r"(?s)droppath.*less than 1"),
        ({"head_kernel_size": 4}, "head_kernel_size must be odd"),
        ({"block_kernel_sizes": (1, 3)}, "2 entries, but branch_blocks 2 makes 3 levels"),
        ({"block_kernel_sizes": (1, 2, 3)}, "must be odd"),
        ({"regression_range": ((0, 4), (4, 4), (4, 9))}, "must rise"),
        ({"num_bins": 0}, "(?s)num_bins.*greater than or equal to 1"),
        ({"stem_blocks": -1}, "(?s)stem_blocks.*greater than or equal to 0"),
        ({"init_conv_vars": -1.0}, "init_conv_vars"),
    ],
)
def test_impossible_configs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes)
