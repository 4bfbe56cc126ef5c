"""What a weakly supervised network says of a video, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass
class WtalOutputs:
    """Scores of every step, before any pooling over time.

    Attributes:
        logits: ``[B, T, K + 1]``, S; the background is the last.
        attention: ``[B, T]`` in (0, 1), A: how much a step is action of whatever class.
        attentions: Each ``[B, T]``, those that A is the mean of: of RGB, of flow, then of an enhancement; empty where
            there is only A.
        embeddings: ``[B, T, D]``, what the classifier saw, after its dropout; None where nothing asks for it.
        features: ``[B, T, D]``, the same before its dropout.
        score: The outputs of the same heads for other ``features``, attentions of RGB and flow staying; None where
            nothing asks for it.
    """

    logits: Tensor
    attention: Tensor
    attentions: tuple[Tensor, ...] = ()
    embeddings: Tensor | None = None
    features: Tensor | None = None
    score: Callable[[Tensor], WtalOutputs] | None = None
