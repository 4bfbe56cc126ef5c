"""Training videos of which only labels are known: no type in here has a field for times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations
from cltdr_cli.data.class_lists import suggest_names
from cltdr_cli.data.coverage import check_coverage
from cltdr_cli.data.feature_files import FeatureFiles, check_feature_file, guess_files, load_sequence
from cltdr_cli.data.feature_spans import read_span
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.samples import LabelSample
from cltdr_cli.data.training_set import SampleCache, find_files, label_places, refuse_blank_labels
from cltdr_cli.data.video_labels import find_unknown_labels, video_labels
from cltdr_cli.errors import AnnotationError, FeatureError
from cltdr_cli.features.arrangement import arrange_features
from cltdr_cli.features.headers import read_stored_header


@dataclass(frozen=True)
class LabelledVideo:
    """A video of the split that has features.

    Attributes:
        video_id: Its name.
        labels: What happens in it, whenever.
        path: Its feature file.
        duration_seconds: None where the annotation does not say.
        fps: Frames per second; None where the annotation does not say.
    """

    video_id: str
    labels: tuple[str, ...]
    path: Path
    duration_seconds: float | None = None
    fps: float | None = None

    @property
    def without_segments(self) -> AnnotatedVideo:
        """Its annotation as far as it is known here."""
        return AnnotatedVideo(self.video_id, "", (), self.duration_seconds, self.fps)


@dataclass(frozen=True)
class LabelledSplit:
    """What there is to train on, and what was left out.

    Attributes:
        videos: With features, by the order of the annotation.
        missing: Ids of those without.
        findings: Missing files, videos without a label.
        misfits: Where features do not last as long as their videos.
    """

    videos: tuple[LabelledVideo, ...]
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]
    misfits: tuple[Finding, ...] = ()

    def describe(self) -> list[tuple[str, tuple[str, ...]]]:
        """What a resumed run must find again: each video with its labels."""
        return [(video.video_id, video.labels) for video in self.videos]


def labelled_split(
    annotations: Annotations, folder: Path, files: FeatureFiles, class_names: Sequence[str], fewest_steps: int = 1
) -> LabelledSplit:
    """The videos of an annotation that can be trained on by their labels.

    Args:
        annotations: Of one split. Segments are not read.
        folder: Of feature files.
        files: How they are called and made.
        class_names: What the network's classes are, by index.
        fewest_steps: Videos of fewer steps are left out.

    Raises:
        AnnotationError: A label is blank or none of the classes.
        FeatureError: No video has a file, or a file's sidecar contradicts the preset.
    """
    _check_labels(annotations, class_names)
    paths, missing = find_files(annotations, folder, files)
    videos, short = list[LabelledVideo](), list[str]()
    for name, path in paths.items():
        video = annotations.videos[name]
        check_feature_file(path, video, files)
        if fewest_steps > 1 and _count_steps(path, files) < fewest_steps:
            short.append(name)
            continue
        videos.append(LabelledVideo(name, video_labels(video), path, video.duration_seconds, video.fps))
    spans = (read_span(one.path, one.without_segments, files) for one in videos)
    unlabelled = [video.video_id for video in videos if not video.labels]
    meant = guess_files(folder, missing)
    findings = [
        *make_findings("missing-features", "videos have no feature file", missing, f"not trained on{meant}"),
        *make_findings("short", f"videos have fewer than {fewest_steps} steps", short, "left out"),
        *make_findings("no-label", "videos have no label", unlabelled, "trained on as background"),
    ]
    misfits = tuple(check_coverage(spans, files.force_upsampling))
    return LabelledSplit(tuple(videos), tuple(missing), tuple(findings), misfits)


def _count_steps(path: Path, files: FeatureFiles) -> int:
    """Steps that training sees, told by the file's header."""
    shape, _ = read_stored_header(path, files.file_keys)
    return -(-shape[0] // files.downsample_rate)


def _check_labels(annotations: Annotations, class_names: Sequence[str]) -> None:
    videos = annotations.videos.values()
    refuse_blank_labels(annotations.source, [(v.video_id, label) for v in videos for label in video_labels(v)])
    unknown = find_unknown_labels(annotations.videos.values(), class_names)
    if unknown:
        shown = ", ".join(list(unknown)[:5]) + (", …" if len(unknown) > 5 else "")
        near = suggest_names(unknown, class_names)
        raise AnnotationError(
            f"{annotations.source}: {len(unknown)} labels are none of the {len(class_names)} classes: {shown}",
            f"{f'Did you mean {near}? ' if near else ''}Train on the annotation's own classes (labels= annotations), "
            "or on those of a file (labels= FILE).",
        )


class LabelSet:
    """Whole training videos in steps of their features, kept in memory up to a bound, with their labels.

    Args:
        videos: What there is.
        files: How features become steps.
        class_names: By index.
        cache_bytes: Features kept in memory; what does not fit is read again each time.
    """

    def __init__(
        self, videos: Sequence[LabelledVideo], files: FeatureFiles, class_names: Sequence[str], cache_bytes: int
    ) -> None:
        self.videos, self._files = tuple(videos), files
        places = label_places(class_names)
        self.labels: NDArray[np.float32] = np.zeros((len(videos), len(class_names)), np.float32)
        for row, video in zip(self.labels, videos, strict=True):
            row[[places[name] for name in video.labels]] = 1
        self._cache = SampleCache[LabelSample](cache_bytes)

    def __len__(self) -> int:
        return len(self.videos)

    def sample(self, index: int) -> LabelSample:
        """The whole of video ``index``; the same array may be given to several callers: do not write to it.

        Raises:
            FeatureError: The file does not read, or has no steps.
        """
        return self._cache.get(index, lambda: self._read(index))

    def name(self, index: int) -> str:
        """Id of video ``index``."""
        return self.videos[index].video_id

    def _read(self, index: int) -> LabelSample:
        item = self.videos[index]
        sequence = load_sequence(item.path, item.without_segments, self._files)
        sequence = arrange_features(sequence, self._files.downsample_rate)
        if not len(sequence):
            raise FeatureError(f"{item.path} has no feature steps", "Leave the video out, or extract it again.")
        return LabelSample(sequence.features, self.labels[index])
