"""Detection in all videos of a split, for cltdr eval: features or videos in, rows of predictions out."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli import console
from cltdr_cli.commands.detection import video_scores
from cltdr_cli.commands.forced import taken_features, warn_of_other_kinds
from cltdr_cli.commands.models import model_sources
from cltdr_cli.commands.scoring import Reference
from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.data.feature_files import feature_file, load_sequence
from cltdr_cli.data.prediction_files import ResultRows, rows_of_results
from cltdr_cli.errors import AnnotationError, CltdrError, FeatureError, UsageError, VideoError
from cltdr_cli.inference.fusion import VideoScores
from cltdr_cli.pipeline import VideoOptions, detect_features, detect_video
from cltdr_cli.segments import VideoResult
from cltdr_cli.timeline import FeatureSequence
from cltdr_cli.video.inputs import VIDEO_SUFFIXES
from cltdr_cli.zoo.flow import other_flow
from cltdr_cli.zoo.load import LoadedDetector, load_detector
from cltdr_cli.zoo.preset import FeatureConfig


@dataclass(frozen=True)
class Detecting:
    """What to detect in before scoring, and with what; names as on the command line.

    Attributes:
        features: Folder of feature files; None to read ``videos``.
        videos: Folder of videos.
        preset: As for ``cltdr detect``, as are all that follow.
        checkpoint: Of the localizer.
        device: Where it runs.
        flow: Name of the optical flow.
        force: Whether features of another kind are taken.
        video_scores: Class scores of whole videos, for class-agnostic presets.
    """

    features: Path | None
    videos: Path | None
    preset: str
    checkpoint: Path | None
    device: str
    flow: str | None = None
    force: bool = False
    video_scores: Path | None = None


def detect_split(reference: Reference, wanted: Detecting) -> tuple[ResultRows, int]:
    """Detect in every scored video that has a file.

    Returns:
        Predictions, and how many videos failed (each named on stderr).

    Raises:
        AnnotationError: No video of the split has a file, or the video scores cannot be read.
        UsageError: The detector names no classes, and there are no video scores.
    """
    detector = _loaded(reference, wanted)
    scores = _class_scores(detector, wanted.video_scores)
    results: list[VideoResult] = []
    failed = 0
    ids = reference.split.truth.video_ids
    with console.progress("detecting", len(ids), "videos") as bar:
        for done, video_id in enumerate(ids, 1):
            try:
                results.append(_detected(detector, reference.annotations.videos[video_id], wanted, scores))
            except CltdrError as error:
                failed += 1
                console.warning(f"{video_id}: {error.message}")
            bar.update(done)
    place = wanted.features or wanted.videos
    if not results:
        raise AnnotationError(f"no video of the split could be detected in: {place}", "See above.")
    return rows_of_results(results, str(place)), failed


def _loaded(reference: Reference, wanted: Detecting) -> LoadedDetector:
    """The detector; what is wrong with it is said once, not for every video."""
    sources = model_sources(wanted.device, flow=wanted.flow, force=wanted.force)
    detector = load_detector(wanted.preset, wanted.checkpoint, sources)
    for text in detector.notices:
        console.notice(text)
    if wanted.features is None:
        _ = detector.extractor, detector.flow
        if text := other_flow(detector.preset, sources):
            console.warning(text)
    elif wanted.force:
        taken = taken_features(detector.preset.features, wanted.force)
        paths = (feature_file(wanted.features, name, taken) for name in reference.split.truth.video_ids)
        warn_of_other_kinds(filter(None, paths), detector.preset.features)
    return detector


def _class_scores(detector: LoadedDetector, file: Path | None) -> VideoScores | None:
    if file is None and detector.preset.benchmark.class_agnostic:
        raise UsageError(
            f"preset {detector.preset.name} finds actions without naming them: there is nothing to score by class",
            "Add --video-scores FILE, the class scores of whole videos.",
        )
    return video_scores(detector, file)


def _detected(
    detector: LoadedDetector, video: AnnotatedVideo, wanted: Detecting, scores: VideoScores | None
) -> VideoResult:
    if wanted.features is not None:
        taken = taken_features(detector.preset.features, wanted.force)
        return detect_features(detector, _sequence(video, wanted.features, taken), scores)
    folder = wanted.videos or Path()
    path = video_file(folder, video.video_id)
    if path is None:
        raise VideoError(f"no video of that name in {folder}")
    extractor = detector.extractor.extractor
    return detect_video(path, detector, extractor, _options(detector), scores, flow=detector.flow)


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
