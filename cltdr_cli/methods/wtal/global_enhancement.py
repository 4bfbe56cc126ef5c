"""Global feature enhancement: steps read the memory of other videos, in our reconstruction of DFE.

It exists in training only. DFE (ICASSP 2023) has no published code and only its abstract is known; the operators here
are our own choice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cltdr_cli.methods.wtal.local_enhancement import make_linear, make_zero_linear, narrow_channels


class GlobalEnhancement(nn.Module):
    """Features plus a gated part of what they find in the memory, which is exactly nothing with fresh weights.

    ``X + sigmoid(W_g·[X; W_o·G]) ⊙ W_o·G``, where ``G`` is attention from ``W_q·LN(X)`` to the slots.

    Args:
        channels: D of features and slots.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = narrow_channels(channels)
        self.norm = nn.LayerNorm(channels)
        self.query, self.key, self.value = (make_linear(channels, inner, bias=False) for _ in range(3))
        self.widen = make_zero_linear(inner, channels, bias=False)
        self.gate = make_linear(2 * channels, channels)

    def forward(self, features: Tensor, slots: Tensor, allowed: Tensor) -> Tensor:
        """``[B, T, D]`` -> ``[B, T, D]``.

        Args:
            features: ``[B, T, D]``.
            slots: ``[M, D]``, at length 1.
            allowed: Bool ``[B, M]``, which slots each video may read; a video that may read none stays as it is.
        """
        query, key, value = self.query(self.norm(features)), self.key(slots), self.value(slots)
        scores = (query @ key.T) * key.shape[1] ** -0.5
        # Of a video that may read nothing all scores are equal, and the weights are then taken away.
        weights = scores.masked_fill(~allowed[:, None], torch.finfo(scores.dtype).min).softmax(2) * allowed[:, None]
        found = self.widen(weights @ value)
        return features + self.gate(torch.cat([features, found], dim=2)).sigmoid() * found


def allow_slots(filled: Tensor, labels: Tensor | None) -> Tensor:
    """Bool ``[B, C·S]``: filled slots, of the videos' own classes only where labels are given.

    Args:
        filled: Bool ``[C, S]``.
        labels: ``[B, C]``, above 0 for the classes of each video; None for all classes, of a single row.
    """
    if labels is None:
        return filled.flatten()[None]
    return ((labels > 0)[:, :, None] & filled).flatten(1)
