"""What an evaluation compares with: the annotation of a data set, and the part of it that is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.class_lists import read_numbered_class_list
from cltdr_cli.data.datasets import DatasetRecord, Protocol, find_annotation_file
from cltdr_cli.data.ground_truth import ScoredSplit, select_scored_split


@dataclass(frozen=True)
class Reference:
    """What predictions are compared with.

    Attributes:
        record: The data set.
        annotations: All that the annotation says.
        split: The part of it that is scored.
        protocol: Choice of videos; None where the data set has but one.
    """

    record: DatasetRecord
    annotations: Annotations
    split: ScoredSplit
    protocol: Protocol | None

    @property
    def title(self) -> str:
        """Data set, split, protocol and counts in one line."""
        truth = self.split.truth
        protocol = f", protocol {self.protocol.name}" if self.protocol else ""
        counts = f"{len(truth.video_ids)} videos, {len(truth)} instances"
        named = " ".join(filter(None, (self.record.name, self.split.split)))
        return f"{named}{protocol}: {counts}"

    @property
    def video_ids(self) -> tuple[str, ...]:
        """The videos that are scored."""
        return self.split.truth.video_ids

    def check_video_count(self) -> str:
        """A warning where the annotation has more or fewer videos than the protocol scores; else empty."""
        count = len(self.video_ids)
        if self.protocol is None or self.split.split != "test" or count == self.protocol.videos:
            return ""
        return (
            f"protocol {self.protocol.name} scores {self.protocol.videos} videos, but {self.annotations.source} "
            f"has {count}: the number compares with results on the same annotation only"
        )


def read_dataset_annotations(
    record: DatasetRecord,
    annotations: Path | None = None,
    data_root: Path | None = None,
    labels: Path | None = None,
    video_info: Sequence[Path] = (),
    fps: float | None = None,
    background: Sequence[str] = (),
) -> Annotations:
    """Read the annotation of a data set.

    Args:
        record: The data set.
        annotations: File or folder; None looks for the usual one.
        data_root: Folder where the usual ones are looked for.
        labels: File of class names in place of the data set's.
        video_info: CSV files of durations, rates or subsets; without any the published ones beside it are found.
        fps: Frames per second, where the annotation does not say it.
        background: Labels that are no action, where every frame has a label; by default those of the data set.

    Raises:
        UsageError: There is no annotation.
        AnnotationError: It cannot be read.
    """
    names = read_numbered_class_list(labels) if labels is not None else record.class_names
    source = find_annotation_file(record, annotations, data_root)
    if fps is None and source.is_dir():
        fps = record.fps
    return read_annotations(
        source,
        names,
        first_id=record.first_id,
        task=record.task,
        video_info=list(video_info) or None,
        fps=fps,
        background=background or record.background,
    )


def make_reference(
    record: DatasetRecord, annotations: Annotations, split: str | None = None, protocol: str | None = None
) -> Reference:
    """The part of an annotation that is scored.

    Args:
        record: The data set.
        annotations: Its annotation.
        split: Name of the split; None takes the one that the data set is scored on.
        protocol: Name of a choice of videos; None takes the usual one.

    Raises:
        AnnotationError: There is no such split, or no instance in it.
        UsageError: There is no such protocol.
    """
    chosen = record.find_protocol(protocol)
    return Reference(record, annotations, select_scored_split(annotations, record, split, chosen), chosen)
