"""The numbers between a network's outputs and its detections: score filter, NMS, voting, score fusion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
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

    pre_nms_thresh: float = 0.001
    pre_nms_topk: int = 5000
    duration_thresh_steps: float = 0.05
    nms_method: Literal["soft", "hard", "none"] = "soft"
    nms_sigma: float = 0.5
    iou_threshold: float = 0.1
    min_score: float = 0.01
    multiclass_nms: bool = True
    voting_thresh: float = 0.75
    max_seg_num: int = 1000
    fusion_keep_segments: int | None = None
    fusion_top_classes: int | None = None
    voting_weight: Literal["score", "score_times_iou"] = field(default="score", metadata={"later": True})

    def __post_init__(self) -> None:
        for name in ("pre_nms_thresh", "min_score", "iou_threshold", "voting_thresh"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("pre_nms_topk", "max_seg_num", "fusion_keep_segments", "fusion_top_classes"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.nms_sigma <= 0:
            raise ValueError(f"nms_sigma must be positive, got {self.nms_sigma}")
        if self.duration_thresh_steps < 0:
            raise ValueError(f"duration_thresh_steps must not be negative, got {self.duration_thresh_steps}")
        if (self.fusion_keep_segments is None) != (self.fusion_top_classes is None):
            raise ValueError("fusion_keep_segments and fusion_top_classes are given together or not at all")
