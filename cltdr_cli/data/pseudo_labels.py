"""Pseudo labels: detections of another model in place of the annotated segments of training videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, Instance
from cltdr_cli.data.class_lists import suggest_names
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.id_matching import guess_ids
from cltdr_cli.data.prediction_files import LabelKey, ResultRows
from cltdr_cli.errors import AnnotationError


@dataclass(frozen=True)
class PseudoLabels:
    """Annotations whose training videos have detections for instances.

    Attributes:
        annotations: All splits. Training videos hold nothing but detections; those without any are left out.
        videos: How many training videos have some.
        instances: How many they have together.
        source: Where the detections come from.
        min_score: Of the detections that count.
        findings: Training videos without detections, and detections elsewhere.
    """

    annotations: Annotations
    videos: int
    instances: int
    source: str
    min_score: float
    findings: tuple[Finding, ...]

    @property
    def facts(self) -> dict[str, object]:
        """For the metadata of a checkpoint."""
        return {"source": Path(self.source).name, "instances": self.instances, "min_score": self.min_score}

    def __str__(self) -> str:
        return (
            f"pseudo labels: {self.instances} instances in {self.videos} training videos, from the detections of "
            f"{self.source} with scores from {self.min_score:g} on; segments of the annotation are not used for them"
        )


def place_pseudo_labels(
    annotations: Annotations, split: str, rows: ResultRows, min_score: float | None
) -> PseudoLabels:
    """Put detections in the place of the instances of a split's videos.

    Args:
        annotations: All splits; the split's own instances are not looked at.
        split: What is trained on.
        rows: The detections.
        min_score: Those below it do not count.

    Raises:
        AnnotationError: No least score is given; a detection's label is none of the annotation's classes; or no
            detection counts in any video of the split.
    """
    if min_score is None:
        raise AnnotationError(
            f"{rows.source}: detections below some score are mostly wrong, and nothing says below which one",
            f"Give min_score= {describe_scores(rows)}",
        )
    found = dict[str, list[Instance]]()
    for video_id, instance in _read_instances(rows, min_score, annotations.label_ids):
        found.setdefault(video_id, []).append(instance)
    training = annotations.select_split(split).videos
    labelled = {
        name: replace(training[name], instances=tuple(found[name]), untimed=(), labels=None)
        for name in training
        if name in found
    }
    if not labelled:
        guesses = guess_ids(found, training)
        raise AnnotationError(
            f"{rows.source}: no detection with a score from {min_score:g} on is in a training video",
            f"{f'Did you mean {guesses}? ' if guesses else ''}Detect in the videos of the split {split!r}, or give "
            f"another min_score= {describe_scores(rows)}",
        )
    return PseudoLabels(
        replace(annotations, videos=_put_in_place(annotations.videos, training, labelled)),
        len(labelled),
        sum(len(video.instances) for video in labelled.values()),
        rows.source,
        min_score,
        tuple(_find_gaps(training, found)),
    )


def describe_scores(rows: ResultRows) -> str:
    """Between which scores one may choose."""
    if not len(rows.scores):
        return "(the file holds no detection)"
    low, middle, high, top = np.quantile(rows.scores, [0, 0.5, 0.9, 1])
    return f"(scores lie from {low:.3g} to {top:.3g}: half of them above {middle:.3g}, a tenth above {high:.3g})."


def _read_instances(rows: ResultRows, min_score: float, label_ids: Mapping[str, int]) -> Iterator[tuple[str, Instance]]:
    """Detections that count, by video.

    Raises:
        AnnotationError: A label of one is none of the classes.
    """
    kept = np.flatnonzero(rows.scores >= min_score)
    names = {number: name for name, number in label_ids.items()}
    keys = {place: rows.label_keys[place] for place in np.unique(rows.labels[kept]).tolist()}
    labels = {place: _find_label(key, label_ids, names) for place, key in keys.items()}
    unknown = [_spell(keys[place]) for place, label in labels.items() if label is None]
    if unknown:
        shown = ", ".join(unknown[:5]) + (", …" if len(unknown) > 5 else "")
        near = suggest_names(unknown, tuple(label_ids))
        raise AnnotationError(
            f"{rows.source}: {len(unknown)} labels of detections are none of the {len(label_ids)} classes: {shown}",
            f"{f'Did you mean {near}? ' if near else ''}Detections and training need the same classes; labels= says "
            "which those of the training are.",
        )
    for row in kept.tolist():
        label = labels[int(rows.labels[row])]
        assert label is not None
        start, end = rows.segments_seconds[row].tolist()
        yield rows.video_ids[rows.videos[row]], Instance(start, end, label, label_ids[label])


def _find_label(key: LabelKey, label_ids: Mapping[str, int], names: Mapping[int, str]) -> str | None:
    """Name of a detection's class: its own if it has one, else that of its number."""
    if key.name is not None:
        return key.name if key.name in label_ids else None
    return None if key.number is None else names.get(key.number)


def _spell(key: LabelKey) -> str:
    return key.name if key.name is not None else str(key.number)


def _put_in_place(
    videos: Mapping[str, AnnotatedVideo],
    training: Mapping[str, AnnotatedVideo],
    labelled: Mapping[str, AnnotatedVideo],
) -> dict[str, AnnotatedVideo]:
    """Every video that is not trained on, and the labelled ones."""
    return {
        name: labelled.get(name, video) for name, video in videos.items() if name in labelled or name not in training
    }


def _find_gaps(training: Mapping[str, AnnotatedVideo], found: Mapping[str, object]) -> list[Finding]:
    without = [name for name in training if name not in found]
    strange = [name for name in found if name not in training]
    return [
        *make_findings("no-pseudo-label", "training videos have no detection that counts", without, "not trained on"),
        *make_findings("stray-detections", "videos with detections are not in the training split", strange, "not used"),
    ]
