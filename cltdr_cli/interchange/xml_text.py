"""Text as XML files may hold it."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr


def escape_xml(text: str) -> str:
    """Text that stands between tags."""
    return escape(_clean(text))


def quote_xml(text: str) -> str:
    """The value of an attribute, with its quotation marks."""
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    """Characters that XML forbids become ``�``."""
    return "".join(c if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") else "�"
                   for c in text)  # fmt: skip
