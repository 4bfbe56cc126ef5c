"""Detection in all videos of a split, for cltdr eval: features or videos in, rows of predictions out."""

from __future__ import annotations

import glob
from pathlib import Path

from cltdr_cli import console
from cltdr_cli.commands.forced import taken_features, warn_of_other_kinds
from cltdr_cli.commands.models import model_sources
from cltdr_cli.commands.scoring import Reference
from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.data.feature_files import feature_file, load_sequence
from cltdr_cli.data.prediction_files import ResultRows, rows_of_results
from cltdr_cli.errors import AnnotationError, CltdrError, FeatureError, VideoError
from cltdr_cli.pipeline import VideoOptions, detect_features, detect_video
from cltdr_cli.segments import VideoResult
from cltdr_cli.timeline import FeatureSequence
from cltdr_cli.video.inputs import VIDEO_SUFFIXES
from cltdr_cli.zoo.flow import other_flow
from cltdr_cli.zoo.load import LoadedDetector, load_detector
from cltdr_cli.zoo.preset import FeatureConfig


def detect_split(
    reference: Reference,
    features: Path | None,
    videos: Path | None,
    preset: str,
    checkpoint: Path | None,
    device: str,
    flow: str | None = None,
    force: bool = False,
) -> tuple[ResultRows, int]:
    """Detect in every scored video that has a file.

    Args:
        reference: What is scored.
        features: Folder of feature files; None to read ``videos``.
        videos: Folder of videos.
        preset: As for ``cltdr detect``.
        checkpoint: As for ``cltdr detect``.
        device: As for ``cltdr detect``.
        flow: As for ``cltdr detect``.
        force: As for ``cltdr detect``.

    Returns:
        Predictions, and how many videos failed (each named on stderr).

    Raises:
        AnnotationError: No video of the split has a file.
    """
    sources = model_sources(device, flow=flow, force=force)
    detector = load_detector(preset, checkpoint, sources)
    for text in detector.notices:
        console.notice(text)
    taken = taken_features(detector.preset.features, force)
    if features is None:
        _ = detector.extractor, detector.flow  # what is wrong with them is said once, not for every video
        if text := other_flow(detector.preset, sources):
            console.warning(text)
    elif force:
        paths = (feature_file(features, name, taken) for name in reference.split.truth.video_ids)
        warn_of_other_kinds(filter(None, paths), detector.preset.features)
    results: list[VideoResult] = []
    failed = 0
    ids = reference.split.truth.video_ids
    with console.progress("detecting", len(ids), "videos") as bar:
        for done, video_id in enumerate(ids, 1):
            try:
                video = reference.annotations.videos[video_id]
                if features is None:
                    results.append(_detect_in_video(detector, video, videos or Path()))
                else:
                    results.append(detect_features(detector, _sequence(video, features, taken)))
            except CltdrError as error:
                failed += 1
                console.warning(f"{video_id}: {error.message}")
            bar.update(done)
    if not results:
        raise AnnotationError(f"no video of the split could be detected in: {features or videos}", "See above.")
    return rows_of_results(results, str(features or videos)), failed


def _detect_in_video(detector: LoadedDetector, video: AnnotatedVideo, videos: Path) -> VideoResult:
    path = video_file(videos, video.video_id)
    if path is None:
        raise VideoError(f"no video of that name in {videos}")
    return detect_video(path, detector, detector.extractor.extractor, _options(detector), flow=detector.flow)


def _sequence(video: AnnotatedVideo, features: Path, taken: FeatureConfig) -> FeatureSequence:
    """Features of a video, under the name that its publishers or we give the file."""
    path = feature_file(features, video.video_id, taken)
    if path is None:
        raise FeatureError(f"no feature file of that name in {features}")
    return load_sequence(path, video, taken)


def _options(detector: LoadedDetector) -> VideoOptions:
    grid = detector.preset.features
    return VideoOptions(
        fps=grid.rate, stride_frames=grid.stride_frames, window_frames=grid.window_frames, dense=grid.dense
    )


def video_file(folder: Path, video_id: str) -> Path | None:
    """The video of that name, whatever its suffix; None where there is none."""
    found = sorted(folder.glob(f"{glob.escape(video_id)}.*"))
    return next((path for path in found if path.stem == video_id and path.suffix.lower() in VIDEO_SUFFIXES), None)
