"""The Range header of HTTP (RFC 9110 §14): which bytes of a file a player asks for."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def parse_range(header: str | None, size: int) -> tuple[int, int, bool] | None:
    """First and last byte, and whether they are a part only.

    A header in another unit, of several ranges or with an end before its start is ignored, as the standard allows;
    None says that the range lies outside of the file.
    """
    whole = 0, size - 1, False
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or not any(found.groups()):
        return whole
    first, last = found.groups()
    if not first:
        count = int(last)
        return (max(0, size - count), size - 1, True) if count and size else None
    if last and int(last) < int(first):
        return whole
    if int(first) >= size:
        return None
    return int(first), min(int(last) if last else size - 1, size - 1), True
