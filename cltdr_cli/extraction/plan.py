"""The plan of a run: its share of the videos, what is finished, how long the rest may take."""

from __future__ import annotations

import hashlib
import re
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import FeatureError, UsageError, VideoError
from cltdr_cli.extraction.one_video import Stopped, VideoExtraction
from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.features.store import explain_unfinished
from cltdr_cli.pipeline import extract_video
from cltdr_cli.plain_text import clock_time
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.named_inputs import Input

PROBE_SECONDS = 4.0

_MOST_PROBES = 3
"""Videos that are tried, until one tells how fast the work goes."""


@dataclass(frozen=True)
class Shard:
    """The I-th of N parts of the videos, chosen by a stable hash of the id, so that the parts together are all."""

    index: int = 1
    parts: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``I/N``.

        Raises:
            UsageError: It is something else, or I is not from 1 to N.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        index, parts = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= index <= parts:
            raise UsageError(f"shard= {text!r} is not I/N with I from 1 to N.", "For instance 1/4, 2/4, 3/4 and 4/4.")
        return cls(index, parts)

    def of(self, files: Iterable[Input]) -> list[Input]:
        """The files of this part, in their order."""
        return [item for item in files if _stable_hash(item.video_id) % self.parts == self.index - 1]

    @property
    def suffix(self) -> str:
        """Keeps the shards' files apart; empty for one shard."""
        return "" if self.parts == 1 else f"-{self.index}-of-{self.parts}"


@dataclass(frozen=True)
class PlannedVideo:
    """What would be done about one video.

    Attributes:
        item: The video.
        reason: Why it must be extracted; empty where it is finished.
        trouble: Why it cannot be extracted; empty where it can, as far as its header tells.
        frames: Frames to read, as its header tells; None where it does not.
    """

    item: Input
    reason: str
    trouble: str = ""
    frames: int | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return not self.reason and not self.trouble


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        entries: One for each video.
        frames_per_second: Speed of one worker, measured on a video that is to be extracted; None where none told.
        workers: How many work.
    """

    entries: list[PlannedVideo]
    frames_per_second: float | None
    workers: int

    @property
    def troubles(self) -> list[tuple[Input, str]]:
        """Videos that cannot be extracted, and why."""
        return [(entry.item, entry.trouble) for entry in self.entries if entry.trouble]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Per video: path, what is to do, frames, and the expected time."""
        return [self._describe_entry(entry) for entry in self.entries]

    def summary(self) -> str:
        """All videos in one line."""
        to_make = [entry for entry in self.entries if entry.reason]
        frames = [entry.frames for entry in to_make if entry.frames is not None]
        finished, troubles = sum(entry.is_finished for entry in self.entries), len(self.troubles)
        text = f"{len(to_make)} to extract, {finished} finished, {troubles} that cannot be read"
        if self.frames_per_second is None or not frames:
            return text
        total = sum(frames) + statistics.mean(frames) * (len(to_make) - len(frames))
        seconds = total / self.frames_per_second / self.workers
        text += f"; about {clock_time(seconds, 0)} at {self.frames_per_second:.0f} frames/s"
        return text + (f" in each of {self.workers} workers" if self.workers > 1 else "")

    def _describe_entry(self, entry: PlannedVideo) -> tuple[str, str, str, str]:
        what = entry.trouble or entry.reason or "finished"
        speed, frames = self.frames_per_second, entry.frames
        expected = clock_time(frames / speed, 0) if entry.reason and frames and speed else ""
        return str(entry.item.path), what, "" if frames is None else str(frames), expected


def plan_extraction(
    files: Sequence[Input], settings: ExtractionSettings, workers: int, report: Reporter = SILENT
) -> Plan:
    """Look at every video's header and at what is there of its features, and try how fast the work goes.

    Raises:
        WeightsError: The weights are missing.
    """
    entries: list[PlannedVideo] = []
    with report.progress("looking", len(files), "videos") as bar:
        for item in files:
            entries.append(plan_video(item, settings))
            bar.update(len(entries))
    return Plan(entries, _try_speed(entries, settings, report), workers)


def plan_video(item: Input, settings: ExtractionSettings) -> PlannedVideo:
    """Look at one video's header and at what is there of its features.

    Raises:
        WeightsError: The weights are missing.
    """
    from cltdr_cli.video import open_video

    try:
        recipe, strict = settings.recipe(item.path), settings.options.strict
        reason = explain_unfinished(settings.out, item.video_id, recipe, settings.format, strict=strict)
        reason = reason or ("to be overwritten" if settings.overwrite else "")
        if item.is_features:
            raise FeatureError(f"{item.path} holds features already.")
        with closing(open_video(item.path, settings.options.reader)) as reader:
            info = reader.info
    except (VideoError, FeatureError) as error:
        return PlannedVideo(item, "", error.message)
    frames, fps = info.frame_count, settings.options.fps or settings.spec.rate
    if info.duration_seconds and (fps or frames is None):
        frames = round(info.duration_seconds * float(fps or info.rate or 0)) or None
    return PlannedVideo(item, reason, "", frames)


def measure_speed(settings: ExtractionSettings, path: Path, most_seconds: float = PROBE_SECONDS) -> float | None:
    """How fast this machine works on the beginning of a video, all stages together; None for a very short one.

    Raises:
        CltdrError: The video or the weights cannot be read.
    """
    extraction, seen = VideoExtraction(settings), list[tuple[float, int]]()

    def note(done: int, _: int | None) -> None:
        seen.append((time.monotonic(), done))
        if len(seen) > 2 and seen[-1][0] - seen[1][0] > most_seconds:
            raise Stopped

    with suppress(Stopped):
        extract_video(path, extraction.extractor, settings.options, note, extraction.flow)
    if len(seen) < 3:
        return None
    (began, before), (ended, after) = seen[1], seen[-1]  # the first batch also warms everything up
    return (after - before) / max(ended - began, 1e-9)


def _try_speed(entries: Iterable[PlannedVideo], settings: ExtractionSettings, report: Reporter) -> float | None:
    """Frames per second of one worker, on the first video that is to be extracted and long enough."""
    for entry in [entry for entry in entries if entry.reason][:_MOST_PROBES]:
        with suppress(VideoError), report.progress(f"trying {entry.item.video_id}", None, ""):
            speed = measure_speed(settings, entry.item.path)
            if speed is not None:
                return speed
    return None


def _stable_hash(video_id: str) -> int:
    return int.from_bytes(hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).digest()[:8], "big")
