"""Calibrate int8 extractors on clips of the run's own videos, and check them against fp32 on other clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.features.flow_stream import add_flow
from cltdr_cli.video import open_video
from cltdr_cli.video.frame_stream import FrameStream

if TYPE_CHECKING:
    from torch import Tensor

    from extractors.flow import FlowEngine
    from extractors.openvino_backend import OpenVinoExtractor
    from extractors.spec import Extractor

CLIPS = 40
"""Number of clips drawn over all videos."""
CHECKED_EVERY = 5
"""Every fifth clip is not used for calibration but to check the result."""
MOST_VIDEOS = 8
LEAST_COSINE = 0.995
"""Lowest accepted cosine similarity between int8 and fp32 features of a check clip."""


@dataclass(frozen=True)
class ClipSource:
    """How clips are read: as the run reads its videos.

    Attributes:
        window_frames: Frames of a clip.
        fps: Rate to resample to; None keeps each video's own.
        reader: ``auto``, ``pyav`` or ``decord``.
        flow: Computes optical flow, for extractors that look at it.
    """

    window_frames: int
    fps: float | None = None
    reader: str = "auto"
    flow: FlowEngine | None = None


@dataclass(frozen=True, eq=False)
class Calibration:
    """Clips of the run's videos, prepared for an extractor.

    Attributes:
        clips: ``[N, F, C, S, S]``; the ranges of int8 are measured on them.
        checks: ``[M, F, C, S, S]``; int8 must agree with fp32 on them.
        digest: Digest of the clips; it goes into sidecars because features depend on the calibration.
    """

    clips: Tensor
    checks: Tensor
    digest: str


def draw_calibration(videos: Sequence[Path], extractor: Extractor, source: ClipSource) -> Calibration:
    """Draw clips evenly over the first videos of a run; the same videos always give the same clips.

    Args:
        videos: In the order of the run; videos that cannot be read or are too short are skipped.
        extractor: Prepares the frames.
        source: How they are read.

    Raises:
        UsageError: The videos give fewer than two clips.
    """
    import torch

    from extractors.quantised import digest_calibration

    chosen = list(videos)[:MOST_VIDEOS]
    drawn: list[Tensor] = []
    for path in chosen:
        drawn += _read_clips(path, extractor, source, -(-CLIPS // len(chosen)))
    if len(drawn) < 2:
        raise UsageError(
            f"precision= int8 is calibrated on the videos of the run, and the first {len(chosen)} of them give "
            f"{len(drawn)} clip{'s' * (len(drawn) != 1)}.",
            "Give longer videos, or leave precision= out.",
        )
    checked = range(len(drawn))[CHECKED_EVERY - 1 :: CHECKED_EVERY] or [len(drawn) - 1]
    clips = torch.stack([clip for number, clip in enumerate(drawn) if number not in checked])
    return Calibration(clips, torch.stack([drawn[number] for number in checked]), digest_calibration(clips))


def calibrate_extractor(extractor: OpenVinoExtractor, calibration: Calibration) -> OpenVinoExtractor:
    """Convert an extractor to int8, if its features stay close enough to those of fp32.

    Raises:
        UsageError: They do not, on clips that were not used for the calibration.
        BackendMissingError: NNCF is not installed.
    """
    import torch

    from extractors.openvino_backend import OpenVinoExtractor
    from extractors.quantised import calibrate

    quantised = calibrate(extractor, calibration.clips)
    exact = OpenVinoExtractor(extractor.spec, extractor.network, extractor.class_head())
    checks = calibration.checks
    cosine = torch.cosine_similarity(quantised.encode(checks), exact.encode(checks)).min().item()
    if cosine < LEAST_COSINE:
        raise UsageError(
            f"{extractor.spec.name} in int8 differs too much from fp32 on these videos: cosine similarity "
            f"{cosine:.4f}, at least {LEAST_COSINE} is needed.",
            "Leave precision= out.",
        )
    return quantised


def _read_clips(path: Path, extractor: Extractor, source: ClipSource, count: int) -> Iterator[Tensor]:
    """Prepared clips ``[F, C, S, S]`` from the middles of ``count`` equal parts of a video."""
    try:
        reader = open_video(path, source.reader)
    except VideoError:
        return
    try:
        length = reader.info.duration_seconds
        starts = [None] if length is None else [length * (part + 0.5) / count for part in range(count)]
        for start in starts:
            stream = FrameStream(reader, fps=source.fps or extractor.spec.rate, start_seconds=start)
            clip = _read_first_clip(stream, extractor, source)
            if clip is not None:
                yield clip
    finally:
        reader.close()


def _read_first_clip(stream: FrameStream, extractor: Extractor, source: ClipSource) -> Tensor | None:
    import torch

    frames: list[np.ndarray] = []
    try:
        for batch in add_flow(stream, extractor.spec, source.flow):
            frames.append(batch.frames)
            if sum(map(len, frames)) >= source.window_frames:
                whole = np.concatenate(frames)[: source.window_frames]
                return extractor.prepare(torch.from_numpy(np.ascontiguousarray(whole)))
    except VideoError:
        return None
    return None
