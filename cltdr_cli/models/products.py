"""Convolutions over time arranged as matrix products, for a CPU without gradients.

Everything is ``[B, T, C]``. A matrix product runs at nearly the full speed of a CPU where PyTorch's Conv1d reaches
half of it, and kernels of three steps take half of the arithmetic by Winograd's F(4, 3): six products for four
outputs instead of twelve (Lavin & Gray, CVPR 2016).

Each function takes its weight in an order of its own, made by the ``arrange_…`` function above it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Tiles that are transformed and multiplied together: few enough to stay in the cache between these two, enough
# for the products to run at full speed.
_TILES_AT_ONCE = 512

# Matrix products are fastest when the number of columns is a multiple of a vector register.
_COLUMNS = 16

_WINOGRAD_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


def arrange_depthwise(weight: Tensor) -> Tensor:
    """``[C, 1, kernel]`` -> ``[kernel, C]``."""
    return weight[:, 0].T.contiguous()


def depthwise(x: Tensor, taps: Tensor, bias: Tensor | None) -> Tensor:
    """One filter per channel: the sum over taps of shifted x times the tap."""
    kernel, steps = taps.shape[0], x.shape[1]
    padded = F.pad(x, (0, 0, kernel // 2, kernel // 2)) if kernel > 1 else x
    first = padded[:, :steps]
    out = first * taps[0] if bias is None else torch.addcmul(bias, first, taps[0])
    for tap in range(1, kernel):
        out.addcmul_(padded[:, tap : tap + steps], taps[tap])
    return out


def arrange_taps(weight: Tensor) -> Tensor:
    """``[C_out, C_in, kernel]`` -> ``[kernel, C_in, C_out]``."""
    return weight.permute(2, 1, 0).contiguous()


def tapped(x: Tensor, taps: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """Sum over kernel taps of (shifted x) @ tap; no unfolded copy is made."""
    kernel, steps = taps.shape[0], -(-x.shape[1] // stride)
    padded = F.pad(x, (0, 0, kernel // 2, kernel // 2 + stride - 1))
    rows = []
    for item in padded:
        # A copy of the bias also for one step, where `expand(...).contiguous()` would be the bias itself.
        out = x.new_zeros(steps, taps.shape[2]) if bias is None else bias.repeat(steps, 1)
        for tap in range(kernel):
            out.addmm_(item[tap : tap + stride * (steps - 1) + 1 : stride], taps[tap])
        rows.append(out)
    return torch.stack(rows) if len(rows) > 1 else rows[0][None]


def arrange_few(weight: Tensor) -> Tensor:
    """``[C_out, C_in, kernel]`` -> ``[C_in, kernel · C_out]``, filled up with columns of zeros."""
    columns = weight.permute(1, 2, 0).flatten(1)
    return F.pad(columns, (0, -columns.shape[1] % _COLUMNS)).contiguous()


def few_outputs(x: Tensor, columns: Tensor, bias: Tensor | None, kernel: int, outputs: int) -> Tensor:
    """One product with all taps side by side; then the taps' rows are shifted and added."""
    steps, half = x.shape[1], kernel // 2
    products = F.pad((x @ columns)[..., : kernel * outputs], (0, 0, half, half)).unflatten(2, (kernel, outputs))
    out = products[:, :steps, 0].clone() if bias is None else products[:, :steps, 0] + bias
    for tap in range(1, kernel):
        out += products[:, tap : tap + steps, tap]
    return out


def arrange_transposed(weight: Tensor) -> Tensor:
    """``[C_in, C_out, 3]`` -> ``[C_in, 3 · C_out]``."""
    return weight.permute(0, 2, 1).flatten(1).contiguous()


def transposed(x: Tensor, columns: Tensor, bias: Tensor | None) -> Tensor:
    """Transposed convolution of kernel 3, stride 2: step t meets outputs 2t - 1, 2t and 2t + 1."""
    before, here, after = (x @ columns).chunk(3, dim=2)
    out = torch.stack([here, after], dim=2)
    out[:, :-1, 1] += before[:, 1:]
    return out.flatten(1, 2) if bias is None else out.flatten(1, 2).add_(bias)


def arrange_winograd(weight: Tensor) -> Tensor:
    """``[C_out, C_in, 3]`` -> ``[6, C_in, C_out]``."""
    kernel = torch.tensor(_WINOGRAD_KERNEL, dtype=torch.float64)
    return torch.einsum("jk,oik->jio", kernel, weight.double()).float().contiguous()


def winograd(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Kernel of three by F(4, 3), over tiles of four steps."""
    batch, steps, channels = x.shape
    tiles, outputs = -(-steps // 4), weight.shape[2]
    out = x.new_empty(batch, tiles, 4, outputs)
    at_once = -(-tiles // -(-tiles // _TILES_AT_ONCE))  # parts of equal size
    rows, spare = x.new_empty(4 * at_once + 2, channels), x.new_empty(4, at_once, max(channels, outputs))
    inputs, products = x.new_empty(6, at_once, channels), x.new_empty(6, at_once, outputs)
    for item, result in zip(x, out, strict=True):
        for first in range(0, tiles, at_once):
            count = min(at_once, tiles - first)
            _copy_padded(item, 4 * first - 1, rows)
            _transform(rows, inputs, spare[..., :channels])
            torch.bmm(inputs, weight, out=products)
            _transform_back(products[:, :count], result[first : first + count], spare[:, :count, :outputs])
    out = out.flatten(1, 2)[:, :steps]
    return out if bias is None else out.add_(bias)


def _copy_padded(item: Tensor, first: int, rows: Tensor) -> None:
    """Steps from ``first`` on into ``rows``; zeros where there are none."""
    begin, end = max(first, 0), min(first + len(rows), len(item))
    rows[: begin - first] = 0
    rows[begin - first : end - first] = item[begin:end]
    rows[end - first :] = 0


def _transform(rows: Tensor, out: Tensor, spare: Tensor) -> None:
    """Rows ``[4 tiles + 2, C]`` -> ``[6, tiles, C]``."""
    d0, d1, d2, d3, d4, d5 = (rows[i : len(rows) - 5 + i : 4] for i in range(6))
    even, odd, even2, odd2 = spare
    torch.sub(d4, d2, alpha=4, out=even)
    torch.sub(d3, d1, alpha=4, out=odd)
    torch.sub(d4, d2, out=even2)
    torch.sub(d3, d1, out=odd2)
    torch.sub(even, d2, out=out[0]).add_(d0, alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.add(even2, odd2, alpha=2, out=out[3])
    torch.sub(even2, odd2, alpha=2, out=out[4])
    torch.sub(d5, d3, out=out[5]).sub_(odd2, alpha=4)


def _transform_back(products: Tensor, out: Tensor, spare: Tensor) -> None:
    """Products ``[6, tiles, C]`` -> outputs ``[tiles, 4, C]``."""
    m0, m1, m2, m3, m4, m5 = products
    plus, minus, plus2, minus2 = spare
    torch.add(m1, m2, out=plus)
    torch.sub(m1, m2, out=minus)
    torch.add(m3, m4, out=plus2)
    torch.sub(m3, m4, out=minus2)
    torch.add(plus, plus2, out=out[:, 0]).add_(m0)
    torch.add(minus, minus2, alpha=2, out=out[:, 1])
    torch.add(plus, plus2, alpha=4, out=out[:, 2])
    torch.add(minus, minus2, alpha=8, out=out[:, 3]).add_(m5)
