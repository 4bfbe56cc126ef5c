"""Annotations in memory: labelled segments in seconds, whatever file they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.class_numbers import UntimedLabel, find_number_conflicts, number_classes
from cltdr_cli.errors import AnnotationError

NO_CLASSES = ClassList()
PAIRED_LAYOUTS = frozenset({"activitynet", "bsn", "csv", "csv-labels"})
"""Layouts in which whoever wrote the file put a number beside each label; other layouts have one of the two only."""

SPLIT_NAMES = {
    "train": "training", "training": "training", "val": "validation", "valid": "validation",
    "validation": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""Names of splits in files, and our names for them."""


class Instance(NamedTuple):
    """One annotated action; times in seconds, ``label_id`` is the number of its class in the file."""

    start: float
    end: float
    label: str
    label_id: int | None = None


@dataclass(frozen=True)
class AnnotatedVideo:
    """A video and its annotated actions.

    Attributes:
        video_id: Name of the video in the file.
        split: ``training``, ``validation``, ``test``, another name from the file in lower case, or empty.
        instances: In the order of the file.
        duration_seconds: None where the file does not say.
        fps: Frames per second; None where the file does not say.
        ambiguous: Start and end of segments marked Ambiguous (THUMOS14), which are neither action nor background.
        untimed: Labels of annotations without a segment, in the order of the file.
        labels: Labels that the file gives to the video as a whole; None where it gives none, empty where it says that
            nothing happens. ``video_labels.video_labels`` has the labels that count.
        reviewed_at: When a person saved these segments; None where nobody did, or the file does not say.
    """

    video_id: str
    split: str
    instances: tuple[Instance, ...]
    duration_seconds: float | None = None
    fps: float | None = None
    ambiguous: tuple[tuple[float, float], ...] = ()
    untimed: tuple[UntimedLabel, ...] = ()
    labels: tuple[str, ...] | None = None
    reviewed_at: datetime | None = None

    def list_labels(self) -> set[str]:
        """Every label that the file gives to the video or to something in it."""
        return {*(item.label for item in (*self.instances, *self.untimed)), *(self.labels or ())}

    def list_numbered_labels(self) -> list[UntimedLabel]:
        """Every such label with its number, where the file writes one."""
        timed = [UntimedLabel(item.label, item.label_id) for item in self.instances]
        return [*timed, *self.untimed, *map(UntimedLabel, self.labels or ())]


@dataclass(frozen=True)
class Annotations:
    """The annotations of one file or folder.

    Attributes:
        videos: By video id, in the order of the file.
        label_ids: Numbers of the classes by name, as ``class_numbers.number_classes`` finds them.
        layout: Name of the layout, see ``annotation_layouts.LAYOUTS``.
        source: The file or folder.
        number_conflicts: How the numbers that the file writes beside its labels contradict each other, in words; empty
            where they do not, or a class list decides.
        notes: How an unusual file was understood, in words.
    """

    videos: dict[str, AnnotatedVideo]
    label_ids: dict[str, int]
    layout: str
    source: Path
    number_conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def instance_count(self) -> int:
        """Number of instances in all videos."""
        return sum(len(video.instances) for video in self.videos.values())

    def list_labels(self) -> set[str]:
        """Labels of instances, of annotations without a segment, and of whole videos."""
        return {name for video in self.videos.values() for name in video.list_labels()}

    def count_splits(self) -> Counter[str]:
        """Count the videos of each split."""
        return Counter(video.split for video in self.videos.values())

    def select_split(self, split: str) -> Annotations:
        """Select the videos of one split; class numbers stay.

        Args:
            split: One of ``SPLIT_NAMES`` or a name from the file; case does not matter.

        Raises:
            AnnotationError: No video belongs to that split.
        """
        wanted = normalize_split(split)
        videos = {name: video for name, video in self.videos.items() if video.split == wanted}
        if not videos:
            there = self.count_splits()
            listed = ", ".join(f"{name or 'unnamed'} ({count})" for name, count in there.items()) or "no videos"
            advice = "Give one of its splits as split=." if any(there) else "It names no split: leave split= out."
            raise AnnotationError(
                f"{self.source}: no video belongs to the split {split!r}", f"It has {listed}. {advice}"
            )
        return replace(self, videos=videos)


@dataclass
class VideoDraft:
    """A video while its file is being read."""

    split: str = ""
    instances: list[Instance] = field(default_factory=list[Instance])
    duration_seconds: float | None = None
    fps: float | None = None
    ambiguous: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    untimed: list[UntimedLabel] = field(default_factory=list[UntimedLabel])
    labels: list[UntimedLabel] | None = None
    reviewed_at: datetime | None = None

    def add_video_label(self, label: str, label_id: int | None = None) -> None:
        """Add a label of the video as a whole."""
        self.labels = [*(self.labels or ()), UntimedLabel(label, label_id)]

    def build(self, video_id: str) -> AnnotatedVideo:
        """The video, once its file is read."""
        return AnnotatedVideo(
            video_id,
            normalize_split(self.split),
            tuple(self.instances),
            self.duration_seconds,
            self.fps,
            tuple(self.ambiguous),
            tuple(self.untimed),
            None if self.labels is None else tuple(dict.fromkeys(one.label for one in self.labels)),
            self.reviewed_at,
        )

    def list_numbered_labels(self) -> list[UntimedLabel]:
        """Every label that the file gives to the video, with its number."""
        timed = [UntimedLabel(item.label, item.label_id) for item in self.instances]
        return [*timed, *self.untimed, *(self.labels or ())]


def normalize_split(name: str) -> str:
    """Our name of a split: ``Test``, ``testing`` and ``test`` all become ``test``."""
    lower = name.strip().lower()
    return SPLIT_NAMES.get(lower, lower)


def assemble_annotations(
    drafts: Mapping[str, VideoDraft],
    layout: str,
    source: Path,
    classes: ClassList = NO_CLASSES,
    notes: Sequence[str] = (),
) -> Annotations:
    """Make annotations from drafts and number their classes.

    Args:
        drafts: By video id.
        layout: Name of the layout.
        source: File or folder.
        classes: The known classes; may be empty.
        notes: How an unusual file was understood, in words.
    """
    videos = {name: draft.build(name) for name, draft in drafts.items()}
    labels = [one for draft in drafts.values() for one in draft.list_numbered_labels()]
    label_ids = number_classes(labels, classes, layout in PAIRED_LAYOUTS)
    conflicts = () if classes.numbers is not None else tuple(find_number_conflicts(labels))
    return Annotations(videos, label_ids, layout, source, conflicts, tuple(notes))


def summarize_numbers(
    videos: Iterable[AnnotatedVideo], classes: ClassList, layouts: Collection[str]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Numbers of the classes of videos from files of some layouts, and how those that they write contradict."""
    labels = [one for video in videos for one in video.list_numbered_labels()]
    label_ids = number_classes(labels, classes, PAIRED_LAYOUTS.issuperset(layouts))
    return label_ids, () if classes.numbers is not None else tuple(find_number_conflicts(labels))
