"""Where the time goes from a video to its feature file: each stage alone, and all together as they really run."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.features.extract import extract_features
from cltdr_cli.features.flow_stream import with_flow
from cltdr_cli.files import write_bytes
from cltdr_cli.pipeline import VideoOptions, extract_video
from cltdr_cli.video import open_video
from cltdr_cli.video.frame_stream import FrameStream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from cltdr_cli.video.frames import FrameBatch, FrameTiming
    from extractors.flow import FlowEngine
    from extractors.spec import Extractor


@dataclass(frozen=True)
class StageTimes:
    """Seconds of each stage on one video.

    Attributes:
        video_seconds: How long the video lasts.
        clips: Windows that were encoded.
        decode: Reading the video, alone.
        flow: Optical flow of its frames, alone; 0 where none is looked at.
        transfer: Bringing frames to the device, resizing and scaling them there.
        network: Encoding the clips.
        write: Writing the feature file.
        whole: From the file to the features, with all stages at once.
        peak_bytes: Most memory that the process ever held so far.
    """

    video_seconds: float
    clips: int
    decode: float
    flow: float
    transfer: float
    network: float
    write: float
    whole: float
    peak_bytes: int

    @property
    def over_slowest(self) -> float:
        """Wall time over the slowest of the stages that can run at once: decoding, flow, the device."""
        return self.whole / max(self.decode, self.flow, self.transfer + self.network)

    def per_minute(self, seconds: float) -> float:
        """Seconds for a minute of video."""
        return 60 * seconds / self.video_seconds


def stage_times(
    path: Path, extractor: Extractor, options: VideoOptions, flow: FlowEngine | None = None
) -> StageTimes:
    """Measure one video; its frames are held in memory meanwhile, so it should be short.

    Args:
        path: The video.
        extractor: Loaded; run it once before, so that nothing is measured that happens only once.
        options: How the video is read.
        flow: Computes optical flow, where the extractor looks at it.

    Raises:
        VideoError: The video cannot be read.
    """
    spec = extractor.spec
    grid = (options.stride_frames or spec.stride_frames, options.window_frames or spec.window_frames)
    held, decode = _decoded(path, extractor, options)
    seen, flow_seconds = _with_flow(held, extractor, flow)
    timed = _Timed(extractor)
    extract_features(seen, timed, stride_frames=grid[0], window_frames=grid[1], batch_clips=options.batch_clips)
    began = time.perf_counter()
    video = extract_video(path, extractor, options, None, flow)
    whole = time.perf_counter() - began
    return StageTimes(
        held.timing.duration_seconds - held.timing.start_seconds,
        len(video.sequence),
        decode,
        flow_seconds,
        timed.transfer,
        timed.network,
        _written(video.sequence.features),
        whole,
        peak_bytes(),
    )


def peak_bytes() -> int:
    """Most memory that this process ever held; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@dataclass(frozen=True, eq=False)
class _Held:
    """Batches of frames in memory, which can be gone through again and again."""

    batches: Sequence[FrameBatch]
    timing: FrameTiming

    def __iter__(self) -> Iterator[FrameBatch]:
        return iter(self.batches)


def _decoded(path: Path, extractor: Extractor, options: VideoOptions) -> tuple[_Held, float]:
    began = time.perf_counter()
    reader = open_video(path, options.reader)
    try:
        stream = FrameStream(
            reader, fps=options.fps or extractor.spec.rate, end_seconds=options.end_seconds, strict=options.strict
        )
        batches = list(stream)
    finally:
        reader.close()
    return _Held(batches, stream.timing), time.perf_counter() - began


def _with_flow(held: _Held, extractor: Extractor, flow: FlowEngine | None) -> tuple[_Held, float]:
    if flow is None:
        return held, 0.0
    began = time.perf_counter()
    batches = list(with_flow(held, extractor.spec, flow))
    return _Held(batches, held.timing), time.perf_counter() - began


def _written(features: NDArray[np.float32]) -> float:
    with tempfile.TemporaryDirectory(prefix="cltdr-") as folder:
        began = time.perf_counter()
        write_bytes(Path(folder) / "features.npy", features.tobytes())
        return time.perf_counter() - began


class _Timed:
    """An extractor that notes how long its two halves take; a GPU is waited for after each."""

    def __init__(self, extractor: Extractor) -> None:
        self.spec, self.device, self._extractor = extractor.spec, extractor.device, extractor
        self.transfer = self.network = 0.0

    def prepare(self, frames: Tensor) -> Tensor:
        began = time.perf_counter()
        prepared = self._extractor.prepare(frames)
        self._finish()
        self.transfer += time.perf_counter() - began
        return prepared

    def encode(self, clips: Tensor) -> Tensor:
        began = time.perf_counter()
        features = self._extractor.encode(clips)
        self._finish()
        self.network += time.perf_counter() - began
        return features

    def class_head(self) -> nn.Linear | None:
        return self._extractor.class_head()

    def _finish(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
