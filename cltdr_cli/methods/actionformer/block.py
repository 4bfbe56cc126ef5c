"""The transformer block of ActionFormer: attention in a window around each step, then an MLP."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cltdr_cli.models.attention import attend
from cltdr_cli.models.blocks import max_pool
from cltdr_cli.models.convolution import TimeConv, is_plain
from cltdr_cli.models.layers import MaskedConv, SampleDropout, make_drop_path

_MLP_RATIO = 4
_STEPS_AT_ONCE = 8192
"""Without gradients a block takes no more steps of a long sequence at a time, to bound its memory."""


class Branch(nn.Module):
    """Queries, keys or values: a depth-wise masked convolution, a norm, and a 1×1 convolution."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = MaskedConv(channels, channels, 3, stride=stride, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels)
        self.out = make_pointwise(channels, channels)

    def forward(self, x: Tensor, mask: Tensor, heads: int) -> Tensor:
        """``[B, T, C]`` and mask ``[B, T, 1]`` -> ``[B, H, T / stride, C / H]``."""
        return self.out(self.norm(self.conv(x, mask))).unflatten(2, (heads, -1)).transpose(1, 2)


class WindowAttention(nn.Module):
    """Multi-head attention of each step to the steps around it.

    Args:
        channels: D.
        heads: H; each has D / H channels.
        window: Steps seen around a step; 1 or less sees all.
        stride: 1, or 2 to halve the length.
        use_rel_pe: Learn a score for each distance within the window.
        dropout: After the output.
    """

    without_decay = ("rel_pe",)

    def __init__(self, channels: int, heads: int, window: int, stride: int, use_rel_pe: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.query, self.key, self.value = (Branch(channels, stride) for _ in range(3))
        self.out = make_pointwise(channels, channels)
        self.dropout = SampleDropout(dropout)
        self.rel_pe = None
        if use_rel_pe and window > 1:
            self.rel_pe = nn.Parameter(torch.zeros(heads, window))
            nn.init.trunc_normal_(self.rel_pe, std=(2.0 / channels) ** 0.5)

    def forward(self, x: Tensor, mask: Tensor, halved: Tensor) -> Tensor:
        """Normed ``[B, T, C]``, its mask, and that of the output -> ``[B, T / stride, C]``, zero at padding."""
        query, key, value = (branch(x, mask, self.heads) for branch in (self.query, self.key, self.value))
        seen = attend(query, key, value, halved, self.window, self.rel_pe)
        return self.dropout(self.out(seen.transpose(1, 2).flatten(2))) * halved


class TransformerBlock(nn.Module):
    """``y = skip(x)·mask + drop(attention(norm(x)))`` and ``y + drop(MLP(norm(y))·mask)``; zero at padding.

    Args:
        channels: D.
        attention: On the normed input.
        stride: 1, or 2 to halve the length; the skip is then a maximum of three steps.
        droppath: Probability; 0 also removes the learned scales.
        dropout: After both layers of the MLP.
    """

    def __init__(self, channels: int, attention: WindowAttention, stride: int, droppath: float, dropout: float) -> None:
        super().__init__()
        self.stride = stride
        self.attention_norm, self.mlp_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = attention
        self.mlp_in = make_pointwise(channels, _MLP_RATIO * channels)
        self.mlp_out = make_pointwise(_MLP_RATIO * channels, channels)
        self.hidden_dropout, self.mlp_dropout = SampleDropout(dropout), SampleDropout(dropout)
        self.drop_attention, self.drop_mlp = make_drop_path(channels, droppath), make_drop_path(channels, droppath)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, T, C]`` and mask ``[B, T, 1]`` -> the same, shorter by the stride."""
        halved = mask[:, :: self.stride]
        sees_all = self.attention.window <= 1
        if x.shape[1] <= _STEPS_AT_ONCE or sees_all or torch.is_grad_enabled() or is_plain():
            return self._transform(x, mask, halved), halved
        return self._transform_parts(x, mask), halved

    def _transform(self, x: Tensor, mask: Tensor, halved: Tensor) -> Tensor:
        skip = x if self.stride == 1 else max_pool(x)
        attended = self.attention(self.attention_norm(x), mask, halved)
        y = torch.addcmul(self.drop_attention(attended), skip, halved)
        hidden = self.hidden_dropout(F.gelu(self.mlp_in(self.mlp_norm(y))))
        return y + self.drop_mlp(self.mlp_dropout(self.mlp_out(hidden)) * halved)

    def _transform_parts(self, x: Tensor, mask: Tensor) -> Tensor:
        """As ``_transform``, part by part; each part also sees as much of its neighbours as attention reaches."""
        steps, stride = x.shape[1], self.stride
        reach = stride * (self.attention.window // 2 + 2)
        parts: list[Tensor] = []
        for start in range(0, steps, _STEPS_AT_ONCE):
            first, end = max(start - reach, 0), min(start + _STEPS_AT_ONCE, steps)
            seen = slice(first, min(end + reach, steps))
            part = self._transform(x[:, seen], mask[:, seen], mask[:, seen][:, ::stride])
            parts.append(part[:, (start - first) // stride : -(-(end - first) // stride)])
        return torch.cat(parts, dim=1)


def make_pointwise(channels_in: int, channels_out: int) -> TimeConv:
    """A 1×1 convolution whose bias starts at 0."""
    conv = TimeConv(channels_in, channels_out, 1)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
