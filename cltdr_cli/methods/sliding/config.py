"""The numbers of the sliding baseline: an extractor's own class head, turned into segments."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from cltdr_cli.ranges import STRICT, NonNegativeFloat, PositiveFloat, PositiveInt, optional


@dataclass(frozen=True, config=STRICT)
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
        context_seconds: A class's peak, and whether it is among the best, are those within so many seconds to either
            side, so that a segment can be final while a video goes on; None: those of the whole video.
        max_duration_seconds: With ``context_seconds``, what goes on for longer becomes several candidates.
        outer_context: Length of the surroundings on either side, as a fraction of the candidate's length;
            a candidate's score is its mean inside minus the mean outside. 0 scores by the inside alone.
    """

    num_classes: PositiveInt
    smoothing_seconds: NonNegativeFloat = 1.0
    thresholds: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    merge_gap_seconds: NonNegativeFloat = 0.5
    min_duration_seconds: NonNegativeFloat = 0.5
    top_classes: PositiveInt = 5
    outer_context: NonNegativeFloat = 0.25
    context_seconds: PositiveFloat | None = optional(None)
    max_duration_seconds: PositiveFloat = optional(300.0)

    def __post_init__(self) -> None:
        if not self.thresholds or any(not 0 < cut < 1 for cut in self.thresholds):
            raise ValueError(f"thresholds must lie between 0 and 1, got {self.thresholds}")
