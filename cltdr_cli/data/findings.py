"""Findings: what is wrong with annotations or predictions, how often, where, and with what consequence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One kind of defect and its occurrences.

    Attributes:
        kind: Short stable name, such as ``segment-past-end``.
        text: What is wrong, in the plural: ``segments end after their video``.
        count: Number of occurrences.
        examples: The first few places, then an ellipsis if there are more.
        consequence: What follows from it, such as ``counted once``.
        severe: Whether it should be corrected before training.
    """

    kind: str
    text: str
    count: int
    examples: tuple[str, ...]
    consequence: str
    severe: bool = False

    def __str__(self) -> str:
        shown = f" ({', '.join(self.examples)})" if self.examples else ""
        return f"{self.count} {self.text}{shown}: {self.consequence}"


def make_findings(
    kind: str, text: str, places: Iterable[str], consequence: str, count: int | None = None
) -> list[Finding]:
    """Make a list of one finding from these places; the list is empty if there are none.

    Args:
        kind: Short stable name.
        text: What is wrong, in the plural.
        places: Where the defect is, in order.
        consequence: What follows from it.
        count: Number of occurrences, if that is not the number of places.
    """
    listed = list(places)
    if not listed:
        return []
    examples = (*listed[:_EXAMPLES], *(["…"] if len(listed) > _EXAMPLES else []))
    return [Finding(kind, text, len(listed) if count is None else count, examples, consequence)]
