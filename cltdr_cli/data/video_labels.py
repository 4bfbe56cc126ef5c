"""Labels of whole videos: those that the annotation states, else those of what happens in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cltdr_cli.data.annotations import AnnotatedVideo


def video_labels(video: AnnotatedVideo) -> tuple[str, ...]:
    """The labels of a whole video, sorted by name.

    They are those that the annotation states for the video (``AnnotatedVideo.labels``); where it states none, those of
    its instances and of its annotations without a segment. Times are never looked at, so that an empty, reversed or
    wrong segment gives its label as a right one does.
    """
    return tuple(sorted(set(video.labels) if video.labels is not None else _list_annotated(video)))


def has_other_labels(video: AnnotatedVideo) -> bool:
    """Whether the video's stated labels differ from those of its instances; False where one of the two is missing."""
    if video.labels is None or not (video.instances or video.untimed):
        return False
    return set(video.labels) != _list_annotated(video)


def is_labelled_only(video: AnnotatedVideo) -> bool:
    """Whether the annotation says what happens in the video, and of nothing when."""
    return not video.instances and bool(video_labels(video))


def find_unknown_labels(videos: Iterable[AnnotatedVideo], class_names: Collection[str]) -> dict[str, list[str]]:
    """Labels of whole videos that are none of the classes, each with the ids of its videos; sorted by label."""
    known, unknown = set(class_names), dict[str, list[str]]()
    for video in videos:
        for label in video_labels(video):
            if label not in known:
                unknown.setdefault(label, []).append(video.video_id)
    return dict(sorted(unknown.items()))


def _list_annotated(video: AnnotatedVideo) -> set[str]:
    return {item.label for item in (*video.instances, *video.untimed)}
