"""Annotations in memory: labelled segments in seconds, whatever file they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from cltdr_cli.errors import AnnotationError

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
    """

    video_id: str
    split: str
    instances: tuple[Instance, ...]
    duration_seconds: float | None = None
    fps: float | None = None
    ambiguous: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Annotations:
    """The annotations of one file or folder.

    Attributes:
        videos: By video id, in the order of the file.
        label_ids: Numbers of the classes by name, sorted by number. They come from the class list given on reading;
            else from the file; else they number the sorted names.
        layout: Name of the layout, see ``annotation_layouts.LAYOUTS``.
        source: The file or folder.
    """

    videos: dict[str, AnnotatedVideo]
    label_ids: dict[str, int]
    layout: str
    source: Path

    @property
    def instance_count(self) -> int:
        """Number of instances in all videos."""
        return sum(len(video.instances) for video in self.videos.values())

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
            there = ", ".join(f"{name or 'unnamed'} ({count})" for name, count in self.count_splits().items())
            raise AnnotationError(
                f"{self.source}: no video belongs to the split {split!r}",
                f"It has {there or 'no videos'}. Give one of its splits as split=.",
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


def normalize_split(name: str) -> str:
    """Our name of a split: ``Test``, ``testing`` and ``test`` all become ``test``."""
    lower = name.strip().lower()
    return SPLIT_NAMES.get(lower, lower)


def assemble_annotations(
    drafts: Mapping[str, VideoDraft], layout: str, source: Path, class_names: Sequence[str] = ()
) -> Annotations:
    """Make annotations from drafts and number their classes.

    Args:
        drafts: By video id.
        layout: Name of the layout.
        source: File or folder.
        class_names: Class names by number; may be empty.
    """
    videos = {
        name: AnnotatedVideo(
            name, normalize_split(d.split), tuple(d.instances), d.duration_seconds, d.fps, tuple(d.ambiguous)
        )
        for name, d in drafts.items()
    }
    instances = (instance for video in videos.values() for instance in video.instances)
    return Annotations(videos, _number_classes(instances, class_names), layout, source)


def _number_classes(instances: Iterable[Instance], class_names: Sequence[str]) -> dict[str, int]:
    """Number the classes by the list, by the file, or alphabetically. Names missing in the list come after it."""
    of_file: dict[str, int | None] = {}
    for instance in instances:
        of_file.setdefault(instance.label, instance.label_id)
    if class_names:
        rest = sorted(of_file.keys() - set(class_names))
        return {name: i for i, name in enumerate([*class_names, *rest])}
    numbers = [number for number in of_file.values() if number is not None]
    if len(set(numbers)) == len(of_file):
        return {name: number for number, name in sorted(zip(numbers, of_file, strict=True))}
    return {name: i for i, name in enumerate(sorted(of_file))}
