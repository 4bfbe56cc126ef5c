"""Convolution over time on ``[B, T, C]`` tensors, as matrix products where that is faster.

Training and GPUs use PyTorch's own kernels; a CPU without gradients uses ``products``, for the same sums.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models import products

# Below this length, or with fewer outputs, Winograd's transforms cost more than the products they save.
_WINOGRAD_MIN_STEPS = 32
_FEW_OUTPUTS = 64

_plain: ContextVar[bool] = ContextVar("plain", default=False)


@contextmanager
def plain_convolution() -> Generator[None]:
    """Inside, every convolution is PyTorch's own: what the fast ones are measured and checked against."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def is_plain() -> bool:
    """Whether everything is to be computed the plain way, inside ``plain_convolution``."""
    return _plain.get()


class TimeConv(nn.Module):
    """Conv1d over ``[B, T, C_in]`` -> ``[B, ceil(T / stride), C_out]`` with padding ``kernel // 2``.

    Parameters keep PyTorch's layout, ``weight`` ``[C_out, C_in / groups, kernel]``.

    Args:
        channels_in: C_in.
        channels_out: C_out.
        kernel: Odd kernel size in steps.
        stride: 1 or 2.
        groups: 1, or C_in for a depth-wise convolution.
        bias: Whether a bias is added.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        plain = nn.Conv1d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=bias)
        self.weight = plain.weight
        self.bias = plain.bias
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self._depthwise = groups == channels_in == channels_out and stride == 1
        self._arranged = _Arranged()

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C_in] -> [B, ceil(T / stride), C_out]; always a new tensor."""
        pointwise = self.kernel == 1 and self.stride == 1 and not _plain.get()
        if pointwise and self.groups == 1:
            return F.linear(x, self.weight.squeeze(2), self.bias)
        if pointwise and self._depthwise:
            return products.convolve_depthwise(x, self.weight[:, 0].T, self.bias)
        if _use_products(x) and (self.groups == 1 or self._depthwise):
            return self._products(x)
        out = F.conv1d(x.transpose(1, 2), self.weight, self.bias, self.stride, self.kernel // 2, groups=self.groups)
        return out.transpose(1, 2)

    def _products(self, x: Tensor) -> Tensor:
        outputs, arranged = self.weight.shape[0], self._arranged
        if self.groups > 1:
            return products.convolve_depthwise(x, arranged(self.weight, products.arrange_depthwise), self.bias)
        if self.stride == 1 and outputs < _FEW_OUTPUTS:
            columns = arranged(self.weight, products.arrange_few)
            return products.convolve_few_outputs(x, columns, self.bias, self.kernel, outputs)
        if self.stride == 1 and self.kernel == 3 and x.shape[1] >= _WINOGRAD_MIN_STEPS:
            return products.convolve_winograd(x, arranged(self.weight, products.arrange_winograd), self.bias)
        return products.convolve_taps(x, arranged(self.weight, products.arrange_taps), self.bias, self.stride)


def sum_depthwise(x: Tensor, wide: TimeConv, narrow: TimeConv) -> Tensor:
    """Sum of two depth-wise convolutions of the same input, computed as one with the sum of their kernels."""
    if _plain.get() or wide.bias is None or narrow.bias is None:
        return wide(x) + narrow(x)
    margin = (wide.kernel - narrow.kernel) // 2
    weight, bias = wide.weight + F.pad(narrow.weight, (margin, margin)), wide.bias + narrow.bias
    if _use_products(x):
        return products.convolve_depthwise(x, products.arrange_depthwise(weight), bias)
    out = F.conv1d(x.transpose(1, 2), weight, bias, padding=wide.kernel // 2, groups=wide.groups)
    return out.transpose(1, 2)


class TimeConvTranspose(nn.Module):
    """ConvTranspose1d(kernel 3, stride 2, padding 1, output padding 1): ``[B, T, C]`` -> ``[B, 2T, C_out]``."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        plain = nn.ConvTranspose1d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)
        self.weight = plain.weight
        self.bias = plain.bias
        self._arranged = _Arranged()

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C_in] -> [B, 2T, C_out]; always a new tensor."""
        if _use_products(x):
            return products.convolve_transposed(x, self._arranged(self.weight, products.arrange_transposed), self.bias)
        return F.conv_transpose1d(x.transpose(1, 2), self.weight, self.bias, 2, 1, 1).transpose(1, 2)


class _Arranged:
    """A weight in the order of the matrix product, made once and again whenever the weight has changed."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._value = torch.empty(0)

    def __call__(self, weight: Tensor, arrange: Callable[[Tensor], Tensor]) -> Tensor:
        version = None if weight.is_inference() else weight._version  # inference tensors do not count changes
        key = (weight.data_ptr(), version, arrange)
        if key != self._key:
            self._value, self._key = arrange(weight.detach()), key
        return self._value

    def __deepcopy__(self, memo: dict[int, object]) -> _Arranged:
        return _Arranged()


def _use_products(x: Tensor) -> bool:
    without_gradients = not torch.is_grad_enabled() and not _plain.get()
    return without_gradients and x.device.type == "cpu" and x.dtype == torch.float32
