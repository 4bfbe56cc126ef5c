"""Scoring of a split as action segmentation: one label for each frame of the annotation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cltdr_cli.data.prediction_files import ResultRows
from cltdr_cli.data.predictions import align_predictions
from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.evaluation.segmentation import SegmentationScores
from cltdr_cli.evaluation.step_labels import LabellingRule, Steps, find_least_score, score_labels
from cltdr_cli.evaluation.tables import Predictions
from cltdr_cli.workflows.reference import Reference


@dataclass(frozen=True)
class SplitSegmentation:
    """Segmentation scores of a split, and how they came about.

    Attributes:
        scores: In percent.
        rule: Which detections gave labels.
        chosen_on: Split on which the least score was chosen; empty where the user gave it.
    """

    scores: SegmentationScores
    rule: LabellingRule
    chosen_on: str = ""

    def to_json(self) -> dict[str, Any]:
        """``segmentation``, the scores in percent, and what a detection needed to count."""
        return {
            "segmentation": self.scores.to_json(),
            "segmentation_min_score": self.rule.least_score,
            "segmentation_min_share": self.rule.least_share,
        }


def score_as_segmentation(
    reference: Reference, predictions: Predictions, rule: LabellingRule, chosen_on: str = ""
) -> SplitSegmentation:
    """Score detections frame by frame.

    Args:
        reference: What they are compared with.
        predictions: The detections, as they are scored.
        rule: How they become labels.
        chosen_on: Split on which the least score was chosen.

    Raises:
        AnnotationError: The annotation does not say the rate or the duration of a video.
    """
    scores = score_labels(reference.split.truth, predictions, find_steps(reference), rule)
    return SplitSegmentation(scores, rule, chosen_on)


def choose_rule(reference: Reference, rows: ResultRows, least_share: float) -> LabellingRule:
    """Choose the least score on a split of its own, such as the training videos.

    Args:
        reference: That split.
        rows: Detections in its videos; those in others are left out.
        least_share: The other part of the rule.

    Raises:
        AnnotationError: No detection is in that split, or the annotation lacks a rate or duration.
    """
    numbers = {number: name for name, number in reference.annotations.label_ids.items()}
    predictions, _ = align_predictions(rows, reference.split, numbers, reference.record.row_classes or None, False)
    least_score = find_least_score(reference.split.truth, predictions, find_steps(reference), least_share)
    return LabellingRule(least_score, least_share)


def check_segmentation(reference: Reference, choosing: Reference | None) -> None:
    """Find out before the work that frames can be labelled, and that the score is not chosen on what is scored.

    Raises:
        AnnotationError: The annotation does not say the rate or the duration of a video.
        UsageError: The two splits share videos.
    """
    find_steps(reference)
    if choosing is None:
        return
    find_steps(choosing)
    if set(reference.video_ids) & set(choosing.video_ids):
        raise UsageError(
            f"a score chosen on the split {choosing.split.split!r}, which is scored itself, would flatter the result",
            "Choose it on training videos: segmentation_choose_on= training.",
        )


def find_steps(reference: Reference) -> tuple[Steps, ...]:
    """The frames of each video that is scored.

    Raises:
        AnnotationError: The annotation does not say the rate or the duration of a video.
    """
    return tuple(_count_steps(reference, video_id) for video_id in reference.video_ids)


def _count_steps(reference: Reference, video_id: str) -> Steps:
    video, source = reference.annotations.videos[video_id], reference.annotations.source
    if not video.fps:
        raise AnnotationError(
            f"{source} does not say how many frames a second video {video_id!r} has, and every frame gets a label",
            "Give it as fps=, or in a table as video_info=.",
        )
    if video.duration_seconds is None:
        raise AnnotationError(
            f"{source} does not say how long video {video_id!r} is, and every frame gets a label",
            "Give a table of durations as video_info=.",
        )
    return Steps(max(1, round(video.duration_seconds * video.fps)), video.fps)
