"""From a video to its features, and from features to segments. Models are passed in; nothing is loaded here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cltdr_cli.errors import FeatureError, UsageError
from cltdr_cli.plain_text import as_utf8
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.timeline import FeatureSequence

if TYPE_CHECKING:
    from cltdr_cli.inference.fusion import VideoScores
    from cltdr_cli.video.frames import FrameTiming, VideoInfo, VideoReader
    from cltdr_cli.video.network import Address
    from extractors.dense import DenseEncoder
    from extractors.flow import FlowEngine
    from extractors.spec import Extractor

Progress = Callable[[int, "int | None"], object]
"""Called with the frames that are done, and the frames in all where the video's header tells."""


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
        reset_seconds: After so many seconds the state of a causal extractor starts afresh; None never resets it.
        queue_batches: Batches of frames that are decoded and prepared ahead; with 0, decoding and network take turns.

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
    reset_seconds: float | None = None
    queue_batches: int = 4

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise UsageError(
                f"The rate {self.fps:g}, given as fps=, is not above 0.", "Leave it out for the video's own."
            )


@dataclass(frozen=True, eq=False)
class ExtractedVideo:
    """Features of a video, and the facts that were measured on the way.

    Attributes:
        sequence: The features with their times.
        timing: Rate, frames, and where a broken stream stopped.
        info: What the video's header says.
    """

    sequence: FeatureSequence
    timing: FrameTiming
    info: VideoInfo

    def named(self, video_id: str) -> ExtractedVideo:
        """The same video under another id."""
        return replace(self, sequence=replace(self.sequence, video_id=video_id))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the video, although it could be used: where a broken stream stopped."""
        if self.timing.broken_seconds is None:
            return ()
        return (f"{self.timing.broken_reason} Everything before is used.",)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The problems, and how to make them errors."""
        return tuple(f"{problem} strict= makes this an error." for problem in self.problems)


class Detector(Protocol):
    """What ``detect_features`` needs of a detector."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""
        ...

    @property
    def label_ids(self) -> tuple[int, ...] | None:
        """Number of each class; None where that is its index."""
        ...

    @property
    def localizer(self) -> Callable[[FeatureSequence], Detections]:
        """Turns features into detections."""
        ...


def extract_video(
    video: Path | Address | VideoReader,
    extractor: Extractor,
    options: VideoOptions,
    on_progress: Progress | None = None,
    flow: FlowEngine | None = None,
) -> ExtractedVideo:
    """Compute the features of one video: decode it, cut it into windows, encode each.

    Args:
        video: The file or address, or a reader of it; a reader is closed afterwards.
        extractor: Loaded and frozen.
        options: How to read it.
        on_progress: Called with the frames done and expected.
        flow: Computes optical flow, for extractors that look at it.

    Returns:
        Features float32 ``[T, C]`` with their times, and the facts measured.

    Raises:
        VideoError: Unreadable, without frames, or shorter than one window.
        UsageError: The extractor looks at optical flow, and ``flow`` is None.
    """
    from cltdr_cli.features.extract import check_extraction, extract_features, make_sequence
    from cltdr_cli.features.flow_stream import add_flow, check_flow
    from cltdr_cli.features.streaming import check_reset, extract_stream
    from cltdr_cli.video import open_video
    from cltdr_cli.video.frame_stream import FrameStream
    from cltdr_cli.video.network import Address
    from extractors.spec import StreamExtractor

    spec = extractor.spec
    stride, window = options.stride_frames or spec.stride_frames, options.window_frames or spec.window_frames
    check_extraction(spec, stride_frames=stride, window_frames=window, batch_clips=options.batch_clips)
    check_flow(spec, flow)
    check_reset(spec, options.reset_seconds)
    encoder = _make_dense_encoder(extractor, stride, window) if options.dense else None
    stream_fps = options.fps or spec.rate
    ahead = options.queue_batches if extractor.device.type == "cpu" else 0  # a GPU prepares frames itself
    reader = open_video(video, options.reader) if isinstance(video, Path | Address) else video
    try:
        stream = FrameStream(
            reader,
            fps=stream_fps,
            start_seconds=options.start_seconds,
            end_seconds=options.end_seconds,
            strict=options.strict,
            queue_batches=0 if ahead and spec.modality == "rgb" else options.queue_batches,  # one thread does both
        )
        seen = add_flow(stream, spec, flow)
        note = _add_expected_frames(on_progress, reader.info, stream_fps, options)
        if encoder is not None:
            from cltdr_cli.features.dense import extract_dense

            features, timing = extract_dense(seen, encoder, ahead_batches=ahead, on_progress=note)
        elif isinstance(extractor, StreamExtractor) and spec.causal:
            features, timing = extract_stream(
                seen,
                extractor,
                fps=float(stream_fps or reader.info.rate or 1),
                stride_frames=stride,
                batch_frames=options.batch_clips,
                reset_seconds=options.reset_seconds,
                ahead_batches=ahead,
                on_progress=note,
            )
        else:
            shape = {"stride_frames": stride, "window_frames": window, "batch_clips": options.batch_clips}
            features, timing = extract_features(seen, extractor, **shape, ahead_batches=ahead, on_progress=note)
    finally:
        reader.close()
    sequence = make_sequence(
        features,
        timing,
        stride_frames=stride,
        window_frames=window,
        video_id=as_utf8(reader.info.path.stem),
        extractor=spec.name,
    )
    return ExtractedVideo(sequence, timing, reader.info)


def _make_dense_encoder(extractor: Extractor, stride_frames: int, window_frames: int) -> DenseEncoder:
    from cltdr_cli.features.dense import check_dense_extraction
    from extractors.dense import DenseEncoder
    from extractors.frozen import FrozenExtractor
    from extractors.openvino_backend import OpenVinoExtractor

    check_dense_extraction(extractor.spec, stride_frames=stride_frames, window_frames=window_frames)
    if not isinstance(extractor, FrozenExtractor | OpenVinoExtractor):
        raise UsageError("With dense= videos cannot share a network.", "Leave at_once= out.")
    return DenseEncoder(extractor, stride_frames)


def _add_expected_frames(
    on_progress: Progress | None, info: VideoInfo, fps: float | None, options: VideoOptions
) -> Callable[[int], None] | None:
    """Turn the number of frames done into a call with the frames done and expected."""
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
    """Find actions in features.

    Args:
        detector: Loaded detector.
        sequence: Features of the kind that the detector was trained on.
        video_scores: Class scores of whole videos, for a detector that names no classes itself.

    Raises:
        FeatureError: The sequence is empty.
        AnnotationError: There are no video scores of this video.
    """
    if not len(sequence):
        raise FeatureError(f"{sequence.video_id} has no feature steps.", "Does the range lie within the video?")
    detections, labels, numbers = detector.localizer(sequence), detector.labels, detector.label_ids
    if video_scores is not None:
        detections = video_scores.add_classes(detections, sequence.video_id)
        labels, numbers = video_scores.labels, None
    facts = describe_grid(sequence)
    if detections.curves is not None:
        facts["score_curves"] = detections.curves.describe(labels)
    return VideoResult(sequence.video_id, detections, labels, sequence.duration_seconds, facts, numbers)


def describe_grid(sequence: FeatureSequence) -> dict[str, object]:
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
    source: Path | Address | VideoReader,
    detector: Detector,
    extractor: Extractor,
    options: VideoOptions,
    video_scores: VideoScores | None = None,
    on_progress: Progress | None = None,
    flow: FlowEngine | None = None,
) -> VideoResult:
    """Find actions in one video: ``extract_video``, then ``detect_features``.

    Raises:
        VideoError: As ``extract_video``.
        AnnotationError: As ``detect_features``.
    """
    video = extract_video(source, extractor, options, on_progress, flow)
    result = detect_features(detector, video.sequence, video_scores)
    facts = {**result.provenance, "reader": video.info.reader, "warnings": list(video.problems)}
    if extractor.spec.modality != "rgb" and flow is not None:
        facts["flow"] = flow.describe()
    return replace(result, provenance=facts)


def limit_result(
    result: VideoResult,
    min_score: float | None = None,
    max_segments: int | None = None,
    labels: Sequence[int] | None = None,
) -> VideoResult:
    """The result without the segments below a score, of other labels, or beyond the best so many."""
    return replace(result, detections=result.detections.limited(min_score, max_segments, labels))
