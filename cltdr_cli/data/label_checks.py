"""Finds what is wrong with the labels of annotations: of instances, and of whole videos."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from cltdr_cli.data.annotations import PAIRED_LAYOUTS, AnnotatedVideo, Annotations
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.video_labels import find_unknown_labels, has_other_labels, is_labelled_only

_BACKGROUND_NAMES = frozenset(
    {"background", "bg", "none", "null", "nothing", "no action", "no_action", "no-action", "noaction", "n/a", "sil"}
)


def check_labels(videos: Sequence[AnnotatedVideo], class_names: Collection[str] = ()) -> list[Finding]:
    """Find everything that is wrong with labels.

    Args:
        videos: The annotated videos.
        class_names: Allowed class names; empty allows any.
    """
    return [replace(one, severe=severe) for check, severe in _CHECKS for one in check(videos, class_names)]


def check_numbers(annotations: Annotations) -> list[Finding]:
    """Find numbers of classes that contradict each other, or those of the class list given on reading."""
    conflicts = make_findings(
        "number-conflict",
        "classes have several numbers (label_id), or numbers several classes",
        annotations.number_conflicts,
        "correct them: they are not used",
    )
    others = {
        f"{item.label} is {item.label_id}, not {number}"
        for video in annotations.videos.values()
        for item in (*video.instances, *video.untimed)
        if annotations.layout in PAIRED_LAYOUTS
        and item.label_id is not None
        and (number := annotations.label_ids[item.label]) != item.label_id
    }
    unlike = make_findings(
        "other-number",
        "classes have another number (label_id) than in the class list",
        [] if conflicts else sorted(others),
        "the list's number is used",
    )
    return [*(replace(one, severe=True) for one in conflicts), *unlike]


def _find_unknown_labels(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    places = [
        f"{video.video_id} {item.label} {item.start:g}..{item.end:g} s"
        for video in videos
        for item in video.instances
        if class_names and item.label not in class_names
    ]
    return make_findings(
        "unknown-label", "instances have a label that is not in the class list", places, "correct the label"
    )


def _find_unknown_video_labels(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    """Find labels that only whole videos have; ``_find_unknown_labels`` finds those of instances."""
    timed = {item.label for video in videos for item in video.instances}
    unknown = find_unknown_labels(videos, class_names) if class_names else {}
    places = [f"{video_id} {label}" for label, ids in unknown.items() if label not in timed for video_id in ids]
    return make_findings(
        "unknown-video-label", "labels of whole videos are not in the class list", places, "correct the label"
    )


def _find_blank_labels(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    places = [
        *(f"{v.video_id} {i.start:g}..{i.end:g} s" for v in videos for i in v.instances if not i.label.strip()),
        *(v.video_id for v in videos for one in v.untimed if not one.label.strip()),
        *(v.video_id for v in videos for label in v.labels or () if not label.strip()),
    ]
    return make_findings("no-label", "annotations have no label, or a blank one", places, "name what happens there")


def _find_variants(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    """Find labels that differ in upper and lower case or in blanks only."""
    spellings: dict[str, set[str]] = {}
    for label in filter(str.strip, _list_labels(videos)):
        spellings.setdefault(" ".join(label.casefold().split()), set()).add(label)
    places = [" and ".join(map(repr, sorted(those))) for those in spellings.values() if len(those) > 1]
    return make_findings(
        "label-variants", "labels have several spellings", places, "each counts as a class of its own: choose one"
    )


def _find_outer_blanks(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    places = [repr(label) for label in _list_labels(videos) if label.strip() and label != label.strip()]
    return make_findings("label-blanks", "labels begin or end with a blank", places, "it is part of the label: drop it")


def _find_background(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    places = [label for label in _list_labels(videos) if label.strip().casefold() in _BACKGROUND_NAMES]
    return make_findings(
        "background-label",
        "labels mean that nothing happens",
        places,
        "they count as actions: leave such segments out, what is not annotated is background",
    )


def _list_labels(videos: Sequence[AnnotatedVideo]) -> list[str]:
    return sorted({label for video in videos for label in video.list_labels()})


def _find_labelled_only(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    names = [video.video_id for video in videos if is_labelled_only(video)]
    return make_findings(
        "labelled-only", "videos have labels and no segments", names, "for presets that learn from video labels only"
    )


def _find_untimed(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    places = [f"{video.video_id} {one.label}" for video in videos if video.instances for one in video.untimed]
    return make_findings("untimed", "annotations have no segment, though others of their video do", places, "left out")


def _find_other_labels(videos: Sequence[AnnotatedVideo], class_names: Collection[str]) -> list[Finding]:
    """Find videos whose stated labels differ from those of their instances, split by split."""
    return [
        finding
        for split in sorted({video.split for video in videos})
        for finding in make_findings(
            "other-labels",
            f"videos{f' of the split {split}' if split else ''} have stated labels that are not those of their "
            "instances",
            [video.video_id for video in videos if video.split == split and has_other_labels(video)],
            "training on video labels takes the stated ones",
        )
    ]


_CHECKS: tuple[tuple[Callable[[Sequence[AnnotatedVideo], Collection[str]], list[Finding]], bool], ...] = (
    (_find_blank_labels, True),
    (_find_variants, True),
    (_find_outer_blanks, False),
    (_find_background, False),
    (_find_unknown_labels, True),
    (_find_unknown_video_labels, True),
    (_find_labelled_only, False),
    (_find_untimed, False),
    (_find_other_labels, False),
)
"""All checks, and whether their findings are severe."""
