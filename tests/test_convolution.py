"""Convolutions as matrix products are PyTorch's convolutions, for every shape."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cltdr_cli.models import products
from cltdr_cli.models.convolution import TimeConv, TimeConvTranspose, plain_convolution
from cltdr_cli.models.layers import GroupNorm, MaskedConv, copy_by_columns, rectify

TOLERANCE = 2e-5  # relative to the largest output; Winograd's transforms cost about one digit of float32


def _seeded(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _reference(conv: TimeConv, x: torch.Tensor) -> torch.Tensor:
    bias = None if conv.bias is None else conv.bias.double()
    out = F.conv1d(
        x.double().transpose(1, 2), conv.weight.double(), bias, conv.stride, conv.kernel // 2, groups=conv.groups
    )
    return out.transpose(1, 2)


def _assert_close(ours: torch.Tensor, expected: torch.Tensor) -> None:
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() <= TOLERANCE * expected.abs().max().clamp(min=1)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 200),
    st.sampled_from([1, 3, 16, 40]),
    st.sampled_from([1, 5, 63, 64, 80]),
    st.sampled_from([1, 3, 5, 7]),
    st.sampled_from([1, 2]),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_products_equal_convolution(batch, steps, channels_in, channels_out, kernel, stride, bias, seed):
    conv = TimeConv(channels_in, channels_out, kernel, stride=stride, bias=bias)
    x = _seeded(seed, batch, steps, channels_in)
    with torch.inference_mode():
        _assert_close(conv(x), _reference(conv, x))
        with plain_convolution():
            _assert_close(conv(x), _reference(conv, x))
    _assert_close(conv(x).detach(), _reference(conv, x).detach())


@pytest.mark.parametrize("steps", [31, 32, 33, 1535, 1536, 1537, 1541, 3100])
def test_winograd_at_the_edges_of_its_parts(steps):
    conv = TimeConv(8, 64, 3)
    x = _seeded(steps, 2, steps, 8)
    with torch.inference_mode():
        _assert_close(conv(x), _reference(conv, x))
        _assert_close(
            products.convolve_winograd(x[:, :1], products.arrange_winograd(conv.weight), conv.bias),
            _reference(conv, x[:, :1]),
        )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 60), st.sampled_from([1, 3, 15]), st.booleans(), st.integers(0, 10**6))
def test_depthwise_equals_grouped_convolution(batch, steps, kernel, bias, seed):
    conv = TimeConv(6, 6, kernel, groups=6, bias=bias)
    x = _seeded(seed, batch, steps, 6)
    with torch.inference_mode():
        _assert_close(conv(x), _reference(conv, x))
        with plain_convolution():
            _assert_close(conv(x), _reference(conv, x))
    _assert_close(conv(x).detach(), _reference(conv, x).detach())


def test_groups_that_are_not_depthwise_still_convolve():
    for conv in (TimeConv(6, 4, 3, groups=2), TimeConv(4, 8, 1, groups=4), TimeConv(4, 4, 3, groups=4, stride=2)):
        x = _seeded(0, 2, 10, conv.weight.shape[1] * conv.groups)
        with torch.inference_mode():
            _assert_close(conv(x), _reference(conv, x))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 60), st.sampled_from([1, 7]), st.sampled_from([1, 5]), st.integers(0, 10**6))
def test_transposed_products_equal_transposed_convolution(batch, steps, channels_in, channels_out, seed):
    conv = TimeConvTranspose(channels_in, channels_out)
    x = _seeded(seed, batch, steps, channels_in)
    expected = F.conv_transpose1d(
        x.double().transpose(1, 2), conv.weight.double(), conv.bias.double(), stride=2, padding=1, output_padding=1
    ).transpose(1, 2)
    with torch.inference_mode():
        _assert_close(conv(x), expected)
        with plain_convolution():
            _assert_close(conv(x), expected)
    _assert_close(conv(x).detach(), expected.detach())


def test_the_input_is_left_as_it_was_and_the_output_is_new():
    x = _seeded(1, 1, 40, 64)
    before = x.clone()
    mask = torch.ones(1, 40, 1)
    mask[:, 30:] = 0
    layers = [MaskedConv(64, 64, k) for k in (1, 3, 5)] + [MaskedConv(64, 64, 3, groups=64), MaskedConv(64, 8, 3)]
    with torch.inference_mode():
        for layer in layers:
            out = layer(x, mask)
            assert out.data_ptr() != x.data_ptr()
            assert (out[:, 30:] == 0).all()
            assert x.equal(before)


def test_gradients_do_not_depend_on_what_ran_without_them():
    conv = TimeConv(8, 64, 3)
    x = _seeded(2, 1, 50, 8).requires_grad_()
    with torch.no_grad():
        conv(x)
    conv(x).square().sum().backward()
    weight = conv.weight.detach().clone().requires_grad_()
    other = x.detach().clone().requires_grad_()
    out = F.conv1d(other.transpose(1, 2), weight, conv.bias, padding=1)
    out.square().sum().backward()
    torch.testing.assert_close(conv.weight.grad, weight.grad)
    torch.testing.assert_close(x.grad, other.grad)


def test_changed_weights_are_seen():
    conv = TimeConv(8, 64, 3)
    x = _seeded(3, 1, 40, 8)

    def check() -> None:
        with torch.inference_mode():
            _assert_close(conv(x), _reference(conv, x))

    check()
    with torch.no_grad():
        conv.weight.mul_(2)
    check()
    with torch.inference_mode():
        conv.weight.mul_(2)
    check()
    torch.optim.AdamW(conv.parameters(), 0.5).step()
    conv(x).sum().backward()
    torch.optim.AdamW(conv.parameters(), 0.5).step()
    check()
    conv.load_state_dict(TimeConv(8, 64, 3).state_dict())
    check()
    conv.weight.data = _seeded(4, 64, 8, 3)
    check()
    conv.weight = torch.nn.Parameter(_seeded(5, 64, 8, 3))
    check()
    twin = copy.deepcopy(conv)
    with torch.no_grad():
        twin.weight.zero_()
        assert twin(x).equal(twin.bias.expand(1, 40, -1))
    check()


def test_weights_made_in_inference_mode_work():
    with torch.inference_mode():
        conv = TimeConv(8, 64, 3)
        x = _seeded(6, 1, 40, 8)
        _assert_close(conv(x), _reference(conv, x))


def test_plain_convolution_ends_with_its_block(monkeypatch):
    conv, x, calls = TimeConv(8, 64, 3), _seeded(7, 1, 40, 8), []
    original = products.convolve_winograd
    monkeypatch.setattr(products, "convolve_winograd", lambda *arguments: calls.append(1) or original(*arguments))

    def fail_inside() -> None:
        with plain_convolution():
            conv(x)
            raise RuntimeError

    with torch.inference_mode():
        with pytest.raises(RuntimeError):
            fail_inside()
        assert not calls
        conv(x)
        assert calls


@pytest.mark.parametrize("batch", [1, 3])
def test_group_norm_is_pytorchs(batch):
    norm = GroupNorm(32, groups=16)
    with torch.no_grad():
        norm.weight.copy_(_seeded(8, 32))
        norm.bias.copy_(_seeded(9, 32))
    x = 100 + _seeded(10, batch, 21, 32)
    expected = F.group_norm(x.transpose(1, 2).double(), 16, norm.weight.double(), norm.bias.double()).transpose(1, 2)
    torch.testing.assert_close(norm(x).double(), expected, rtol=1e-4, atol=1e-4)


def test_rectified_spares_what_gradients_need():
    x = _seeded(11, 5).requires_grad_()
    out = rectify(x * 1)
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.equal((x > 0).float())


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 70, 80), (3, 129, 64), (2, 5, 3)])
def test_a_copy_by_columns_holds_the_same_values_another_way_round(shape):
    x = _seeded(6, *shape)
    with torch.inference_mode():
        copied = copy_by_columns(x)
        with plain_convolution():
            assert copy_by_columns(x) is x
    torch.testing.assert_close(copied, x, rtol=0, atol=0)
    assert copied.transpose(1, 2).is_contiguous()
    assert copied.data_ptr() != x.data_ptr()
    assert copy_by_columns(x) is x  # where gradients are wanted
