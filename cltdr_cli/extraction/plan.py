"""What a run will do: whose share it is, what is finished, how long the rest may take."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import FeatureError, UsageError, VideoError
from cltdr_cli.extraction.job import Stopped, Workshop
from cltdr_cli.extraction.setup import Setup
from cltdr_cli.features.store import why_unfinished
from cltdr_cli.pipeline import extract_video
from cltdr_cli.video.inputs import Input

PROBE_SECONDS = 4.0


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
            raise UsageError(
                f"--shard {text}: not I/N with I from 1 to N", "for instance --shard 1/4, 2/4, 3/4 and 4/4"
            )
        return cls(index, parts)

    def of(self, files: Iterable[Input]) -> list[Input]:
        """The files of this part, in their order."""
        return [item for item in files if _stable_hash(item.video_id) % self.parts == self.index - 1]

    @property
    def suffix(self) -> str:
        """Keeps the shards' files apart; empty for one shard."""
        return "" if self.parts == 1 else f"-{self.index}-of-{self.parts}"


@dataclass(frozen=True)
class Planned:
    """What would be done about one video.

    Attributes:
        item: The video.
        reason: Why it must be made; empty where it is finished.
        trouble: Why it cannot be made; empty where it can, as far as its header tells.
        frames: Frames to read, as its header tells; None where it does not.
    """

    item: Input
    reason: str
    trouble: str = ""
    frames: int | None = None


def planned(item: Input, setup: Setup) -> Planned:
    """Look at one video's header and at what is there of its features.

    Raises:
        WeightsError: The weights are missing.
    """
    from cltdr_cli.video import open_video

    try:
        recipe, strict = setup.recipe(item.path), setup.options.strict
        reason = why_unfinished(setup.out, item.video_id, recipe, setup.format, strict=strict)
        reason = reason or ("--overwrite" if setup.overwrite else "")
        if item.is_features:
            raise FeatureError(f"{item.path} holds features already.")
        with closing(open_video(item.path, setup.options.reader)) as reader:
            info = reader.info
    except (VideoError, FeatureError) as error:
        return Planned(item, "", error.message)
    frames, fps = info.frame_count, setup.options.fps or setup.spec.rate
    if info.duration_seconds and (fps or frames is None):
        frames = round(info.duration_seconds * float(fps or info.rate or 0)) or None
    return Planned(item, reason, "", frames)


def frames_per_second(setup: Setup, path: Path, most_seconds: float = PROBE_SECONDS) -> float | None:
    """How fast this machine works on the beginning of a video, all stages together; None for a very short one.

    Raises:
        CltdrError: The video or the weights cannot be read.
    """
    workshop, seen = Workshop(setup), list[tuple[float, int]]()

    def note(done: int, _: int | None) -> None:
        seen.append((time.monotonic(), done))
        if len(seen) > 2 and seen[-1][0] - seen[1][0] > most_seconds:
            raise Stopped

    with suppress(Stopped):
        extract_video(path, workshop.extractor, setup.options, note, workshop.flow)
    if len(seen) < 3:
        return None
    (began, before), (ended, after) = seen[1], seen[-1]  # the first batch also warms everything up
    return (after - before) / max(ended - began, 1e-9)


def _stable_hash(video_id: str) -> int:
    return int.from_bytes(hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).digest()[:8], "big")
