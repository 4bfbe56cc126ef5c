"""What Python hands over to detect in: files, and frames that are in memory, in any mixture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import CltdrError
from cltdr_cli.reporting import Reporter
from cltdr_cli.video.addresses import is_address
from cltdr_cli.video.array_reader import ARRAY_NAME, ArrayReader
from cltdr_cli.video.named_inputs import FailedInput, Input, assign_ids
from cltdr_cli.video.network import Address
from cltdr_cli.workflows.detector import InputDetector
from cltdr_cli.workflows.results import Result, Results

Source = str | Path | NDArray[np.uint8] | tuple[NDArray[np.uint8], float]
"""A file or address; or RGB frames, uint8 ``[N, H, W, 3]``, alone or with their frames per second."""


@dataclass(frozen=True, eq=False)
class FramesInput:
    """Frames in memory as an input.

    Attributes:
        frames: Reads them.
        video_id: What they are called in results.
    """

    frames: ArrayReader
    video_id: str

    @property
    def is_features(self) -> bool:
        """Frames are none."""
        return False


def make_inputs(sources: Sequence[Source], fps: float | None, report: Reporter) -> list[Input | FramesInput]:
    """Sources as inputs with different ids, in their order.

    Args:
        sources: Files and frames.
        fps: Rate of the frames that come without one.
        report: Hears which files are named otherwise, because two have the same name.

    Raises:
        UsageError: Frames lack their rate, or are of another shape or type.
    """
    readers = [None if isinstance(source, str | Path) else _read_frames(source, fps) for source in sources]
    names = map(_name_frames, itertools.count())
    paths = [_locate(source) if isinstance(source, str | Path) else next(names) for source in sources]
    named = assign_ids(paths)
    for text in named.notices:
        report.notice(text)
    return [
        item if reader is None else FramesInput(reader, item.video_id)
        for item, reader in zip(named.files, readers, strict=True)
    ]


def detect_in_sources(detector: InputDetector, items: Sequence[Input | FramesInput], report: Reporter) -> Results:
    """Detect in one after the other; one that fails is reported and among the ``failures``, and the others go on."""
    results = Results()
    for item in items:
        try:
            results.append(detect_in_source(detector, item, report))
        except CltdrError as error:
            word = item.video_id if isinstance(item, FramesInput) else str(item.source)
            results.failures.append(FailedInput(word, error))
            report.failure(word, error)
    return results


def detect_in_source(detector: InputDetector, item: Input | FramesInput, report: Reporter) -> Result:
    """Detect in one.

    Raises:
        CltdrError: It cannot be read, or does not fit the detector.
    """
    if isinstance(item, FramesInput):
        return detector.detect_frames(item.frames, item.video_id, report)
    return detector.detect_input(item, report=report)


def _locate(source: str | Path) -> Path | Address:
    return Address.parse(str(source)) if is_address(str(source)) and not Path(source).exists() else Path(source)


def _read_frames(source: NDArray[np.uint8] | tuple[NDArray[np.uint8], float], fps: float | None) -> ArrayReader:
    return ArrayReader(*source) if isinstance(source, tuple) else ArrayReader(source, fps)


def _name_frames(arrays_before: int) -> Path:
    return Path(f"{ARRAY_NAME}_{arrays_before + 1}" if arrays_before else ARRAY_NAME)
