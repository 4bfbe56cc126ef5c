"""Checked dataclasses for settings: pydantic refuses values of another type or out of range, also from Python."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

STRICT = ConfigDict(extra="forbid", strict=True)
"""For ``pydantic.dataclasses.dataclass(config=STRICT)``: no unknown field, and nothing is converted."""

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
"""From 0 to 1, both included."""
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
FractionBelowOne = Annotated[float, Field(ge=0, lt=1)]

OPTIONAL = "optional"
"""Metadata of a field of a settings file that may be absent, and is not written where it has its default."""


def optional(default: Any) -> Any:
    """A field that may be absent from a settings file, and is not written where it has its default."""
    return field(default=default, metadata={OPTIONAL: True})


_RANGES = {
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be above {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be below {lt:g}",
}


def describe_range(error: Any) -> str | None:
    """One of pydantic's errors as ``must be at least 1, got 0``; None for other kinds of errors."""
    text = _RANGES.get(error["type"])
    return None if text is None else f"{text.format(**error['ctx'])}, got {error['input']}"


def describe_errors(error: ValidationError) -> str:
    """All that pydantic found wrong with values given in Python, in one line."""
    return "; ".join(_describe(one) for one in error.errors(include_url=False))


def _describe(error: Any) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    name = ".".join(map(str, error["loc"]))
    return f"{name} {describe_range(error) or error['msg']}"
