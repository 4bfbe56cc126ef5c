"""Coverage: whether features last as long as their videos and annotated actions, and what is wrong if they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from cltdr_cli.data.feature_spans import FeatureSpan
from cltdr_cli.data.findings import Finding
from cltdr_cli.errors import FeatureError

_SAME_FACTOR = 1.1
"""Largest ratio of two factors that have one cause."""

_UNCOVERED_SHARE = 0.01
"""Fewer actions behind the end of their features are errors of single rows, such as those known in THUMOS14."""

_EMPTY_PART = 0.55
_FEWEST_VIDEOS = 10
_FEWEST_RESIZED = 3
_FEWEST_SURE = 3
"""Fewer videos that do not fit may be cut files or single rows; from so many on, and in half of all, it is a fault."""

_USUAL_RATES = (8, 10, 12, 12.5, 15, 20, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 90, 100, 120)
_SHOWN = 3


@dataclass(frozen=True)
class Misfit:
    """One way in which features and what is said of their videos do not fit.

    Attributes:
        kind: ``coverage``, ``resized``, ``empty-part``, ``uncovered`` or ``none-covered``.
        text: What is wrong, in the plural.
        count: How often.
        places: Where, all of them.
        consequence: What follows, and the probable cause.
        severe: Whether it should be corrected before training.
    """

    kind: str
    text: str
    count: int
    places: tuple[str, ...]
    consequence: str
    severe: bool = True

    @property
    def finding(self) -> Finding:
        """The same with a few places."""
        more = len(self.places) - _SHOWN
        examples = (*self.places[:_SHOWN], *([f"and {more} more"] if more > 0 else []))
        return Finding(self.kind, self.text, self.count, examples, self.consequence, self.severe)


def check_coverage(spans: Iterable[FeatureSpan | None], stretched: bool = False) -> list[Finding]:
    """What to warn of before features are trained on or detected in; arguments as ``find_misfits``.

    Raises:
        FeatureError: Not one annotated action lies where there are features.
    """
    misfits = find_misfits([span for span in spans if span is not None], stretched)
    for one in misfits:
        if one.kind == "none-covered":
            reasons = [other.consequence for other in misfits if other.kind == "coverage"]
            raise FeatureError(f"{one.count} {one.text} ({one.places[0]}, say)", "; ".join([one.consequence, *reasons]))
    return [one.finding for one in misfits]


def find_misfits(spans: Sequence[FeatureSpan], stretched: bool = False) -> list[Misfit]:
    """Find features that do not cover their video, and actions that lie where there are no features.

    Args:
        spans: One for each video that has features.
        stretched: Whether the preset stretches features to one length (``force_upsampling``), so that files of a
            fixed number of steps are usual.
    """
    if stretched and len({span.steps for span in spans}) == 1:
        return []
    if _are_resized(spans):
        return [_describe_resized(spans)]
    misfits = [span for span in spans if not span.is_fitting]
    found = [_describe_misfits(misfits, len(spans))] if misfits else _find_empty_part(spans)
    return [*found, *_find_uncovered(spans, bool(misfits))]


def _are_resized(spans: Sequence[FeatureSpan]) -> bool:
    """Whether videos of different lengths have the same number of steps."""
    lengths = [span.duration_seconds for span in spans if span.duration_seconds and not span.is_measured]
    is_one = len(lengths) >= _FEWEST_RESIZED and len({span.steps for span in spans}) == 1
    return is_one and max(lengths) > 1.2 * min(lengths)


def _describe_resized(spans: Sequence[FeatureSpan]) -> Misfit:
    text = f"videos of different lengths all have {spans[0].steps} steps"
    consequence = (
        f"they were resized, so they have no rate of their own, and a step every {spans[0].grid.stride_frames:g} "
        "frames is not their grid: times will be wrong; use features that were not resized"
    )
    return Misfit("resized", text, len(spans), tuple(map(str, spans)), consequence)


def _describe_misfits(misfits: Sequence[FeatureSpan], count: int) -> Misfit:
    text = f"of {count} videos and their features differ in length"
    is_sure = len(misfits) >= max(_FEWEST_SURE, count / 2)
    return Misfit("coverage", text, len(misfits), tuple(map(str, misfits)), _explain_factors(misfits), is_sure)


def _explain_factors(misfits: Sequence[FeatureSpan]) -> str:
    """Why features and videos probably differ in length: their factor, and the rate or stride that would fit."""
    factors = [span.factor for span in misfits]
    if max(factors) > _SAME_FACTOR * min(factors):
        return (
            f"features last {min(factors):.2g} to {max(factors):.2g} times as long, so times will be wrong: are they "
            "features of these videos, and whole?"
        )
    factor, head = median(factors), f"features last {median(factors):.2g} times as long, so times will be wrong"
    if all(span.is_measured for span in misfits):
        return f"{head}; their rate was measured, so the durations are wrong, or the videos are others"
    used, stride = median(span.grid.rate for span in misfits), median(span.grid.stride_frames for span in misfits)
    would_fit = f"{_name_rate(used * factor)} frames per second in place of {_name_rate(used)}"
    if (other := stride / factor) >= 0.99:
        would_fit += f", or a step every {other:.3g} frames in place of {stride:g}"
    return f"{head}; {would_fit} would fit, if the durations are right{_judge_durations(misfits)}"


def _judge_durations(misfits: Sequence[FeatureSpan]) -> str:
    """What the annotated actions say of the durations; empty where they say nothing."""
    if median(span.factor for span in misfits) > 1 or not any(span.actions for span in misfits):
        return ""
    if any(span.uncovered for span in misfits):
        return " (they seem to be: actions lie after the end of the features)"
    return " (perhaps they are not: no action starts after the end of the features)"


def _name_rate(rate: float) -> str:
    usual = min(_USUAL_RATES, key=lambda one: abs(one - rate))
    return f"{usual if abs(usual / rate - 1) < 0.01 else rate:.4g}"


def _find_empty_part(spans: Sequence[FeatureSpan]) -> list[Misfit]:
    """Find durations that are too long in all videos alike: a grid that was worked out from them cannot show it."""
    parts = [span.last_end_seconds / span.duration_seconds for span in spans if span.duration_seconds and span.actions]
    if len(parts) < _FEWEST_VIDEOS or max(parts) > _EMPTY_PART:
        return []
    text = f"videos have no action in their last {100 * (1 - max(parts)):.0f}%"
    consequence = "are the durations right? The times of the features may depend on them"
    return [Misfit("empty-part", text, len(parts), (), consequence, severe=False)]


def _find_uncovered(spans: Sequence[FeatureSpan], is_explained: bool) -> list[Misfit]:
    places = tuple(f"{span.video_id} {start:g}..{end:g} s" for span in spans for start, end in span.uncovered)
    total = sum(len(span.actions) for span in spans)
    if not places or len(places) < _UNCOVERED_SHARE * total:
        return []
    guess = _guess_unit(spans)
    advice = ": are times and features right?" if not is_explained else ""
    advice = f": the times look like {guess} where seconds are meant" if guess else advice
    if len(places) == total:
        text = "annotated actions all start after the features of their video end"
        return [Misfit("none-covered", text, total, places, f"there is nothing to learn or find{advice}")]
    text = f"of {total} annotated actions start after the features of their video end"
    return [Misfit("uncovered", text, len(places), places, f"they can neither be learned nor found{advice}")]


def _guess_unit(spans: Sequence[FeatureSpan]) -> str:
    """The unit that annotated times probably have, where seconds do not fit; empty where no other fits either."""
    for unit, per_second in _UNITS.items():
        parts = [
            span.last_end_seconds / per_second(span) / (span.duration_seconds or span.end_seconds)
            for span in spans
            if span.actions
        ]
        if max(parts) < 1.05 and median(parts) > 0.2:
            return unit
    return ""


_UNITS: dict[str, Callable[[FeatureSpan], float]] = {
    "frame numbers": lambda span: span.grid.rate,
    "numbers of feature steps": lambda span: span.grid.rate / span.grid.stride_frames,
    "milliseconds": lambda span: 1000.0,
}
"""Units that are taken for seconds, and how many of them make one."""
