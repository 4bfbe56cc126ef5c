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

# Tiles that are transformed and multiplied together: few enough for the memory in between to be used again at
# once, enough for the products to run at full speed.
_TILES_AT_ONCE = 384

# Matrix products are fastest when the number of columns is a multiple of a vector register.
_COLUMNS = 16

_WINOGRAD_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_WINOGRAD_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_WINOGRAD_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


def arrange_depthwise(weight: Tensor) -> Tensor:
    """``[C, 1, kernel]`` -> ``[kernel, C]``."""
    return weight[:, 0].T.contiguous()


def convolve_depthwise(x: Tensor, taps: Tensor, bias: Tensor | None) -> Tensor:
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


def convolve_taps(x: Tensor, taps: Tensor, bias: Tensor | None, stride: int) -> Tensor:
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


def convolve_few_outputs(x: Tensor, columns: Tensor, bias: Tensor | None, kernel: int, outputs: int) -> Tensor:
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


def convolve_transposed(x: Tensor, columns: Tensor, bias: Tensor | None) -> Tensor:
    """Transposed convolution of kernel 3, stride 2: step t meets outputs 2t - 1, 2t and 2t + 1."""
    before, here, after = (x @ columns).chunk(3, dim=2)
    out = torch.stack([here, after], dim=2)
    out[:, :-1, 1] += before[:, 1:]
    return out.flatten(1, 2) if bias is None else out.flatten(1, 2).add_(bias)


def arrange_winograd(weight: Tensor) -> Tensor:
    """``[C_out, C_in, 3]`` -> ``[6, C_in, C_out]``."""
    kernel = torch.tensor(_WINOGRAD_KERNEL, dtype=torch.float64)
    return torch.einsum("jk,oik->jio", kernel, weight.double()).float().contiguous()


def convolve_winograd(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Kernel of three by F(4, 3): windows of six steps into six products, and these into four outputs."""
    batch, steps, _ = x.shape
    tiles, outputs = -(-steps // 4), weight.shape[2]
    out = x.new_empty(batch, tiles, 4, outputs)
    into, back = x.new_tensor(_WINOGRAD_INPUT), x.new_tensor(_WINOGRAD_OUTPUT)
    at_once = -(-tiles // -(-tiles // _TILES_AT_ONCE))  # parts of equal size
    for item, result in zip(x, out, strict=True):
        for first, part in zip(range(0, tiles, at_once), result.split(at_once), strict=True):
            count = len(part)
            windows = _cut_windows(item, 4 * first - 1, 4 * (first + count) + 1)
            transformed = torch.bmm(into.expand(count, -1, -1), windows.transpose(1, 2)).transpose(0, 1)
            product = torch.bmm(transformed, weight).transpose(0, 1)
            torch.bmm(back.expand(count, -1, -1), product, out=part)
    out = out.flatten(1, 2)[:, :steps]
    return out if bias is None else out.add_(bias)


def _cut_windows(x: Tensor, start: int, end: int) -> Tensor:
    """Windows ``[N, C, 6]`` every four steps of steps ``start`` to ``end`` of ``[T, C]``; zeros outside."""
    before, after = max(-start, 0), max(end - len(x), 0)
    part = x[max(start, 0) : end]
    return (F.pad(part, (0, 0, before, after)) if before or after else part).unfold(0, 6, 4)
