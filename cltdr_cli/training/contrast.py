"""Contrast: vectors of actions and of background, and what it costs if those of one class are not alike.

A vector is compared with those of the whole step, also where a batch is computed in parts or over several processes.
So the vectors of all parts are found first and compared, and the slope of the cost at each is handed to the part
that it is of (``Comparison``): losses and gradients are those of the whole batch at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 0.07
_NO_PAIR = -1e4
BACKGROUND = -1
"""Kind of the vectors of what lies around an instance."""


@dataclass(frozen=True)
class Vectors:
    """Vectors of length 1.

    Attributes:
        values: float32 ``[V, D]``.
        kinds: int64 ``[V]``, the class of each, or ``BACKGROUND``.
    """

    values: Tensor
    kinds: Tensor

    @classmethod
    def of(cls, groups: Sequence[tuple[Tensor, Tensor]]) -> Vectors:
        """Of pairs of means ``[V, D]`` and kinds ``[V]``, brought to length 1."""
        values, kinds = zip(*groups, strict=True)
        return cls(F.normalize(torch.cat(values), dim=1), torch.cat(kinds))

    def detach(self) -> Vectors:
        """The same values, through which no gradient flows."""
        return Vectors(self.values.detach(), self.kinds)

    def to(self, device: torch.device) -> Vectors:
        """The same vectors on a device."""
        return Vectors(self.values.to(device), self.kinds.to(device))


@dataclass(frozen=True)
class Comparison:
    """The vectors of one part among those of a whole step.

    Attributes:
        costs: ``[V]``, of each.
        slopes: ``[V, D]``, of the whole step's cost at each.
    """

    costs: Tensor
    slopes: Tensor

    @staticmethod
    def of_parts(
        contrast: Callable[[Vectors], Tensor], parts: Sequence[Vectors], first: int, count: int
    ) -> list[Comparison]:
        """Compare the vectors of all parts; returns what belongs to ``count`` of them from ``first`` on."""
        values = torch.cat([part.values for part in parts]).requires_grad_()
        costs = contrast(Vectors(values, torch.cat([part.kinds for part in parts])))
        (slopes,) = torch.autograd.grad(costs.sum(), values)
        sizes = [len(part.kinds) for part in parts]
        pieces = zip(costs.detach().split(sizes), slopes.split(sizes), strict=True)
        found = [Comparison(*piece) for piece in pieces]
        return found[first : first + count]

    def cost(self, vectors: Vectors) -> Tensor:
        """A scalar with the value and the gradient that the part has in the whole."""
        through = (vectors.values * self.slopes).sum()
        return self.costs.sum() + through - through.detach()


def contrast_sensitive(vectors: Vectors) -> Tensor:
    """Cost ``[V]`` of each vector of a class: it should be like the others of its class, and unlike all others.

    InfoNCE (ASL, ICCV 2023, with the details of our own choice): ``-log(sum over its class / sum over all others)``
    of ``exp(a·x / 0.07)``, divided by the number of vectors that have another of their class; the rest cost nothing.
    """
    logits, same, others = _compare_all(vectors)
    rows = torch.nonzero((same & others).any(1))[:, 0]
    costs = _cost(logits[rows], (same & others)[rows], ~same[rows] & others[rows])
    return (vectors.values.sum(1) * 0).index_add(0, rows, costs / max(len(rows), 1))


def contrast_windows(vectors: Vectors) -> Tensor:
    """Cost ``[V]`` as ASL's public code has it, before the division by the running number of positives.

    A vector's pair with itself is in both sums, with the logit 0 and as one of its class. Background costs nothing.
    """
    logits, same, others = _compare_all(vectors)
    rows = torch.nonzero(vectors.kinds != BACKGROUND)[:, 0]
    costs = _cost(logits.masked_fill(~others, 0.0)[rows], same[rows], ~same[rows])
    return (vectors.values.sum(1) * 0).index_add(0, rows, costs)


def _cost(logits: Tensor, alike: Tensor, unlike: Tensor) -> Tensor:
    """``-log(P / (P + N))`` ``[R]`` of sums of exponentials over pairs ``[R, V]``; exact also where it is near 0."""
    numerator, rest = (logits.masked_fill(~pairs, _NO_PAIR).logsumexp(1) for pairs in (alike, unlike))
    return F.softplus(rest - numerator)


def _compare_all(vectors: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """Logits ``[V, V]``; which pairs are of one class, background being none; which are not one vector twice."""
    kinds = vectors.kinds
    same = (kinds[:, None] == kinds) & (kinds != BACKGROUND)
    return vectors.values @ vectors.values.T / TEMPERATURE, same, ~torch.eye(len(kinds), dtype=torch.bool).to(same)
