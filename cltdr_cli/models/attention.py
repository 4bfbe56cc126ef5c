"""Self-attention over time: in a window around each step, or over the whole sequence.

Windowed attention is computed in blocks of queries, each with the keys of its block and half a window on both sides, so
memory grows linearly with the length of the sequence.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cltdr_cli.models.convolution import is_plain

_BLOCK_STEPS = 32
_PADDED_KEY = -1e4
"""Added to the scores of padded keys (as published); in float32 their weight is 0 beside any real key's."""

_FORBIDDEN = -1e9


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, window: int, bias: Tensor | None = None) -> Tensor:
    """Multi-head self-attention.

    Args:
        query: ``[B, H, T, d]``; scaled here by ``d^-0.5``.
        key: ``[B, H, T, d]``.
        value: ``[B, H, T, d]``.
        mask: ``[B, T, 1]``, 1 on real steps.
        window: A query sees keys at most ``window // 2`` steps away; 1 or less: all real keys.
        bias: ``[H, window]``, added to the score of a query and a key by their distance, earliest key first; only for
            odd windows.

    Returns:
        ``[B, H, T, d]``. What stands at padded queries means nothing.
    """
    if window <= 1:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask.transpose(1, 2).bool()[:, None])
    query = query * query.shape[3] ** -0.5
    if is_plain():
        return _attend_full(query, key, value, mask, window, bias)
    return _attend_blocks(query, key, value, mask, window, bias)


def _attend_blocks(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, window: int, bias: Tensor | None) -> Tensor:
    half, steps = window // 2, query.shape[2]
    blocks = -(-steps // _BLOCK_STEPS)
    filler = blocks * _BLOCK_STEPS - steps
    span = _BLOCK_STEPS + 2 * half
    queries = F.pad(query, (0, 0, 0, filler)).unflatten(2, (blocks, _BLOCK_STEPS))
    keys = F.pad(key, (0, 0, half, half + filler)).unfold(2, span, _BLOCK_STEPS)
    values = F.pad(value, (0, 0, half, half + filler)).unfold(2, span, _BLOCK_STEPS)
    penalty = F.pad(_key_penalty(mask), (half, half + filler), value=_FORBIDDEN).unfold(2, span, _BLOCK_STEPS)
    distance = torch.arange(span, device=query.device) - torch.arange(_BLOCK_STEPS, device=query.device)[:, None]
    scores = (queries @ keys) + _distance_bias(distance, window, bias) + penalty[:, :, :, None]
    # Of a key further away nothing may be left, even where all keys of a query are padded.
    out = scores.softmax(4) @ values.transpose(3, 4)
    return out.flatten(2, 3)[:, :, :steps]


def _attend_full(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, window: int, bias: Tensor | None) -> Tensor:
    """The same through the whole T×T matrix: what the blocks are measured and checked against."""
    steps = torch.arange(query.shape[2], device=query.device)
    distance = steps - steps[:, None] + window // 2
    scores = query @ key.transpose(2, 3) + _distance_bias(distance, window, bias)[:, 0]
    return (scores + _key_penalty(mask)[:, :, None]).softmax(3) @ value


def _key_penalty(mask: Tensor) -> Tensor:
    """``[B, 1, T]``: 0 for real keys."""
    return (1 - mask.transpose(1, 2)) * _PADDED_KEY


def _distance_bias(distance: Tensor, window: int, bias: Tensor | None) -> Tensor:
    """Additive scores ``[1 or H, 1, Q, K]`` of ``distance`` ``[Q, K]``: key minus query, plus half a window."""
    widest = 2 * (window // 2)
    outside = (distance < 0) | (distance > widest)
    if bias is None:
        return torch.zeros_like(distance, dtype=torch.float32).masked_fill(outside, _FORBIDDEN)[None, None]
    return bias[:, distance.clamp(0, widest)].masked_fill(outside, _FORBIDDEN)[:, None]
