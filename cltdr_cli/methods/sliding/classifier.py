"""A classifier on every step."""

from __future__ import annotations

from torch import Tensor, nn


class StepClassifier(nn.Module):
    """Features to class probabilities, step by step.

    Args:
        head: From a feature vector to class logits.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Features ``[B, T, C]`` -> probabilities ``[B, T, K]``; the mask does not matter."""
        return self.head(features).softmax(2)
