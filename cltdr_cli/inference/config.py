"""The numbers between a network's outputs and its detections: score filter, NMS, voting, score fusion."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic.dataclasses import dataclass

from cltdr_cli.ranges import STRICT, Fraction, NonNegativeFloat, PositiveFloat, PositiveInt


@dataclass(frozen=True, config=STRICT)
class InferenceConfig:
    """How candidates become detections (published ``test_cfg``; defaults are the published ones).

    Attributes:
        pre_nms_thresh: (Point, class) pairs at or below this probability are never decoded.
        pre_nms_topk: Pairs kept per pyramid level, best first.
        duration_thresh_steps: Candidates not longer than this are dropped, in feature steps.
        nms_method: ``soft`` (Gaussian), ``hard``, or ``none``.
        nms_sigma: Soft NMS decays a score by ``exp(-IoU² / nms_sigma)``.
        iou_threshold: Hard NMS suppresses at this IoU or above.
        min_score: Soft NMS stops below it; hard NMS drops candidates at or below it beforehand.
        multiclass_nms: NMS per class; otherwise over all classes together, and only then with voting.
        voting_thresh: Segments become the score-weighted mean of all candidates with at least this IoU; 0 is off.
        voting_weight: What weighs a candidate in that mean: its ``score``, or ``score_times_iou`` with the segment.
        max_seg_num: Detections kept per class and per video.
        fusion_keep_segments: Segments that meet the external video scores, best first; None without fusion.
        fusion_top_classes: External classes given to each of them, ``sqrt(score · class score)``; None without.
    """

    pre_nms_thresh: Fraction = 0.001
    pre_nms_topk: PositiveInt = 5000
    duration_thresh_steps: NonNegativeFloat = 0.05
    nms_method: Literal["soft", "hard", "none"] = "soft"
    nms_sigma: PositiveFloat = 0.5
    iou_threshold: Fraction = 0.1
    min_score: Fraction = 0.01
    multiclass_nms: bool = True
    voting_thresh: Fraction = 0.75
    max_seg_num: PositiveInt = 1000
    fusion_keep_segments: PositiveInt | None = None
    fusion_top_classes: PositiveInt | None = None
    voting_weight: Literal["score", "score_times_iou"] = field(default="score", metadata={"later": True})

    def __post_init__(self) -> None:
        if (self.fusion_keep_segments is None) != (self.fusion_top_classes is None):
            raise ValueError("fusion_keep_segments and fusion_top_classes are given together or not at all")
