"""The numbers of point detectors whose features may be several kinds, joined side by side in each vector."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from cltdr_cli.methods.point_config import PointConfig
from cltdr_cli.ranges import STRICT


@dataclass(frozen=True, kw_only=True, config=STRICT)
class JoinedConfig(PointConfig):
    """A point detector that can project each kind of feature by itself before it joins them.

    Attributes:
        input_parts: Widths of kinds of features that lie side by side; their sum is ``input_dim``. Empty for one kind.
        embd_parts: What each kind is projected to first; their sum is ``embd_dim``.
    """

    input_parts: tuple[int, ...] = ()
    embd_parts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.input_parts) != len(self.embd_parts):
            entries, kinds = len(self.embd_parts), len(self.input_parts)
            raise ValueError(f"embd_parts has {entries} entries for {kinds} of input_parts")
        for name, parts, total in (
            ("input_parts", self.input_parts, self.input_dim),
            ("embd_parts", self.embd_parts, self.embd_dim),
        ):
            if parts and sum(parts) != total:
                raise ValueError(f"{name} {parts} must add up to {total}")

    @property
    def parts(self) -> list[tuple[int, int]]:
        """``(channels in, channels out)`` of each kind."""
        return list(zip(self.input_parts, self.embd_parts, strict=True))
