"""Prepares annotations for scoring: selects split and videos, drops duplicated and empty instances."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, Instance, normalize_split
from cltdr_cli.data.datasets import DatasetRecord, Protocol
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.video_labels import is_labelled_only
from cltdr_cli.errors import AnnotationError
from cltdr_cli.evaluation.tables import GroundTruth

TOLERANCE_SECONDS = 1e-3
"""Shorter instances are dropped, and two of one label whose starts and ends differ by no more count as one."""


@dataclass(frozen=True)
class ScoredSplit:
    """The instances that predictions are compared with, and what was left out of them.

    Attributes:
        truth: The instances.
        split: Name of the split.
        set_aside: Videos that the protocol leaves out; predictions in them do not count.
        elsewhere: Splits of all annotated videos that are not in this split.
        findings: What was left out of the annotation.
    """

    truth: GroundTruth
    split: str
    set_aside: frozenset[str]
    elsewhere: dict[str, str]
    findings: tuple[Finding, ...]


def select_scored_split(
    annotations: Annotations, record: DatasetRecord, split: str | None = None, protocol: Protocol | None = None
) -> ScoredSplit:
    """Select the instances to score.

    Args:
        annotations: As read.
        record: The data set; it names the split to score where ``split`` is None.
        split: Split to score.
        protocol: Choice of videos; None takes all.

    Raises:
        AnnotationError: No such split, no instance in it, a time that is not finite, or a blank label.
    """
    name = normalize_split(split) if split is not None else find_default_split(annotations, record)
    chosen = list(annotations.select_split(name).videos.values())
    kept = [video for video in chosen if _is_counted(video, protocol)]
    _refuse_unreadable_times(annotations, kept)
    _refuse_blank_labels(annotations, kept)
    seen, unseen = _drop_unseen(kept, protocol)
    videos, findings = _clean(seen)
    if not any(video.instances for video in videos):
        if any(map(is_labelled_only, kept)):
            raise AnnotationError(
                f"{annotations.source}: the split {name!r} has labels of whole videos and no segments: there is "
                "nothing to compare detections with",
                "Give annotations with segments as annotations=, or another split as split=.",
            )
        raise AnnotationError(
            f"{annotations.source}: the split {name!r} holds no instance", "Give split= another split."
        )
    return ScoredSplit(
        _make_table(videos, annotations.label_ids),
        name,
        frozenset(protocol.without if protocol else ()),
        {v.video_id: v.split for v in annotations.videos.values() if v.split != name},
        (*unseen, *findings, *_find_labelled_only(kept)),
    )


def _find_labelled_only(videos: Iterable[AnnotatedVideo]) -> list[Finding]:
    names = [video.video_id for video in videos if is_labelled_only(video)]
    return make_findings(
        "labelled-only", "videos have labels and no segments", names, "all detections in them count as false"
    )


def find_default_split(annotations: Annotations, record: DatasetRecord) -> str:
    """Find the first test split of the data set that the annotation has.

    Raises:
        AnnotationError: It has none of them.
    """
    there = annotations.count_splits()
    for name in record.test_splits:
        if there[name]:
            return name
    listed = ", ".join(f"{name or 'unnamed'} ({count})" for name, count in there.items())
    raise AnnotationError(
        f"{annotations.source} has no {' or '.join(record.test_splits)} split to score {record.name} on",
        f"It has {listed}. Give one of them as split=.",
    )


def _is_counted(video: AnnotatedVideo, protocol: Protocol | None) -> bool:
    if protocol is None:
        return True
    only_ambiguous = bool(video.ambiguous) and not video.instances
    return video.video_id not in protocol.without and (protocol.only_ambiguous or not only_ambiguous)


def _drop_unseen(videos: list[AnnotatedVideo], protocol: Protocol | None) -> tuple[list[AnnotatedVideo], list[Finding]]:
    """Drop the instances that begin after the end of their video, if the protocol leaves them out."""
    if protocol is None or protocol.unseen:
        return videos, []
    kept = [replace(v, instances=tuple(i for i in v.instances if not _is_unseen(v, i))) for v in videos]
    names = [video.video_id for video in videos for item in video.instances if _is_unseen(video, item)]
    text = "annotated instances begin after the end of their video"
    return kept, make_findings("unseen", text, names, f"not counted by the protocol {protocol.name}")


def _is_unseen(video: AnnotatedVideo, item: Instance) -> bool:
    return video.duration_seconds is not None and item.start >= video.duration_seconds


def _refuse_unreadable_times(annotations: Annotations, videos: Iterable[AnnotatedVideo]) -> None:
    wrong = [
        f"{video.video_id} {item.label} {item.start}..{item.end}"
        for video in videos
        for item in video.instances
        if not (math.isfinite(item.start) and math.isfinite(item.end))
    ]
    if wrong:
        raise AnnotationError(
            f"{annotations.source}: {len(wrong)} instances have a time that is not finite: {', '.join(wrong[:3])}",
            "`cltdr datasets check` lists them all.",
        )


def _refuse_blank_labels(annotations: Annotations, videos: Iterable[AnnotatedVideo]) -> None:
    blank = [video.video_id for video in videos for item in video.instances if not item.label.strip()]
    if blank:
        raise AnnotationError(
            f"{annotations.source}: {len(blank)} instances have no label or a blank one, first in {blank[0]}",
            "`cltdr datasets check` lists them all.",
        )


def _clean(videos: Iterable[AnnotatedVideo]) -> tuple[list[AnnotatedVideo], list[Finding]]:
    """Drop duplicated and empty instances; return also what was dropped."""
    cleaned: list[AnnotatedVideo] = []
    duplicates: list[str] = []
    empty: list[str] = []
    for video in videos:
        unique = list(_drop_duplicates(video.instances))
        solid = [item for item in unique if item.end - item.start >= TOLERANCE_SECONDS]
        duplicates += [video.video_id] * (len(video.instances) - len(unique))
        empty += [video.video_id] * (len(unique) - len(solid))
        cleaned.append(replace(video, instances=tuple(solid)))
    return cleaned, [
        *make_findings(
            "duplicate", "annotated instances repeat another one of their label", duplicates, "counted once"
        ),
        *make_findings(
            "empty", "annotated instances last less than 1 ms or end before they start", empty, "not counted"
        ),
    ]


def _drop_duplicates(instances: Iterable[Instance]) -> Iterator[Instance]:
    """Instances that differ by more than 1 ms in start or end from every earlier one of their label."""
    kept: dict[tuple[str, int], list[Instance]] = {}
    for item in instances:
        cell = math.floor(item.start / TOLERANCE_SECONDS)
        near = (other for i in (cell - 1, cell, cell + 1) for other in kept.get((item.label, i), ()))
        if any(_is_same(item, other) for other in near):
            continue
        kept.setdefault((item.label, cell), []).append(item)
        yield item


def _is_same(a: Instance, b: Instance) -> bool:
    return abs(a.start - b.start) <= TOLERANCE_SECONDS and abs(a.end - b.end) <= TOLERANCE_SECONDS


def _make_table(videos: list[AnnotatedVideo], label_ids: dict[str, int]) -> GroundTruth:
    """Make the columns; labels become indices into the list of all classes, sorted by class number."""
    places = {name: i for i, name in enumerate(label_ids)}
    rows = [(i, item) for i, video in enumerate(videos) for item in video.instances]
    return GroundTruth(
        np.array([i for i, _ in rows], np.int64),
        np.array([places[item.label] for _, item in rows], np.int64),
        np.array([(item.start, item.end) for _, item in rows], np.float64).reshape(-1, 2),
        tuple(video.video_id for video in videos),
        tuple(label_ids),
    )
