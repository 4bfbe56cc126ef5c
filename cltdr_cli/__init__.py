"""Temporal action localization on raw video: what happens when in long, untrimmed footage.

from cltdr_cli import Detector
for segment in Detector.load("demo").detect("video.mp4"):
    print(segment.start, segment.end, segment.label, segment.score)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cltdr_cli.api import Detector
    from cltdr_cli.segments import Segment
    from cltdr_cli.workflows.clips import clips
    from cltdr_cli.workflows.convert_annotations import convert_annotations
    from cltdr_cli.workflows.detect import detect
    from cltdr_cli.workflows.evaluate import evaluate
    from cltdr_cli.workflows.extract import extract_features
    from cltdr_cli.workflows.render import render
    from cltdr_cli.workflows.results import Result
    from cltdr_cli.workflows.train import train
    from cltdr_cli.workflows.watch import watch

__version__ = "0.5.0"
__all__ = [
    "Detector",
    "Result",
    "Segment",
    "__version__",
    "clips",
    "convert_annotations",
    "detect",
    "evaluate",
    "extract_features",
    "render",
    "train",
    "watch",
]

_MODULES = {
    "Detector": "api",
    "Result": "workflows.results",
    "Segment": "segments",
    "clips": "workflows.clips",
    "convert_annotations": "workflows.convert_annotations",
    "detect": "workflows.detect",
    "evaluate": "workflows.evaluate",
    "extract_features": "workflows.extract",
    "render": "workflows.render",
    "train": "workflows.train",
    "watch": "workflows.watch",
}
"""Where each name is defined; imported when it is first asked for, so that the command line starts at once."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
