"""Training samples: feature files and annotations of a split, one class for all data sets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, Instance
from cltdr_cli.data.class_lists import find_nearest
from cltdr_cli.data.coverage import check_coverage
from cltdr_cli.data.crop import clip_overrun
from cltdr_cli.data.feature_files import FeatureFiles, check_feature_file, feature_file, guess_files, load_sequence
from cltdr_cli.data.feature_spans import read_span
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.ground_truth import TOLERANCE_SECONDS
from cltdr_cli.data.samples import LabelSample, Sample
from cltdr_cli.data.video_labels import is_labelled_only
from cltdr_cli.errors import AnnotationError, FeatureError
from cltdr_cli.features.arrangement import arrange_features

S = TypeVar("S", Sample, LabelSample)

CLASS_AGNOSTIC = "action"
"""The one label of a model that only says where something happens."""


@dataclass(frozen=True)
class TrainingVideo:
    """A video of the split that has features.

    Attributes:
        video: Its annotation.
        path: Its feature file.
    """

    video: AnnotatedVideo
    path: Path


@dataclass(frozen=True)
class TrainingSplit:
    """What there is to train on, and what was left out.

    Attributes:
        videos: With features, by the order of the annotation.
        missing: Those without.
        findings: Missing files, unusable instances.
        misfits: Where features do not last as long as their videos and actions.
    """

    videos: tuple[TrainingVideo, ...]
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]
    misfits: tuple[Finding, ...] = ()

    def describe(self) -> list[tuple[str, tuple[Instance, ...]]]:
        """What a resumed run must find again: each video with its instances."""
        return [(item.video.video_id, item.video.instances) for item in self.videos]


def label_places(class_names: Sequence[str]) -> dict[str, int]:
    """Class name -> index; with ``CLASS_AGNOSTIC`` alone every name means class 0."""
    return {name: place for place, name in enumerate(class_names)}


def training_split(
    annotations: Annotations, folder: Path, files: FeatureFiles, class_names: Sequence[str]
) -> TrainingSplit:
    """The videos of an annotation that can be trained on.

    Args:
        annotations: Of one split.
        folder: Of feature files.
        files: How they are called and made.
        class_names: What the network's classes are, by index.

    Raises:
        AnnotationError: A label is none of the classes, a time is no number, or there are labels and no segments.
        FeatureError: No video has a file, a file's sidecar contradicts the preset, or no instance lies where there are
            features.
    """
    _check_instances(annotations, class_names)
    labelled_only = _find_labelled_only(annotations)
    paths, missing = find_files(annotations, folder, files, labelled_only)
    videos: list[TrainingVideo] = []
    for name, path in paths.items():
        check_feature_file(path, annotations.videos[name], files)
        videos.append(TrainingVideo(annotations.videos[name], path))
    misfits = check_coverage((read_span(one.path, one.video, files) for one in videos), files.force_upsampling)
    findings = _findings(annotations, missing, labelled_only, guess_files(folder, missing))
    return TrainingSplit(tuple(videos), tuple(missing), tuple(findings), tuple(misfits))


def find_files(
    annotations: Annotations, folder: Path, files: FeatureFiles, left_out: Collection[str] = ()
) -> tuple[dict[str, Path], list[str]]:
    """Feature file of each video that has one, and the ids of the others.

    Args:
        annotations: The videos.
        folder: Of feature files.
        files: How they are called.
        left_out: Ids of videos that are not looked for.

    Raises:
        FeatureError: No video has a file.
    """
    wanted = [name for name in annotations.videos if name not in left_out]
    found = {name: feature_file(folder, name, files) for name in wanted}
    paths = {name: path for name, path in found.items() if path is not None}
    if not paths:
        expected = f"{files.file_prefix}{next(iter(annotations.videos))}{files.file_suffix}"
        raise FeatureError(
            f"{folder} has a feature file of none of the {len(wanted)} videos (looked for {expected}, say"
            f"{guess_files(folder, wanted)})",
            "Check features=, and the preset's file_prefix and file_suffix (settings such as features.file_prefix=v_).",
        )
    return paths, [name for name in wanted if name not in paths]


def _find_labelled_only(annotations: Annotations) -> list[str]:
    """Videos whose actions are somewhere that nobody says: as background they would teach the network wrongly.

    Raises:
        AnnotationError: Videos are labelled, and none has a segment.
    """
    names = [video.video_id for video in annotations.videos.values() if is_labelled_only(video)]
    if names and not any(video.instances for video in annotations.videos.values()):
        raise AnnotationError(
            f"{annotations.source}: its videos to train on have labels and no segments ({names[0]}, say), and the "
            "preset's network learns from segments",
            "Annotate start and end of the actions, or choose a preset that learns from video labels.",
        )
    return names


def refuse_blank_labels(source: Path, labels: Iterable[tuple[str, str]]) -> None:
    """Raise AnnotationError where a label is blank; labels come with the ids of their videos."""
    blank = [name for name, label in labels if not label.strip()]
    if blank:
        raise AnnotationError(
            f"{source}: {len(blank)} annotations have no label or a blank one, first in {blank[0]}",
            "cltdr datasets check lists them all.",
        )


def _check_instances(annotations: Annotations, class_names: Sequence[str]) -> None:
    items = [(v.video_id, i) for v in annotations.videos.values() for i in v.instances]
    refuse_blank_labels(annotations.source, [(name, item.label) for name, item in items])
    if tuple(class_names) != (CLASS_AGNOSTIC,):
        refuse_other_labels(annotations.source, {item.label for _, item in items}, class_names)
    broken = [name for name, item in items if not np.isfinite([item.start, item.end]).all()]
    if broken:
        raise AnnotationError(
            f"{annotations.source}: {len(broken)} instances have a time that is no number, first in {broken[0]}",
            "cltdr datasets check lists them all.",
        )


def refuse_other_labels(source: Path, labels: Collection[str], class_names: Sequence[str]) -> None:
    """Refuse labels that are none of the classes: a mistyped one would become a class of its own.

    Raises:
        AnnotationError: There are some; the nearest classes are given.
    """
    unknown = sorted(set(labels) - set(class_names))
    if not unknown:
        return
    shown = ", ".join(map(repr, unknown[:5])) + (", …" if len(unknown) > 5 else "")
    guesses = [(name, find_nearest(name, class_names)) for name in unknown[:5]]
    meant = [f"{name!r}: did you mean {near!r}?" for name, near in guesses if near]
    raise AnnotationError(
        f"{source}: {len(unknown)} labels are none of the {len(class_names)} classes: {shown}",
        " ".join([
            *meant,
            "Correct them, or train on the annotation's own classes (labels= annotations) or those of a file "
            "(labels= FILE).",
        ]),
    )  # fmt: skip


def _findings(
    annotations: Annotations, missing: Sequence[str], labelled_only: Sequence[str], meant: str
) -> list[Finding]:
    videos = [video for video in annotations.videos.values() if video.video_id not in labelled_only]
    untimed = [v.video_id for v in videos for _ in v.untimed]
    empty = [v.video_id for v in videos for i in v.instances if not is_solid(i)]
    without = [v.video_id for v in videos if not any(map(is_solid, v.instances))]
    return [
        *make_findings("missing-features", "videos have no feature file", missing, f"not trained on{meant}"),
        *make_findings("empty", "instances are shorter than 1 ms or end before they start", empty, "left out"),
        *make_findings("untimed", "annotations have no segment", untimed, "left out"),
        *make_findings("labelled-only", "videos have labels and no segments", labelled_only, "not trained on"),
        *make_findings("no-instance", "videos have no instance", without, "trained on as background"),
    ]


def is_solid(instance: Instance) -> bool:
    """Whether an instance is long enough to be found."""
    return instance.end - instance.start >= TOLERANCE_SECONDS


class TrainingSet:
    """Whole training videos in steps of their features, kept in memory up to a bound.

    Args:
        videos: What there is.
        files: How features become steps.
        max_steps: Longest length of the network, for presets that stretch to it.
        class_names: By index.
        cache_bytes: Features kept in memory; what does not fit is read again in each epoch.
        overrun: What happens to instances that go on after the features end: the end that counts, in windows after the
            last step, and the least share of an instance that must lie before it (None for any); None does nothing.
    """

    def __init__(
        self,
        videos: Sequence[TrainingVideo],
        files: FeatureFiles,
        max_steps: int,
        class_names: Sequence[str],
        cache_bytes: int,
        overrun: tuple[float, float | None] | None = None,
    ) -> None:
        self.videos = tuple(videos)
        self._files, self._max_steps, self._overrun = files, max_steps, overrun
        self._places = label_places(class_names)
        self._cache = SampleCache[Sample](cache_bytes)

    def __len__(self) -> int:
        return len(self.videos)

    def sample(self, index: int) -> Sample:
        """The whole of video ``index``; the same array may be given to several callers: do not write to it.

        Raises:
            FeatureError: The file does not read.
        """
        return self._cache.get(index, lambda: self._read(self.videos[index]))

    def name(self, index: int) -> str:
        """Id of video ``index``."""
        return self.videos[index].video.video_id

    def _read(self, item: TrainingVideo) -> Sample:
        sequence = load_sequence(item.path, item.video, self._files)
        stretch = self._max_steps if self._files.force_upsampling else None
        sequence = arrange_features(sequence, self._files.downsample_rate, stretch)
        instances = [instance for instance in item.video.instances if is_solid(instance)]
        seconds = np.array([(i.start, i.end) for i in instances], np.float64).reshape(-1, 2)
        labels = np.array([self._places.get(i.label, 0) for i in instances], np.int64)
        sample = Sample(sequence.features, sequence.grid.to_steps(seconds).astype(np.float32), labels)
        if self._overrun is None:
            return sample
        windows, least_share = self._overrun
        grid = sequence.grid
        return clip_overrun(sample, len(sequence) + windows * grid.window_frames / grid.stride_frames, least_share)


class SampleCache(Generic[S]):
    """Samples by number, until the bound is reached; then those that are there stay.

    An epoch asks for each video once, so throwing out the oldest would throw out just what comes next.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._free, self._lock = limit_bytes, Lock()
        self._kept: dict[int, S] = {}

    def get(self, index: int, read: Callable[[], S]) -> S:
        """The sample of that number, read if it is not there yet."""
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        sample = read()
        with self._lock:
            if sample.features.nbytes <= self._free and index not in self._kept:
                self._free -= sample.features.nbytes
                self._kept[index] = sample
        return sample


def class_agnostic(annotations: Annotations) -> Annotations:
    """The same annotations with every label ``action``."""
    videos = {name: _rename_labels(video) for name, video in annotations.videos.items()}
    return replace(annotations, videos=videos, label_ids={CLASS_AGNOSTIC: 0})


def _rename_labels(video: AnnotatedVideo) -> AnnotatedVideo:
    return replace(
        video,
        instances=tuple(item._replace(label=CLASS_AGNOSTIC, label_id=0) for item in video.instances),
        untimed=tuple(one._replace(label=CLASS_AGNOSTIC, label_id=0) for one in video.untimed),
        labels=None if video.labels is None else (CLASS_AGNOSTIC,) * bool(video.labels),
    )
