"""The corridor: video -> feature sequence -> detections. Loaded parts are passed in; nothing is loaded here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cltdr_cli.errors import FeatureError, UsageError
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.timeline import FeatureSequence

if TYPE_CHECKING:
    from cltdr_cli.inference.fusion import VideoScores
    from cltdr_cli.video.frames import FrameTiming, VideoInfo
    from extractors.dense import DenseEncoder
    from extractors.flow import FlowEngine
    from extractors.spec import Extractor

Progress = Callable[[int, "int | None"], object]
"""Called with frames done, and frames in all where the header tells."""


@dataclass(frozen=True)
class VideoOptions:
    """How a video is read.

    Attributes:
        reader: ``auto``, ``pyav`` or ``decord``.
        fps: Rate to resample to; None keeps the native rate.
        start_seconds: Frames before it are left out; times stay absolute.
        end_seconds: Frames from it on are left out.
        strict: A stream that breaks midway is an error instead of a warning.
        stride_frames: Overrides the extractor's stride.
        window_frames: Overrides the extractor's window.
        batch_clips: Clips encoded together.
        dense: Whether I3D runs once over long clips instead of over each window; not identical.

    Raises:
        UsageError: The rate is not above 0.
    """

    reader: str = "auto"
    fps: float | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    strict: bool = False
    stride_frames: int | None = None
    window_frames: int | None = None
    batch_clips: int = 8
    dense: bool = False

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise UsageError(f"--fps {self.fps:g}: not a rate above 0.", "Leave it out for the video's own.")


@dataclass(frozen=True, eq=False)
class ExtractedVideo:
    """Features of a video and the facts measured on the way."""

    sequence: FeatureSequence
    timing: FrameTiming
    info: VideoInfo

    def named(self, video_id: str) -> ExtractedVideo:
        """The same under another id."""
        return replace(self, sequence=replace(self.sequence, video_id=video_id))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know: where a broken stream stopped."""
        if self.timing.broken_seconds is None:
            return ()
        return (f"{self.timing.broken_reason} Everything before is used; --strict makes this an error.",)


class Detector(Protocol):
    """What ``detect_features`` needs of a loaded detector."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""
        ...

    @property
    def localizer(self) -> Callable[[FeatureSequence], Detections]:
        """Features to detections."""
        ...


def extract_video(
    path: Path,
    extractor: Extractor,
    options: VideoOptions,
    on_progress: Progress | None = None,
    flow: FlowEngine | None = None,
) -> ExtractedVideo:
    """Read, window and encode one video.

    Args:
        path: The video.
        extractor: Loaded and frozen.
        options: How to read it.
        on_progress: Called with frames done and expected.
        flow: Computes optical flow, for extractors that look at it.

    Raises:
        VideoError: Unreadable, without frames, or shorter than one window.
        UsageError: The extractor looks at optical flow, and ``flow`` is None.
    """
    from cltdr_cli.features.extract import check_extraction, extract_features, to_sequence
    from cltdr_cli.features.flow_stream import check_flow, with_flow
    from cltdr_cli.video import open_video
    from cltdr_cli.video.frame_stream import FrameStream

    spec = extractor.spec
    stride, window = options.stride_frames or spec.stride_frames, options.window_frames or spec.window_frames
    check_extraction(spec, stride_frames=stride, window_frames=window, batch_clips=options.batch_clips)
    check_flow(spec, flow)
    encoder = _dense(extractor, stride, window) if options.dense else None
    stream_fps = options.fps or spec.rate
    reader = open_video(path, options.reader)
    try:
        stream = FrameStream(
            reader,
            fps=stream_fps,
            start_seconds=options.start_seconds,
            end_seconds=options.end_seconds,
            strict=options.strict,
        )
        seen, note = with_flow(stream, spec, flow), _counted(on_progress, reader.info, stream_fps, options)
        if encoder is not None:
            from cltdr_cli.features.dense import extract_dense

            features, timing = extract_dense(seen, encoder, on_progress=note)
        else:
            features, timing = extract_features(
                seen,
                extractor,
                stride_frames=stride,
                window_frames=window,
                batch_clips=options.batch_clips,
                on_progress=note,
            )
    finally:
        reader.close()
    sequence = to_sequence(
        features, timing, stride_frames=stride, window_frames=window, video_id=path.stem, extractor=spec.name
    )
    return ExtractedVideo(sequence, timing, reader.info)


def _dense(extractor: Extractor, stride_frames: int, window_frames: int) -> DenseEncoder:
    from cltdr_cli.features.dense import check_dense_extraction
    from extractors.dense import DenseEncoder
    from extractors.frozen import FrozenExtractor
    from extractors.openvino_backend import OpenVinoExtractor

    check_dense_extraction(extractor.spec, stride_frames=stride_frames, window_frames=window_frames)
    if not isinstance(extractor, FrozenExtractor | OpenVinoExtractor):
        raise UsageError("--dense: videos cannot share a network in dense form.", "Leave --at-once out.")
    return DenseEncoder(extractor, stride_frames)


def _counted(
    on_progress: Progress | None, info: VideoInfo, fps: float | None, options: VideoOptions
) -> Callable[[int], None] | None:
    """Frames done -> frames done and expected."""
    if on_progress is None:
        return None
    total = info.frame_count if fps is None else None
    if info.duration_seconds is not None and (fps or info.rate):
        start = options.start_seconds or 0.0
        end = min(info.duration_seconds, options.end_seconds or info.duration_seconds)
        if total is None or (start, end) != (0.0, info.duration_seconds):
            total = max(1, round((end - start) * float(fps or info.rate or 1)))
    return lambda done: (on_progress(done, total), None)[1]


def detect_features(
    detector: Detector, sequence: FeatureSequence, video_scores: VideoScores | None = None
) -> VideoResult:
    """Localize actions in a feature sequence.

    Args:
        detector: Loaded.
        sequence: Of the kind that the detector was trained on.
        video_scores: External classes, fused into class-agnostic detections.

    Raises:
        FeatureError: The sequence is empty.
        AnnotationError: The external scores do not know this video.
    """
    if not len(sequence):
        raise FeatureError(f"{sequence.video_id} has no feature steps.", "Is the range within the video?")
    detections, labels = detector.localizer(sequence), detector.labels
    if video_scores is not None:
        detections, labels = video_scores.fused(detections, sequence.video_id), video_scores.labels
    return VideoResult(sequence.video_id, detections, labels, sequence.duration_seconds, grid_facts(sequence))


def grid_facts(sequence: FeatureSequence) -> dict[str, object]:
    """The time grid of a sequence as plain JSON, for ``external_data``."""
    grid = sequence.grid
    return {
        "fps": grid.rate,
        "duration": sequence.duration_seconds,
        "feature_grid": {
            "steps": len(sequence),
            "width": sequence.features.shape[1],
            "stride_frames": grid.stride_frames,
            "window_frames": grid.window_frames,
            "start_seconds": grid.start_seconds,
            "variable_rate": bool(grid.knots),
        },
    }


def detect_video(
    path: Path,
    detector: Detector,
    extractor: Extractor,
    options: VideoOptions,
    video_scores: VideoScores | None = None,
    on_progress: Progress | None = None,
    flow: FlowEngine | None = None,
) -> VideoResult:
    """The whole corridor for one video.

    Raises:
        VideoError: As ``extract_video``.
        AnnotationError: As ``detect_features``.
    """
    video = extract_video(path, extractor, options, on_progress, flow)
    result = detect_features(detector, video.sequence, video_scores)
    facts = {**result.provenance, "reader": video.info.reader, "warnings": list(video.warnings)}
    if extractor.spec.modality != "rgb" and flow is not None:
        facts["flow"] = flow.describe()
    return replace(result, provenance=facts)


def limited(
    result: VideoResult,
    min_score: float | None = None,
    max_segments: int | None = None,
    labels: Sequence[int] | None = None,
) -> VideoResult:
    """The same result with fewer segments: of some labels, at least some score, at most some number."""
    return replace(result, detections=result.detections.limited(min_score or 0.0, max_segments, labels))
