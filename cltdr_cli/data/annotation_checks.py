"""Finds what is wrong with annotations before training; one function for each kind of defect."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, Instance
from cltdr_cli.data.feature_files import leads_out
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.ground_truth import TOLERANCE_SECONDS
from cltdr_cli.data.label_checks import check_labels, check_numbers
from cltdr_cli.data.video_info import VideoFacts, strip_video_id
from cltdr_cli.data.video_labels import is_labelled_only

SAME_TIOU = 0.9
"""Temporal IoU from which two instances of one label are probably one that was annotated twice."""

_FPS_TOLERANCE = 0.005
_DURATION_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True)
class CheckContext:
    """The annotations to check, and what they are compared with.

    Attributes:
        videos: The annotated videos.
        class_names: Allowed class names; empty allows any.
        measured: Rate and duration by video id, from feature sidecars or the videos themselves; may be empty.
        files_given: Whether ``measured`` holds every video that exists.
    """

    videos: Sequence[AnnotatedVideo]
    class_names: frozenset[str]
    measured: Mapping[str, VideoFacts]
    files_given: bool

    @cached_property
    def measured_by_core(self) -> dict[str, VideoFacts]:
        """``measured`` by stripped video id."""
        return {strip_video_id(name): facts for name, facts in self.measured.items()}


def check_annotations(
    annotations: Annotations,
    class_names: Sequence[str] = (),
    measured: Mapping[str, VideoFacts] | None = None,
) -> list[Finding]:
    """Find everything that is wrong, severe findings first.

    Args:
        annotations: The annotations.
        class_names: Allowed class names; empty allows any.
        measured: Rate and duration by video id, from features or videos; None if there are none to compare with.
    """
    context = CheckContext(
        tuple(annotations.videos.values()), frozenset(class_names), measured or {}, measured is not None
    )
    findings = [replace(one, severe=severe) for check, severe in _CHECKS for one in check(context)]
    findings += check_labels(context.videos, context.class_names)
    findings += check_numbers(annotations)
    return sorted(findings, key=lambda one: not one.severe)


def _list_instances(context: CheckContext) -> Iterator[tuple[AnnotatedVideo, Instance]]:
    return ((video, item) for video in context.videos for item in video.instances)


def _describe_place(video: AnnotatedVideo, item: Instance) -> str:
    return f"{video.video_id} {item.label} {item.start:g}..{item.end:g} s"


def _find_unreadable(context: CheckContext) -> list[Finding]:
    places = [
        _describe_place(v, i)
        for v, i in _list_instances(context)
        if not (math.isfinite(i.start) and math.isfinite(i.end))
    ]
    return make_findings(
        "not-a-number", "instances have a time that is not a finite number", places, "correct or remove them"
    )


def _find_reversed(context: CheckContext) -> list[Finding]:
    places = [_describe_place(v, i) for v, i in _list_instances(context) if i.end < i.start]
    return make_findings("reversed", "instances end before they start", places, "left out of training and scoring")


def _find_empty(context: CheckContext) -> list[Finding]:
    places = [_describe_place(v, i) for v, i in _list_instances(context) if 0 <= i.end - i.start < TOLERANCE_SECONDS]
    return make_findings("empty", "instances last less than 1 ms", places, "left out of training and scoring")


def _find_outside(context: CheckContext) -> list[Finding]:
    places = [_describe_place(v, i) for v, i in _list_instances(context) if _is_outside(i, _find_duration(context, v))]
    return make_findings("outside", "instances lie wholly outside their video", places, "they cannot be seen")


def _is_outside(item: Instance, duration_seconds: float) -> bool:
    return item.end - item.start >= TOLERANCE_SECONDS and (item.end <= 0 or item.start >= duration_seconds)


def _find_past_end(context: CheckContext) -> list[Finding]:
    past = [(v, i) for v, i in _list_instances(context) if i.start < _find_duration(context, v) < i.end]
    places = [f"{_describe_place(v, i)} of {_find_duration(context, v):g} s" for v, i in past]
    most = max((i.end - _find_duration(context, v) for v, i in past), default=0.0)
    return make_findings("past-end", "instances end after their video", places, f"by {most:.2f} s at most")


def _find_before_start(context: CheckContext) -> list[Finding]:
    places = [_describe_place(v, i) for v, i in _list_instances(context) if i.start < 0 < i.end]
    return make_findings("before-start", "instances start before their video", places, "seen from 0 s on")


def _find_repeated(context: CheckContext) -> list[Finding]:
    exact: list[str] = []
    near: list[str] = []
    for video in context.videos:
        for one, other in _pair_repeated(video.instances):
            same = max(abs(one.start - other.start), abs(one.end - other.end)) <= TOLERANCE_SECONDS
            (exact if same else near).append(_describe_place(video, other))
    return [
        *make_findings("duplicate", "instances repeat another one of their label", exact, "counted once"),
        *make_findings("near-duplicate", "instances nearly repeat another one of their label", near, "counted twice"),
    ]


def _pair_repeated(instances: Sequence[Instance]) -> Iterator[tuple[Instance, Instance]]:
    """Pairs of instances of one label that overlap by ``SAME_TIOU``: an earlier one and each that repeats it."""
    items = sorted((i for i in instances if i.end - i.start >= TOLERANCE_SECONDS), key=_order_by_label)
    doubles: set[int] = set()
    for i, one in enumerate(items):
        latest_start = one.start + (1 - SAME_TIOU) * (one.end - one.start)
        for j in range(i + 1, len(items)):
            if items[j].label != one.label or items[j].start > latest_start:
                break
            if j not in doubles and _compute_tiou(one, items[j]) >= SAME_TIOU:
                doubles.add(j)
                yield one, items[j]


def _order_by_label(item: Instance) -> tuple[str, float, float]:
    return item.label, item.start, item.end


def _compute_tiou(a: Instance, b: Instance) -> float:
    shared = max(0.0, min(a.end, b.end) - max(a.start, b.start))
    return shared / ((a.end - a.start) + (b.end - b.start) - shared)


def _find_other_rates(context: CheckContext) -> list[Finding]:
    places = [
        f"{v.video_id}: annotated {v.fps:g}, measured {fps:g}"
        for v in context.videos
        if (facts := _find_facts(context, v)) is not None
        and (fps := facts.fps) is not None
        and v.fps is not None
        and abs(fps - v.fps) > _FPS_TOLERANCE * v.fps
    ]
    return make_findings(
        "fps",
        "videos have another frame rate than annotated",
        places,
        "segments shift where times are computed from frame numbers",
    )


def _find_other_durations(context: CheckContext) -> list[Finding]:
    places = [
        f"{v.video_id}: annotated {v.duration_seconds:g} s, measured {measured:g} s"
        for v in context.videos
        if (facts := _find_facts(context, v)) is not None
        and (measured := facts.duration_seconds) is not None
        and v.duration_seconds is not None
        and abs(measured - v.duration_seconds) > _DURATION_TOLERANCE_SECONDS
    ]
    return make_findings("duration", "videos are longer or shorter than annotated", places, "is it the same video?")


def _find_leading_out(context: CheckContext) -> list[Finding]:
    names = [v.video_id for v in context.videos if leads_out(v.video_id)]
    return make_findings("id-leads-out", "video ids lead out of the folder of files", names, "no file is read for them")


def _find_missing_files(context: CheckContext) -> list[Finding]:
    names = [v.video_id for v in context.videos if context.files_given and _find_facts(context, v) is None]
    return make_findings("no-file", "annotated videos have no file", names, "not trained on, and missed in scoring")


def _find_without_duration(context: CheckContext) -> list[Finding]:
    names = [v.video_id for v in context.videos if math.isinf(_find_duration(context, v))]
    return make_findings("no-duration", "videos have no duration", names, "segments past their end cannot be found")


def _find_without_split(context: CheckContext) -> list[Finding]:
    names = [v.video_id for v in context.videos if not v.split]
    return make_findings(
        "no-split", "videos belong to no split", names, 'each needs a "subset" (training, validation, test)'
    )


def _find_without_instance(context: CheckContext) -> list[Finding]:
    names = [v.video_id for v in context.videos if not v.instances and not is_labelled_only(v)]
    return make_findings("no-instance", "videos have no instance", names, "used as background")


def _find_untrained_classes(context: CheckContext) -> list[Finding]:
    """Find classes that another split has and the training split does not: they cannot be learned."""
    labels = {
        split: {name for v in context.videos if v.split == split for name in v.list_labels()}
        for split in _list_splits(context)
    }
    train = labels.get("training", set[str]())
    others = [f"{name} ({split})" for split, names in labels.items() if train for name in sorted(names - train)]
    return make_findings(
        "untrained-class", "classes of another split are not in the training split", others, "cannot be learned"
    )


def _list_splits(context: CheckContext) -> list[str]:
    return sorted({video.split for video in context.videos})


def _find_facts(context: CheckContext, video: AnnotatedVideo) -> VideoFacts | None:
    return context.measured.get(video.video_id) or context.measured_by_core.get(strip_video_id(video.video_id))


def _find_duration(context: CheckContext, video: AnnotatedVideo) -> float:
    """Annotated duration in seconds, else the measured one, else infinity."""
    facts = _find_facts(context, video)
    measured = facts.duration_seconds if facts is not None else None
    known = video.duration_seconds if video.duration_seconds is not None else measured
    return math.inf if known is None else known


_CHECKS: tuple[tuple[Callable[[CheckContext], list[Finding]], bool], ...] = (
    (_find_unreadable, True),
    (_find_leading_out, True),
    (_find_reversed, True),
    (_find_outside, True),
    (_find_other_rates, True),
    (_find_other_durations, True),
    (_find_empty, False),
    (_find_past_end, False),
    (_find_before_start, False),
    (_find_repeated, False),
    (_find_missing_files, False),
    (_find_without_duration, False),
    (_find_without_split, False),
    (_find_without_instance, False),
    (_find_untrained_classes, False),
)
"""All checks, and whether their findings are severe."""
