"""The numbers of the sliding baseline: an extractor's own class head, turned into segments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SlidingConfig:
    """How class scores along a video become segments (method ``sliding``).

    The extractor's own classifier scores every step. The scores of the video's best classes are smoothed and cut
    at several thresholds; each run above a threshold is a candidate, scored by how far its inside stands out
    from its surroundings (the outer-inner contrast of weakly supervised localization), then NMS. No training.

    Attributes:
        num_classes: Classes of the extractor's head.
        smoothing_seconds: Width of the moving average over class scores; 0 leaves them as they are.
        thresholds: Cuts, as fractions of the smoothed score's peak of the same class in the same video.
        merge_gap_seconds: Runs of one class and threshold closer than this become one.
        min_duration_seconds: Shorter candidates are dropped.
        top_classes: Classes kept per video, by peak smoothed score.
        outer_context: Length of the surroundings on either side, as a fraction of the candidate's length;
            a candidate's score is its mean inside minus the mean outside. 0 scores by the inside alone.
    """

    num_classes: int
    smoothing_seconds: float = 1.0
    thresholds: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    merge_gap_seconds: float = 0.5
    min_duration_seconds: float = 0.5
    top_classes: int = 5
    outer_context: float = 0.25

    def __post_init__(self) -> None:
        for name in ("num_classes", "top_classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("smoothing_seconds", "merge_gap_seconds", "min_duration_seconds", "outer_context"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not self.thresholds or any(not 0 < cut < 1 for cut in self.thresholds):
            raise ValueError(f"thresholds must lie between 0 and 1, got {self.thresholds}")
