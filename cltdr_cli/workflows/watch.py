"""Detection while a video goes on: the function behind ``cltdr watch``."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.live.stretch import LiveDetector, Stretch
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.segments import Detections, Segment
from cltdr_cli.video.frames import FrameBatch
from cltdr_cli.video.live_frames import FrameSource, Gap, Interruption
from cltdr_cli.video.live_sources import open_source
from cltdr_cli.video.read_ahead import call_aside, read_ahead
from cltdr_cli.workflows.classes import find_label_ids
from cltdr_cli.workflows.live_detector import make_live_detector
from cltdr_cli.workflows.models import WeightsFiles, find_models, load_reported_detector
from cltdr_cli.zoo.load import LoadedDetector

_WAITING_BATCHES = 4


@dataclass(frozen=True)
class SeenSegment:
    """A segment that can no longer change.

    Attributes:
        segment: Start and end in seconds of the source, label and score.
        seen: Seconds of the source that were read until then.
    """

    segment: Segment
    seen: float


WatchEvent: TypeAlias = "SeenSegment | Gap"


def watch(
    source: str | Path,
    *,
    preset: str | Path = "auto",
    checkpoint: str | Path | None = None,
    extractor_weights: WeightsFiles = (),
    extractor: str | None = None,
    min_score: float | None = None,
    labels: str | Sequence[str] | None = None,
    range_seconds: float | None = None,
    delay_seconds: float | None = None,
    realtime: bool = False,
    max_seconds: float | None = None,
    give_up: float | None = None,
    reader: str = "auto",
    batch_size: int = 8,
    precision: str = "fp32",
    backend: str = "auto",
    accept_license: bool = False,
    download: bool | None = None,
    device: str = "auto",
    stop: threading.Event | None = None,
    report: Reporter = SILENT,
) -> Watching:
    """Find actions in a camera, stream or file while it plays, each as soon as it can no longer change.

    Args:
        source: Number of a camera, ``http(s)://`` or ``rtsp://`` address, file, named pipe, or ``-``.
        preset: Name or YAML file; ``auto`` as for ``detect``.
        checkpoint: Checkpoint of ``cltdr train`` or ``cltdr convert`` in place of a preset.
        extractor_weights: Files by name of the extractor or weights, or words ``NAME=FILE``.
        extractor: Name of the extractor, where a converted checkpoint does not say it.
        min_score: Segments below it are left out; None keeps all.
        labels: Only these classes are kept: names, or one string of names separated by commas.
        range_seconds: How far back a model that looks at whole sequences sees; None: as far as in training.
        delay_seconds: How long after its end a segment of such a model becomes final; None: 3/16 of the range.
        realtime: Whether a file is played as fast as a player shows it; else as fast as possible.
        max_seconds: The source is watched for so long; None: until it ends or a stop is asked for.
        give_up: A live source that has dropped is given up after so many seconds; None: never.
        reader: Video decoder of files: ``auto``, ``pyav`` or ``decord``.
        batch_size: Clips computed together.
        precision: Arithmetic of the extractor: ``fp32``, ``fp16`` or ``bf16``.
        backend: What runs the extractor: ``torch``, ``openvino`` or ``auto``.
        accept_license: Whether licences of weights that exclude some uses are agreed to.
        download: Whether a detector is downloaded where none is named or installed.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        stop: Once it is set, the rest of what was seen is told and the iteration ends.
        report: Hears of notices, and of a source that drops.

    Returns:
        An iterable of ``SeenSegment`` and ``Gap`` (nothing was seen between two times), in the order in which they
        become final. The source is open, and the model loaded.

    Raises:
        UsageError: The arguments contradict each other, or name something unknown.
        CltdrError: The detector cannot be loaded, or the source cannot be opened.
    """
    for name, value in (("max_seconds", max_seconds), ("give_up", give_up)):
        if value is not None and not value > 0:
            raise UsageError(f"{name}= is {value:g}, and must be above 0.", "Leave it out for no limit.")
    models = find_models(
        device, extractor_weights, precision,
        extractor=extractor, backend=backend, accept_license=accept_license, report=report,
    )  # fmt: skip
    loaded = load_reported_detector(preset, checkpoint, models, report, download=download)
    if loaded.extractor.notice:
        report.notice(loaded.extractor.notice)
    kept = find_label_ids(labels, loaded.labels)
    detector = make_live_detector(loaded, batch_size, range_seconds, delay_seconds)
    patience = math.inf if give_up is None else give_up
    frames = call_aside(lambda: open_source(source, in_real_time=realtime, give_up_seconds=patience, reader=reader))
    return Watching(loaded, detector, frames, min_score, kept, max_seconds, stop or threading.Event(), report)


class Watching:
    """A source that is being watched. Iterate it once; make one with ``watch``.

    Attributes:
        preset: Name of the preset that detects.
        delay_seconds: How long after its end a segment becomes final, about.
    """

    def __init__(
        self,
        loaded: LoadedDetector,
        detector: LiveDetector,
        source: FrameSource,
        min_score: float | None,
        label_ids: Sequence[int] | None,
        max_seconds: float | None,
        stop: threading.Event,
        report: Reporter,
    ) -> None:
        self._loaded, self._detector, self._source = loaded, detector, source
        self._min_score, self._label_ids = min_score, label_ids
        self._end, self._stop, self._report = math.inf if max_seconds is None else max_seconds, stop, report
        self.preset = loaded.preset.name
        self.delay_seconds = detector.begin(source.rate).finder.delay_seconds

    def __iter__(self) -> Iterator[WatchEvent]:
        """Segments and gaps.

        Raises:
            CltdrError: The source was given up, or cannot be decoded.
        """
        with closing(self._source):
            yield from self._watch()

    def _watch(self) -> Iterator[WatchEvent]:
        stretch: Stretch | None = None
        interrupted: Interruption | None = None
        try:
            for seen in read_ahead(iter(self._source), _WAITING_BATCHES, self._stop):
                if isinstance(seen, FrameBatch):
                    batch = self._cut(seen)
                    if len(batch):
                        stretch = stretch or self._detector.begin(self._source.rate)
                        yield from self._name(stretch.push(batch), stretch)
                    if len(batch) < len(seen):
                        break
                    continue
                if stretch is not None:
                    yield from self._name(stretch.finish(), stretch)
                    stretch = None
                if isinstance(seen, Gap):
                    interrupted = None
                    yield seen
                else:
                    interrupted = interrupted or seen
                    self._report.warning(seen.reason)
        except VideoError:  # given up
            yield from self._tell_open_gap(interrupted)
            raise
        if stretch is not None:
            yield from self._name(stretch.finish(), stretch)
        yield from self._tell_open_gap(interrupted)

    def _tell_open_gap(self, interrupted: Interruption | None) -> Iterator[Gap]:
        """The gap after which nothing came."""
        if interrupted is not None and self._source.is_live:
            yield Gap(interrupted.seconds, None, interrupted.reason)

    def _cut(self, batch: FrameBatch) -> FrameBatch:
        """The frames before the end that was asked for."""
        count = int(np.searchsorted(batch.pts_seconds, self._end, "left"))
        return FrameBatch(batch.frames[:count], batch.pts_seconds[:count])

    def _name(self, found: Detections, stretch: Stretch) -> Iterator[SeenSegment]:
        kept = found.limited(self._min_score, None, self._label_ids)
        by_end = kept.selected(np.argsort(kept.segments_seconds[:, 1], kind="stable"))
        for segment in by_end.segments(self._loaded.labels, self._loaded.label_ids):
            yield SeenSegment(segment, stretch.seen_seconds)
