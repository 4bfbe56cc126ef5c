"""Checks segments that a browser sends before they are saved."""

from __future__ import annotations

import math
from typing import Any

from cltdr_cli.errors import AnnotationError

_NOTED = ("by", "at", "edit")
_LONGEST_TEXT = 1000


def check_rows(rows: Any) -> list[dict[str, Any]]:
    """Rows of results files by falling score, with nothing in them that does not belong there.

    Raises:
        AnnotationError: It is no list, or a row lacks its label, its score, or its start and end.
    """
    if not isinstance(rows, list):
        raise AnnotationError("the segments are no list")
    checked = [_check_row(row, place) for place, row in enumerate(rows)]
    return sorted(checked, key=lambda row: -row["score"])


def _check_row(row: Any, place: int) -> dict[str, Any]:
    try:
        (start, end), label, score, number = row["segment"], row["label"], row["score"], row.get("label_id")
        noted = row.get("reviewed")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _explain(place) from error
    # No length is allowed: detections past the end of the video are cut to that, and corrections are saved with them.
    if not (_is_number(start) and _is_number(end) and 0 <= start <= end and _is_number(score)):
        raise _explain(place)
    if not (isinstance(label, str) and 0 < len(label) <= _LONGEST_TEXT and (number is None or type(number) is int)):
        raise _explain(place)
    kept: dict[str, Any] = {"label": label} if number is None else {"label": label, "label_id": number}
    kept |= {"score": float(score), "segment": [float(start), float(end)]}
    if isinstance(noted, dict):
        kept["reviewed"] = {key: str(noted[key])[:_LONGEST_TEXT] for key in _NOTED if key in noted}
    return kept


def _explain(place: int) -> AnnotationError:
    return AnnotationError(f"segment {place + 1} has no label, no score, no two times, or ends before it starts")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
