"""Several annotations as one: what a person reviewed stands in for what an older annotation says of the same video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, summarize_numbers
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.reviewed import DEFAULT_SPLIT, LAYOUT
from cltdr_cli.data.video_info import strip_video_id
from cltdr_cli.errors import AnnotationError

_Owned = tuple[AnnotatedVideo, Path]
"""A video, and the file that it comes from."""


def merge_annotations(parts: Sequence[Annotations], classes: ClassList) -> Annotations:
    """Merge annotations video by video; their order does not matter.

    A reviewed video replaces the segments that other files give it; split, duration and rate stay known. Of two
    reviews the later one holds. Class numbers are those of the files that nobody reviewed: reviewed ones have the
    numbers of the detector that was corrected.

    Args:
        parts: As read, one or more.
        classes: The known classes.

    Raises:
        AnnotationError: Two files contradict each other about a video, and no review decides.
    """
    if len(parts) == 1:
        return parts[0]
    others = [part for part in parts if part.layout != LAYOUT]
    merged = _collect_others(others)
    reviewed, notes = _collect_reviewed([part for part in parts if part.layout == LAYOUT])
    if others:
        reviewed = {core: (_without_numbers(video), source) for core, (video, source) in reviewed.items()}
        notes += _describe_replacing(merged, reviewed)
    is_split = not merged or any(video.split for video, _ in merged.values())
    for core, (video, source) in reviewed.items():
        old = merged[core][0] if core in merged else None
        merged[core] = (_replace_segments(old, video, is_split), source)
    videos = {video.video_id: video for video, _ in merged.values()}
    label_ids, conflicts = summarize_numbers(videos.values(), classes, [part.layout for part in others] or [LAYOUT])
    notes = [*(f"{part.source.name}: {note}" for part in parts for note in part.notes), *notes]
    first = (others or parts)[0]
    source = first.source.with_name(f"{first.source.name} and {len(parts) - 1} more")
    return Annotations(videos, label_ids, first.layout, source, conflicts, tuple(notes))


def _collect_others(parts: Sequence[Annotations]) -> dict[str, _Owned]:
    """Videos by the core of their id.

    Raises:
        AnnotationError: Two files say something different of a video.
    """
    found: dict[str, _Owned] = {}
    for part in parts:
        for video in part.videos.values():
            first, source = found.setdefault(strip_video_id(video.video_id), (video, part.source))
            if first != video:
                raise AnnotationError(
                    f"{source} and {part.source} contradict each other about the video {video.video_id!r}: "
                    f"{_describe_difference(first, video)}",
                    "Neither was saved by `cltdr review`, so nothing says which is right: keep the video in one file.",
                )
    return found


def _describe_difference(first: AnnotatedVideo, second: AnnotatedVideo) -> str:
    counts = [len(video.instances) for video in (first, second)]
    if first.instances == second.instances:
        return "split, duration, rate or labels differ"
    return f"{counts[0]} and {counts[1]} segments" if counts[0] != counts[1] else "their segments differ"


def _collect_reviewed(parts: Sequence[Annotations]) -> tuple[dict[str, _Owned], list[str]]:
    """The latest review of each video, and notes on those that a later one replaces.

    Raises:
        AnnotationError: Two reviews of a video differ, and a time is missing.
    """
    found: dict[str, _Owned] = {}
    notes: list[str] = []
    for video, source in ((video, part.source) for part in parts for video in part.videos.values()):
        first, owner = found.setdefault(strip_video_id(video.video_id), (video, source))
        if set(first.instances) == set(video.instances):
            continue
        if not (first.reviewed_at and video.reviewed_at):
            raise AnnotationError(
                f"{owner} and {source} contradict each other about the video {video.video_id!r}, and one of them does "
                "not say when it was reviewed",
                "Give only the one that holds.",
            )
        is_later = video.reviewed_at > first.reviewed_at
        kept, dropped = (source, owner) if is_later else (owner, source)
        notes.append(f"{video.video_id} was reviewed twice: {kept.name} is later and counts, {dropped.name} does not")
        if is_later:
            found[strip_video_id(video.video_id)] = video, source
    return found, notes


def _without_numbers(video: AnnotatedVideo) -> AnnotatedVideo:
    return replace(video, instances=tuple(item._replace(label_id=None) for item in video.instances))


def _replace_segments(old: AnnotatedVideo | None, reviewed: AnnotatedVideo, is_split: bool) -> AnnotatedVideo:
    """The reviewed video with what the older annotation says of it besides segments."""
    if old is None:
        unnamed = not is_split and reviewed.split == DEFAULT_SPLIT
        return replace(reviewed, split="") if unnamed else reviewed
    duration = old.duration_seconds if reviewed.duration_seconds is None else reviewed.duration_seconds
    fps = old.fps if reviewed.fps is None else reviewed.fps
    return replace(old, instances=reviewed.instances, duration_seconds=duration, fps=fps, untimed=(), labels=None)


def _describe_replacing(merged: dict[str, _Owned], reviewed: dict[str, _Owned]) -> list[str]:
    """What the reviews change of the other files, in words."""
    both = [(merged[core][0], video) for core, (video, _) in reviewed.items() if core in merged]
    notes = [f"{len(reviewed)} reviewed videos: {len(reviewed) - len(both)} are new"]
    if both:
        before, after = (sum(len(pair[n].instances) for pair in both) for n in (0, 1))
        same = sum(len(_list_segments(old) & _list_segments(new)) for old, new in both)
        notes[0] += f", {len(both)} replace older segments ({before} before, {after} now, {same} of them the same)"
    known = _list_names(video for video, _ in merged.values())
    if unknown := sorted(_list_names(video for video, _ in reviewed.values()) - known):
        notes.append(f"labels that only reviewed files have: {', '.join(unknown)}")
    return notes


def _list_segments(video: AnnotatedVideo) -> set[tuple[float, float, str]]:
    return {(item.start, item.end, item.label) for item in video.instances}


def _list_names(videos: Iterable[AnnotatedVideo]) -> set[str]:
    return {name for video in videos for name in video.list_labels()}
