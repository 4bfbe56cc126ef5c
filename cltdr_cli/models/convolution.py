"""Convolution over time on ``[B, T, C]`` tensors, as matrix products where that is faster.

Training and GPUs use PyTorch's own kernels. On a CPU without gradients the same sums are arranged as large
matrix products, and kernels of three steps and stride one use Winograd's F(4, 3): six products for four
outputs instead of twelve (Lavin & Gray, CVPR 2016), which halves the arithmetic of nine tenths of the model.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Below this length, or with fewer outputs, the transforms cost more than the products they save.
_WINOGRAD_MIN_STEPS = 32
_FEW_OUTPUTS = 64

_WINOGRAD_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


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
        self._arranged = _Arranged()

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C_in] -> [B, ceil(T / stride), C_out]."""
        if self.groups == 1 and self.kernel == 1 and self.stride == 1:
            return F.linear(x, self.weight.squeeze(2), self.bias)
        if _use_products(x) and self.groups == 1:
            return self._products(x)
        out = F.conv1d(
            x.transpose(1, 2), self.weight, self.bias, self.stride, self.kernel // 2, groups=self.groups
        )
        return out.transpose(1, 2)

    def _products(self, x: Tensor) -> Tensor:
        few = self.weight.shape[0] < _FEW_OUTPUTS
        if self.kernel == 3 and self.stride == 1 and x.shape[1] >= _WINOGRAD_MIN_STEPS and not few:
            return _winograd(x, self._arranged(self.weight, _winograd_weight), self.bias)
        if self.stride == 1 and few:
            return _shifted_sum(x, self._arranged(self.weight, _stacked_weight), self.bias, self.kernel)
        return _tapped(x, self._arranged(self.weight, _tap_weights), self.bias, self.kernel, self.stride)


class TimeConvTranspose(nn.Module):
    """ConvTranspose1d(kernel 3, stride 2, padding 1, output padding 1): ``[B, T, C]`` -> ``[B, 2T, C_out]``."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        plain = nn.ConvTranspose1d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)
        self.weight = plain.weight
        self.bias = plain.bias
        self._arranged = _Arranged()

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C_in] -> [B, 2T, C_out]."""
        if not _use_products(x):
            out = F.conv_transpose1d(x.transpose(1, 2), self.weight, self.bias, 2, 1, 1)
            return out.transpose(1, 2)
        before, here, after = (x @ self._arranged(self.weight, _transposed_weight)).chunk(3, dim=2)
        out = torch.stack([here, after], dim=2)
        out[:, :-1, 1] += before[:, 1:]
        return out.flatten(1, 2) if self.bias is None else out.flatten(1, 2).add_(self.bias)


class _Arranged:
    """A weight in the order of the matrix product, made once and again whenever the weight has changed."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._value = torch.empty(0)

    def __call__(self, weight: Tensor, arrange: Callable[[Tensor], Tensor]) -> Tensor:
        key = (weight.data_ptr(), weight._version, arrange)
        if key != self._key:
            self._value, self._key = arrange(weight.detach()), key
        return self._value

    def __deepcopy__(self, memo: dict[int, object]) -> _Arranged:
        return _Arranged()


def _use_products(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled()


def _tap_weights(weight: Tensor) -> Tensor:
    return weight.permute(2, 1, 0).contiguous()


def _stacked_weight(weight: Tensor) -> Tensor:
    return weight.permute(1, 2, 0).flatten(1).contiguous()


def _transposed_weight(weight: Tensor) -> Tensor:
    return weight.permute(0, 2, 1).flatten(1).contiguous()


def _winograd_weight(weight: Tensor) -> Tensor:
    kernel = torch.tensor(_WINOGRAD_KERNEL, dtype=torch.float64)
    return torch.einsum("jk,oik->jio", kernel, weight.double()).float().contiguous()


def _tapped(x: Tensor, taps: Tensor, bias: Tensor | None, kernel: int, stride: int) -> Tensor:
    """Sum over kernel taps of (shifted x) @ tap; no unfolded copy is made."""
    steps = -(-x.shape[1] // stride)
    padded = F.pad(x, (0, 0, kernel // 2, kernel // 2 + stride - 1))
    rows = []
    for item in padded:
        out = x.new_zeros(steps, taps.shape[2]) if bias is None else bias.expand(steps, -1).contiguous()
        for tap in range(kernel):
            out.addmm_(item[tap : tap + stride * (steps - 1) + 1 : stride], taps[tap])
        rows.append(out)
    return torch.stack(rows) if len(rows) > 1 else rows[0][None]


def _shifted_sum(x: Tensor, stacked: Tensor, bias: Tensor | None, kernel: int) -> Tensor:
    """Few outputs: one product with all taps side by side, then the taps' rows are shifted and added."""
    steps, half = x.shape[1], kernel // 2
    products = F.pad(x @ stacked, (0, 0, half, half)).unflatten(2, (kernel, -1))
    out = products[:, :steps, 0].clone() if bias is None else products[:, :steps, 0] + bias
    for tap in range(1, kernel):
        out += products[:, tap : tap + steps, tap]
    return out


def _winograd(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """F(4, 3) over tiles of four steps; weight ``[6, C_in, C_out]``."""
    batch, steps, channels = x.shape
    tiles = -(-steps // 4)
    padded = F.pad(x, (0, 0, 1, 4 * tiles - steps + 5))
    d0, d1, d2, d3, d4, d5 = (padded[:, i : i + 4 * tiles : 4] for i in range(6))
    even, odd = torch.sub(d4, d2, alpha=4), torch.sub(d3, d1, alpha=4)
    even2, odd2 = d4 - d2, d3 - d1
    transformed = x.new_empty(6, batch, tiles, channels)
    torch.sub(even, d2, out=transformed[0]).add_(d0, alpha=4)
    torch.add(even, odd, out=transformed[1])
    torch.sub(even, odd, out=transformed[2])
    torch.add(even2, odd2, alpha=2, out=transformed[3])
    torch.sub(even2, odd2, alpha=2, out=transformed[4])
    torch.sub(d5, d3, out=transformed[5]).sub_(odd2, alpha=4)
    m0, m1, m2, m3, m4, m5 = torch.bmm(transformed.flatten(1, 2), weight).unflatten(1, (batch, tiles))
    out = x.new_empty(batch, tiles, 4, weight.shape[2])
    plus, minus, plus2, minus2 = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    torch.add(plus, plus2, out=out[:, :, 0]).add_(m0)
    torch.add(minus, minus2, alpha=2, out=out[:, :, 1])
    torch.add(plus, plus2, alpha=4, out=out[:, :, 2])
    torch.add(minus, minus2, alpha=8, out=out[:, :, 3]).add_(m5)
    out = out.flatten(1, 2)[:, :steps]
    return out if bias is None else out + bias
