"""Seconds per stage from a video to its feature file: each stage alone, and all at once as they really run."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.bench.timed_extractor import TimedExtractor
from cltdr_cli.errors import UsageError
from cltdr_cli.features.extract import extract_features
from cltdr_cli.features.flow_stream import add_flow
from cltdr_cli.features.streaming import extract_stream
from cltdr_cli.files import write_bytes
from cltdr_cli.pipeline import VideoOptions, extract_video
from cltdr_cli.video import open_video
from cltdr_cli.video.frame_stream import FrameStream
from cltdr_cli.zoo.extractors import ModelSources, extractor_record
from cltdr_cli.zoo.flow import load_flow

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from cltdr_cli.bench.extractors import Way
    from cltdr_cli.video.frames import FrameBatch, FrameTiming
    from extractors.flow import FlowEngine
    from extractors.spec import Extractor


_WARM_UP_SECONDS = 2.0

STAGES = ("decode", "flow", "transfer", "network", "write", "whole")
"""The fields of ``StageTimes`` that are seconds of a stage."""


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


def time_stages(path: Path, extractor: Extractor, options: VideoOptions, flow: FlowEngine | None = None) -> StageTimes:
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
    held, decode = _decode(path, extractor, options)
    seen, flow_seconds = _add_flow(held, extractor, flow)
    timed = TimedExtractor(extractor)
    if spec.causal:
        rate = options.fps or spec.rate or held.timing.rate
        extract_stream(seen, timed, fps=rate, stride_frames=grid[0], batch_frames=options.batch_clips)
    else:
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
        _time_writing(video.sequence.features),
        whole,
        peak_bytes(),
    )


def time_videos(  # noqa: PLR0913 - the options of `cltdr bench extract`
    names: Sequence[str],
    video: Path | None,
    options: VideoOptions,
    device: torch.device,
    way: Way,
    flow: str,
    runs: int,
    on_run: Callable[[], object] = lambda: None,
) -> dict[str, StageTimes]:
    """Medians of the stage times of each extractor, with random weights.

    Args:
        names: Extractors.
        video: What they work on; None draws a video of ``options.end_seconds``.
        options: How the video is read.
        device: Where the networks run.
        way: How they are run.
        flow: Name of the optical flow, for extractors that look at it.
        runs: Repetitions, after one of two seconds that does not count.
        on_run: Called after each repetition.

    Raises:
        UsageError: No such extractor, or one that cannot be run so.
        VideoError: The video cannot be read.
    """
    found: dict[str, StageTimes] = {}
    with tempfile.TemporaryDirectory(prefix="cltdr-") as folder:
        path = video or draw_video(Path(folder), options.end_seconds or 10.0)
        for name in names:
            network = _build_random(name, device, way)
            engine = None if network.spec.modality == "rgb" else load_flow(flow, ModelSources(device))
            short = min(_WARM_UP_SECONDS, options.end_seconds or _WARM_UP_SECONDS)
            extract_video(path, network, replace(options, end_seconds=short), None, engine)
            times: list[StageTimes] = []
            for _ in range(runs):
                times.append(time_stages(path, network, options, engine))
                on_run()
            found[name] = _take_medians(times)
    return found


def _take_medians(times: Sequence[StageTimes]) -> StageTimes:
    return StageTimes(*(statistics.median(getattr(one, part.name) for one in times) for part in fields(StageTimes)))


def _build_random(name: str, device: torch.device, way: Way) -> Extractor:
    import extractors
    from extractors.random_weights import draw_weights

    extractor_record(name)
    try:
        return extractors.build(
            name, draw_weights(name), device, way.precision, backend=way.backend, compiled=way.compiled
        )
    except ValueError as error:
        raise UsageError(f"{name} cannot be measured so: {error}.", "Choose another way or extractor=.") from error


def draw_video(folder: Path, seconds: float) -> Path:
    """A drawn figure, 320x240 at 30 frames a second, in a folder."""
    from cltdr_cli.demo.script import draw_script
    from cltdr_cli.demo.world import write_video

    path = folder / "drawn-320x240.mp4"
    write_video(path, draw_script("test", 7, 1, duration_seconds=seconds))
    return path


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


def _decode(path: Path, extractor: Extractor, options: VideoOptions) -> tuple[_Held, float]:
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


def _add_flow(held: _Held, extractor: Extractor, flow: FlowEngine | None) -> tuple[_Held, float]:
    if flow is None:
        return held, 0.0
    began = time.perf_counter()
    batches = list(add_flow(held, extractor.spec, flow))
    return _Held(batches, held.timing), time.perf_counter() - began


def _time_writing(features: NDArray[np.float32]) -> float:
    with tempfile.TemporaryDirectory(prefix="cltdr-") as folder:
        began = time.perf_counter()
        write_bytes(Path(folder) / "features.npy", features.tobytes())
        return time.perf_counter() - began
