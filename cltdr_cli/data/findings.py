"""What is wrong with annotations or predictions: counted, with examples, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One kind of defect.

    Attributes:
        kind: Short stable name, such as ``segment-past-end``.
        text: What is wrong, in the plural: ``segments end after their video``.
        count: How often.
        examples: The first few places; an ellipsis ends them where there are more.
        consequence: What happens to them.
        severe: Whether it should be mended before training.
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
    """A finding of these places, as a list of one; an empty list if there are none.

    Args:
        kind: Short stable name.
        text: What is wrong, in the plural.
        places: Where, in order.
        consequence: What happens to them.
        count: How often, where that is not the number of places.
    """
    listed = list(places)
    if not listed:
        return []
    examples = (*listed[:_EXAMPLES], *(["…"] if len(listed) > _EXAMPLES else []))
    return [Finding(kind, text, len(listed) if count is None else count, examples, consequence)]
