"""Reads temporal IoU thresholds as users write them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import UsageError

_HINT = "Write FIRST:LAST:STEP such as 0.3:0.7:0.1, or a list such as 0.5,0.75,0.95."


def parse_tious(text: str) -> NDArray[np.float64]:
    """Read thresholds, float64 ``[T]``, from ``0.3:0.7:0.1`` (both ends included), ``0.5,0.75`` or ``0.5``.

    Raises:
        UsageError: The text has another form, or a threshold is outside (0, 1].
    """
    try:
        parts = [float(part) for part in text.split(":" if ":" in text else ",")]
    except ValueError as error:
        raise UsageError(f"tiou= {text}: not numbers", _HINT) from error
    values = _space_evenly(text, parts) if ":" in text else np.array(parts, np.float64)
    if not ((values > 0) & (values <= 1)).all():
        raise UsageError(f"tiou= {text}: thresholds must be above 0 and at most 1", _HINT)
    return values


def _space_evenly(text: str, parts: list[float]) -> NDArray[np.float64]:
    if len(parts) != 3 or not all(np.isfinite(parts)):
        raise UsageError(f"tiou= {text}: a range needs three numbers", _HINT)
    first, last, step = parts
    if step <= 0 or last < first:
        raise UsageError(f"tiou= {text}: the last is below the first, or the step is not positive", _HINT)
    count = round((last - first) / step)
    if count > 1000 or abs(first + count * step - last) > 1e-6:
        raise UsageError(f"tiou= {text}: the steps do not end at {last:g}", _HINT)
    return np.linspace(first, last, count + 1)
