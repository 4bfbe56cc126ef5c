"""Detection in all videos of a split, from a folder of features or of videos."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path

from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.data.feature_files import check_video_id, feature_file, guess_files, load_sequence
from cltdr_cli.data.id_matching import guess_id
from cltdr_cli.errors import CltdrError, FeatureError, VideoError
from cltdr_cli.plain_text import as_utf8
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.segments import VideoResult
from cltdr_cli.video.named_inputs import VIDEO_SUFFIXES, FailedInput, make_input
from cltdr_cli.workflows.detector import InputDetector

DetectInVideo = Callable[[AnnotatedVideo], VideoResult]
"""Finds actions in one annotated video; raises ``CltdrError`` where it cannot."""


def detect_split(
    videos: Sequence[AnnotatedVideo], detect_in: DetectInVideo, title: str = "detecting", report: Reporter = SILENT
) -> tuple[list[VideoResult], list[FailedInput]]:
    """Detect in one annotated video after the other; one that fails is reported, and the others go on.

    Args:
        videos: The videos, or a share of them where several processes work together.
        detect_in: Finds actions in one of them.
        title: Name of the progress bar.
        report: Hears of progress and failures.

    Returns:
        The results in the order of the videos, and the videos that failed.
    """
    results: list[VideoResult] = []
    failures: list[FailedInput] = []
    with report.progress(title, len(videos), "videos") as bar:
        for done, video in enumerate(videos, 1):
            try:
                results.append(detect_in(video))
            except CltdrError as error:
                failures.append(FailedInput(video.video_id, error))
                report.warning(f"{video.video_id}: {error.message}")
            bar.update(done)
    return results, failures


def detect_in_features(detector: InputDetector, folder: Path) -> DetectInVideo:
    """Detection in feature files, found under the name that their publishers or we give them.

    The rate and duration are those of the sidecar, or of the annotation where there is none.
    """

    def detect(video: AnnotatedVideo) -> VideoResult:
        path = feature_file(folder, video.video_id, detector.features)
        if path is None:
            raise FeatureError(f"no feature file of that name in {folder}{guess_files(folder, [video.video_id])}")
        return detector.detect_sequence(load_sequence(path, video, detector.features))

    return detect


def detect_in_videos(detector: InputDetector, folder: Path, report: Reporter = SILENT) -> DetectInVideo:
    """Detection in video files, found by the video's id whatever their suffix."""

    def detect(video: AnnotatedVideo) -> VideoResult:
        path = find_video(folder, video.video_id)
        if path is None:
            guess = guess_id(video.video_id, [path.stem for path in sorted(folder.glob("*"))])
            raise VideoError(f"no video of that name in {folder}{f'; did you mean {guess}?' if guess else ''}")
        return detector.detect_input(make_input(path, video.video_id), report=report)

    return detect


def find_video(folder: Path, video_id: str) -> Path | None:
    """The video file of that id, whatever its suffix; None where there is none.

    Raises:
        VideoError: The id leads out of the folder.
    """
    check_video_id(folder, video_id, VideoError)
    found = sorted(folder.glob("*" if "%" in video_id else f"{glob.escape(video_id)}.*"))  # % may stand for a byte
    videos = (path for path in found if path.suffix.lower() in VIDEO_SUFFIXES)
    return next(
        (path for path in videos if as_utf8(path.relative_to(folder).with_suffix("").as_posix()) == video_id), None
    )
