"""Seconds from a video file to its segments: decoding, network and localizer in turns, and all at once."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.bench.extractors import CALIBRATION_CLIPS
from cltdr_cli.bench.stages import draw_video, peak_bytes
from cltdr_cli.bench.timed_extractor import TimedExtractor
from cltdr_cli.editing.footage import write_footage
from cltdr_cli.errors import UsageError
from cltdr_cli.pipeline import VideoOptions, detect_features, detect_video, extract_video
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.load import LoadedDetector, load_detector
from cltdr_cli.zoo.preset import load_preset

if TYPE_CHECKING:
    from extractors.spec import Extractor

DRAWN_SECONDS = 15.0
"""Of the drawn figure that footage is made of where no video is given."""

_TRIED_SECONDS = 4.0
"""Of the footage are run first: they warm up, and tell how much of it a run can take."""


@dataclass(frozen=True)
class Case:
    """A preset and what runs its extractor.

    Attributes:
        preset: Its name; its videos are looked at without optical flow.
        backend: ``auto``, ``torch`` or ``openvino``.
        precision: ``fp32``, ``bf16``, ``fp16`` or ``int8``.
    """

    preset: str
    backend: str = "auto"
    precision: str = "fp32"

    @property
    def way(self) -> str:
        """Such as ``openvino int8``."""
        return f"{self.backend} {self.precision}"


CASES = (
    Case("kinetics600-movinet-a0"),
    Case("kinetics600-movinet-a2"),
    Case("kinetics400-i3d-rgb", "torch"),
    Case("kinetics400-i3d-rgb", "openvino"),
    Case("kinetics400-i3d-rgb", "openvino", "int8"),
    Case("demo"),
)
"""What is measured where nothing is named."""


@dataclass(frozen=True)
class Effort:
    """How thoroughly to measure.

    Attributes:
        seconds: Of the video or footage, at most.
        run_seconds: About how long a run takes at most: of slow cases only a part of the video is looked at.
        runs: Repetitions of each case; the medians are given.
        threads: Threads of PyTorch and OpenVINO; None leaves that to them.
    """

    seconds: float = 60.0
    run_seconds: float = 8.0
    runs: int = 3
    threads: int | None = None


@dataclass(frozen=True)
class EndToEnd:
    """Seconds of one case on one video; the stages were run in turns, on one thread of Python.

    Attributes:
        video_seconds: How much of the video was looked at.
        decode: Reading frames.
        network: Preparing frames and encoding them.
        localizer: From features to segments.
        whole: All at once, as ``cltdr detect`` runs them.
        processor: Seconds of all processors together during ``whole``; other programs hardly change them.
        peak_bytes: Most memory of a process that does nothing else.
    """

    video_seconds: float
    decode: float
    network: float
    localizer: float
    whole: float
    processor: float
    peak_bytes: int

    @property
    def times_real_time(self) -> float:
        """Seconds of video through seconds of work."""
        return self.video_seconds / self.whole

    def per_minute(self, seconds: float) -> float:
        """Seconds for a minute of video."""
        return 60 * seconds / self.video_seconds

    @property
    def over_slowest(self) -> float:
        """Time of the whole through that of its slowest stage."""
        return self.whole / max(self.decode, self.network, self.localizer)


def time_end_to_end(
    cases: Sequence[Case] = CASES,
    effort: Effort = Effort(),
    *,
    video: Path | None = None,
    source: Path | None = None,
    on_case: Callable[[Case, EndToEnd], object] = lambda case, found: None,
) -> dict[Case, EndToEnd]:
    """Time detection, each case in a process of its own. Extractors have random weights, which changes no speed.

    Args:
        cases: Presets and ways.
        effort: How much is measured how often.
        video: What is detected in, as it is.
        source: A video that footage of 854x480 at 30 frames a second is made of (``editing.footage``), where no
            ``video`` is given; None takes a drawn one.
        on_case: Called with each case when it is done.

    Raises:
        UsageError: A case cannot be measured.
        VideoError: The video cannot be read.
    """
    found: dict[Case, EndToEnd] = {}
    with tempfile.TemporaryDirectory(prefix="cltdr-") as folder:
        path = video or _make_footage(Path(folder), source, effort.seconds)
        for case in cases:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                found[case] = pool.submit(time_case, case, path, effort).result()
            on_case(case, found[case])
    return found


def time_case(case: Case, path: Path, effort: Effort) -> EndToEnd:
    """Time one case on a video in this process, whose memory is measured with it; errors as ``time_end_to_end``."""
    import torch

    if effort.threads:
        torch.set_num_threads(effort.threads)
    with tempfile.TemporaryDirectory(prefix="cltdr-") as folder:
        detector = _load(case, Path(folder))
        extractor = _make_extractor(case, detector)
    options = _make_options(detector, min(_TRIED_SECONDS, effort.seconds))
    _time_whole(path, detector, extractor, options)
    tried, _ = _time_whole(path, detector, extractor, options)
    options = replace(options, end_seconds=_choose_seconds(tried, effort))
    wholes = [_time_whole(path, detector, extractor, options) for _ in range(effort.runs)]
    peak = peak_bytes()
    stages = [_time_stages(path, detector, extractor, options) for _ in range(effort.runs)]
    whole, processor = _take_medians(wholes)
    video_seconds, decode, network, localizer = _take_medians(stages)
    return EndToEnd(video_seconds, decode, network, localizer, whole, processor, peak)


def _take_medians(rows: Sequence[tuple[float, ...]]) -> list[float]:
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def _choose_seconds(tried: float, effort: Effort) -> float:
    """How much of the video a run takes in about ``run_seconds``, after the first seconds of it took ``tried``."""
    affordable = effort.run_seconds / tried * _TRIED_SECONDS
    return min(effort.seconds, max(_TRIED_SECONDS, affordable))


def _make_footage(folder: Path, source: Path | None, seconds: float) -> Path:
    path = folder / "footage.mp4"
    write_footage(path, seconds, source or draw_video(folder, min(seconds, DRAWN_SECONDS)))
    return path


def _load(case: Case, folder: Path) -> LoadedDetector:
    """The detector of a preset, the weights of its extractor drawn at random where they are not in the box."""
    from safetensors.torch import save_file

    from extractors.random_weights import draw_weights

    preset = load_preset(case.preset)
    name = preset.features.extractor
    if preset.features.flow is not None:
        raise UsageError(f"preset {preset.name} looks at optical flow, which this does not time", "Choose another.")
    try:
        (weights,) = draw_weights(name)
    except ValueError as error:
        raise UsageError(f"preset {preset.name} cannot be measured: {error}", "Choose another.") from error
    path = folder / f"{name}.safetensors"
    save_file(weights, path)
    sources = ModelSources(files={name: path}, precision=case.precision, backend=case.backend)
    detector = load_detector(preset.name, sources=sources)
    _ = detector.extractor  # loads it while its file is there
    return detector


def _make_extractor(case: Case, detector: LoadedDetector) -> Extractor:
    import torch

    from extractors.openvino_backend import OpenVinoExtractor
    from extractors.quantised import calibrate

    built = detector.extractor.extractor
    if not isinstance(built, OpenVinoExtractor) or case.precision != "int8":
        return built
    frames = torch.randint(0, 256, (CALIBRATION_CLIPS + built.spec.window_frames, 256, 340, 3), dtype=torch.uint8)
    return calibrate(built, built.prepare(frames).unfold(0, built.spec.window_frames, 1).movedim(-1, 1))


def _make_options(detector: LoadedDetector, end_seconds: float) -> VideoOptions:
    features = detector.preset.features
    return VideoOptions(
        fps=features.rate,
        end_seconds=end_seconds,
        stride_frames=features.stride_frames,
        window_frames=features.window_frames,
        dense=features.dense,
        reset_seconds=features.reset_seconds,
    )


def _time_whole(
    path: Path, detector: LoadedDetector, extractor: Extractor, options: VideoOptions
) -> tuple[float, float]:
    """Seconds that pass, and seconds of all processors together."""
    began, busy = time.perf_counter(), time.process_time()
    detect_video(path, detector, extractor, options)
    return time.perf_counter() - began, time.process_time() - busy


def _time_stages(
    path: Path, detector: LoadedDetector, extractor: Extractor, options: VideoOptions
) -> tuple[float, float, float, float]:
    """Seconds of video, and of decoding, network and localizer, each while the others wait."""
    timed = TimedExtractor(extractor)
    began = time.perf_counter()
    video = extract_video(path, timed, replace(options, queue_batches=0))
    passed = time.perf_counter() - began
    network = timed.transfer + timed.network
    began = time.perf_counter()
    detect_features(detector, video.sequence)
    localizer = time.perf_counter() - began
    return video.timing.duration_seconds - video.timing.start_seconds, passed - network, network, localizer
