"""Feature spans: the time that the features of a video cover, beside what is said of the video; read from headers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.data.feature_files import FeatureFiles
from cltdr_cli.errors import CltdrError
from cltdr_cli.features.headers import read_header_shape
from cltdr_cli.features.sidecar import Sidecar, read_sidecar, sidecar_path
from cltdr_cli.timeline import FeatureGrid

_LEAST_TOLERANCE_SECONDS = 1.0
_TOLERANCE_SHARE = 0.03
"""Of the duration: 29.97 counts as 30, rounded durations and a dropped last window pass, and 24 is not 25."""


@dataclass(frozen=True)
class FeatureSpan:
    """The time that the features of one video cover, beside what is said of the video.

    Attributes:
        video_id: Id of the video.
        steps: Number of stored steps.
        grid: Their times.
        duration_seconds: Length of the video; None where nobody says.
        actions: Start and end of its annotated actions, seconds.
        is_measured: Whether a sidecar tells the rate, as it was measured in the video.
    """

    video_id: str
    steps: int
    grid: FeatureGrid
    duration_seconds: float | None = None
    actions: tuple[tuple[float, float], ...] = ()
    is_measured: bool = False

    @property
    def end_seconds(self) -> float:
        """End of the last step's window."""
        grid = self.grid
        return float(grid.frames_to_seconds((self.steps - 1) * grid.stride_frames + grid.window_frames))

    @property
    def factor(self) -> float:
        """Length of the features in lengths of the video; 1 where that is unknown."""
        return self.end_seconds / self.duration_seconds if self.duration_seconds else 1.0

    @property
    def is_fitting(self) -> bool:
        """Whether features and video end together, but for a few windows that are left out or padded."""
        if self.duration_seconds is None or math.isinf(self.duration_seconds):
            return True
        windows = (2 * self.grid.stride_frames + self.grid.window_frames) / self.grid.rate
        tolerance = max(_LEAST_TOLERANCE_SECONDS, _TOLERANCE_SHARE * self.duration_seconds, windows)
        return abs(self.end_seconds - self.duration_seconds) <= tolerance

    @property
    def last_end_seconds(self) -> float:
        """End of the last action; 0 where there is none."""
        return max((end for _, end in self.actions), default=0.0)

    @property
    def uncovered(self) -> list[tuple[float, float]]:
        """Actions that start after the features end."""
        return [(start, end) for start, end in self.actions if start >= self.end_seconds]

    def __str__(self) -> str:
        return f"{self.video_id}: features {self.end_seconds:.2f} s, video {self.duration_seconds or 0:.2f} s"


def read_span(path: Path, video: AnnotatedVideo, files: FeatureFiles) -> FeatureSpan | None:
    """The span of a feature file, from its sidecar or else from its header, preset and annotation.

    Args:
        path: The feature file.
        video: Its annotation.
        files: Grid and rate of the preset.

    Returns:
        None where nothing tells the rate, the steps are only known once the whole file is read (``.pt``, ``.pkl``),
        or the file is not in order, which whoever reads it will say.
    """
    try:
        sidecar = read_sidecar(sidecar_path(path))
        shape = None if sidecar is not None else read_header_shape(path, files.file_keys)
    except CltdrError:
        return None
    return make_span(sidecar, shape, video, files)


def count_steps(path: Path) -> int:
    """Steps of a feature file by its header; 0 where only the whole file tells them, or it is not in order."""
    try:
        shape = read_header_shape(path)
    except CltdrError:
        return 0
    return 0 if shape is None else shape[0]


def make_span(
    sidecar: Sidecar | None, shape: tuple[int, ...] | None, video: AnnotatedVideo, files: FeatureFiles | None
) -> FeatureSpan | None:
    """The span of features whose sidecar or shape is known; arguments and result otherwise as ``read_span``."""
    actions = _list_actions(video)
    if sidecar is not None:
        return FeatureSpan(video.video_id, sidecar.steps, sidecar.grid, video.duration_seconds, actions, True)
    grid = make_preset_grid(video, files)
    if grid is None or files is None or shape is None or len(shape) != 2 or not shape[0]:
        return None
    is_turned = shape[0] == files.width != shape[1]
    return None if is_turned else FeatureSpan(video.video_id, shape[0], grid, video.duration_seconds, actions)


def make_preset_grid(video: AnnotatedVideo, files: FeatureFiles | None) -> FeatureGrid | None:
    """The grid of features without a sidecar: the preset's, with its rate or the annotation's; None without a rate."""
    rate = (files.rate or video.fps) if files is not None else None
    return FeatureGrid(rate, files.stride_frames, files.window_frames) if files is not None and rate else None


def work_out_spans(videos: Sequence[tuple[int, AnnotatedVideo]]) -> list[FeatureSpan]:
    """Spans of features whose stride nobody tells: the one that fits most of them, if rates and durations are right.

    The stride is one number of frames, or one of seconds, as in features of resampled videos.

    Args:
        videos: Steps and annotation of each; those without a step, rate or duration are left out.
    """
    known = [(steps, video, video.fps, video.duration_seconds) for steps, video in videos
             if steps and video.fps and video.duration_seconds]  # fmt: skip
    if not known:
        return []
    frames = median(fps * seconds / steps for steps, _, fps, seconds in known)
    step_seconds = median(seconds / steps for steps, _, _, seconds in known)
    by_frames = [_make_worked_out(steps, video, fps, frames) for steps, video, fps, _ in known]
    by_seconds = [_make_worked_out(steps, video, fps, step_seconds * fps) for steps, video, fps, _ in known]
    return max(by_frames, by_seconds, key=lambda spans: sum(span.is_fitting for span in spans))


def _make_worked_out(steps: int, video: AnnotatedVideo, fps: float, stride: float) -> FeatureSpan:
    grid = FeatureGrid(fps, stride, stride)
    return FeatureSpan(video.video_id, steps, grid, video.duration_seconds, _list_actions(video))


def _list_actions(video: AnnotatedVideo) -> tuple[tuple[float, float], ...]:
    return tuple((item.start, item.end) for item in video.instances if math.isfinite(item.start + item.end))
