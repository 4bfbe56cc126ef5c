"""Temporal action localization on raw video: what happens when in long, untrimmed footage.

from cltdr_cli import Detector
for segment in Detector.load("demo").detect("video.mp4"):
    print(segment.start, segment.end, segment.label, segment.score)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cltdr_cli.api import Detector, Result, Segment

__version__ = "0.2.0"
__all__ = ["Detector", "Result", "Segment", "__version__"]


def __getattr__(name: str) -> Any:
    """The API is imported when it is first asked for, so that the command line starts at once."""
    if name in ("Detector", "Result", "Segment"):
        from cltdr_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
