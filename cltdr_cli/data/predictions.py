"""Matches predictions with the videos and labels of the ground truth, and reports what does not match."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.class_lists import suggest_names
from cltdr_cli.data.class_numbers import find_shift
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.ground_truth import ScoredSplit
from cltdr_cli.data.id_matching import guess_ids, match_by_folder
from cltdr_cli.data.prediction_files import NO_LABEL, LabelKey, ResultRows
from cltdr_cli.data.video_info import strip_video_id
from cltdr_cli.errors import AnnotationError
from cltdr_cli.evaluation.tables import UNKNOWN, Predictions


def align_predictions(
    rows: ResultRows,
    split: ScoredSplit,
    class_numbers: Mapping[int, str],
    row_classes: Mapping[int, str] | None = None,
    outside_counts: bool = True,
    number_conflicts: Sequence[str] = (),
) -> tuple[Predictions, list[Finding]]:
    """Translate videos and labels of predictions into the indices of the ground truth.

    Args:
        rows: The predictions.
        split: The ground truth.
        class_numbers: Class names by the number in ``label_id``.
        row_classes: Class names by the number in THUMOS rows; None takes ``class_numbers``.
        outside_counts: Whether predictions in videos outside the split count as false positives, as in the
            published evaluators; otherwise they are left out.
        number_conflicts: How the annotation's ``label_id`` contradict each other.

    Returns:
        The predictions, and findings about them.

    Raises:
        AnnotationError: There are predictions, and none is in a video of the split; or classes are told by numbers
            that contradict each other.
    """
    numbers = row_classes if rows.thumos_numbers and row_classes is not None else class_numbers
    video_places = _match_videos(rows.video_ids, split)
    names = {name: i for i, name in enumerate(split.truth.label_names)}
    used = {n for key in rows.label_keys if (n := _find_number(key, names)) is not None}
    _refuse_conflicts(rows, number_conflicts if used and numbers is class_numbers else ())
    label_places = np.array([_match_label(key, names, numbers) for key in rows.label_keys], int)
    videos, labels = _take_places(video_places, rows.videos), _take_places(label_places, rows.labels)
    _refuse_wrong_split(rows, split, videos)
    aside = np.isin(rows.videos, [i for i, name in enumerate(rows.video_ids) if name in split.set_aside])
    outside = (videos == UNKNOWN) & ~aside
    keep = ~aside if outside_counts else ~aside & ~outside
    findings = [
        *_find_stray_videos(rows, split, aside, outside, outside_counts),
        *_find_silent_videos(split, videos),
        *_find_respelled(rows, split, video_places),
        *_find_shifted_numbers(used, numbers),
        *_find_unknown_labels(rows, labels, split.truth.label_names),
        *_find_odd_segments(rows),
    ]
    predictions = Predictions(videos, labels, rows.segments_seconds, rows.scores)
    return (predictions if keep.all() else predictions.select(keep)), findings


def _match_videos(wanted: tuple[str, ...], split: ScoredSplit) -> NDArray[np.int64]:
    """Index of each wanted id in the split; a stripped one, or one with other folders, also matches if it is unique."""
    video_ids = split.truth.video_ids
    cores: dict[str, int] = {}
    for i, name in enumerate(video_ids):
        cores[strip_video_id(name)] = UNKNOWN if strip_video_id(name) in cores else i
    exact = {name: i for i, name in enumerate(video_ids)}
    places = np.array([exact.get(name, cores.get(strip_video_id(name), UNKNOWN)) for name in wanted], np.int64)
    known = [*video_ids, *split.elsewhere, *split.set_aside]
    lost = [name for name, place in zip(wanted, places, strict=True) if place == UNKNOWN and name not in known]
    found = {video_ids[place] for place in places if place != UNKNOWN}
    by_folder = match_by_folder(lost, [name for name in known if name not in found]) if lost else {}
    for row, name in enumerate(wanted):
        if name in by_folder:
            places[row] = exact.get(by_folder[name], UNKNOWN)
    return places


def _match_label(key: LabelKey, places: Mapping[str, int], numbers: Mapping[int, str]) -> int:
    """Index of a class by its name, or by its number if the row has no name or a number for a name."""
    if key.name is not None and key.name in places:
        return places[key.name]
    number = _find_number(key, places)
    return UNKNOWN if number is None else places.get(numbers.get(number, ""), UNKNOWN)


def _find_number(key: LabelKey, names: Collection[str]) -> int | None:
    """The number by which a class is told; None where it is told by its name."""
    if key.name is None:
        return key.number
    return int(key.name) if key.name not in names and key.name.isdecimal() else None


def _refuse_conflicts(rows: ResultRows, conflicts: Sequence[str]) -> None:
    if conflicts:
        raise AnnotationError(
            f"{rows.source} tells classes by number, and the annotation's numbers contradict each other: "
            f"{'; '.join(conflicts[:3])}",
            "Give a file of class names with their numbers as labels=, or predictions with names.",
        )


def _find_shifted_numbers(used: set[int], numbers: Mapping[int, str]) -> list[Finding]:
    shift = find_shift(used, numbers)
    text = "class numbers of the predictions look off by one"
    places = [f"{min(used)} to {max(used)}, and the annotation has {min(numbers)} to {max(numbers)}"] if shift else []
    return make_findings(
        "shifted-numbers", text, places, "give a file of class names with these numbers as labels=", len(used)
    )


def _take_places(places: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return places[rows] if len(places) else np.full(len(rows), UNKNOWN, np.int64)


def _refuse_wrong_split(rows: ResultRows, split: ScoredSplit, videos: NDArray[np.int64]) -> None:
    if not len(rows.scores) or (videos != UNKNOWN).any():
        return
    splits = sorted({split.elsewhere[name] or "unnamed" for name in rows.video_ids if name in split.elsewhere})
    examples = ", ".join(rows.video_ids[:3])
    guesses = guess_ids(rows.video_ids, split.truth.video_ids)
    question = f"Did you mean {guesses}?" if guesses else "Is it the right data set?"
    raise AnnotationError(
        f"{rows.source}: none of its {len(rows.video_ids)} videos ({examples}, …) is in the split {split.split!r}",
        f"They are in the split {', '.join(splits)}. Give it as split=."
        if splits
        else f"Videos of the annotation have names like {split.truth.video_ids[0]}. {question}",
    )


def _find_stray_videos(
    rows: ResultRows,
    split: ScoredSplit,
    aside: NDArray[np.bool_],
    outside: NDArray[np.bool_],
    outside_counts: bool,
) -> Iterator[Finding]:
    counted = "counted as false positives, as the published evaluators do" if outside_counts else "left out"
    other = np.array([name in split.elsewhere for name in rows.video_ids], bool)[rows.videos] & outside
    groups = (
        ("set-aside", "predictions are in videos that the protocol leaves out", aside, "left out"),
        ("other-split", "predictions are in videos of another split", other, counted),
        ("unknown-video", "predictions are in videos without annotation", outside & ~other, counted),
    )
    for kind, text, mask, consequence in groups:
        names = [rows.video_ids[i] for i in np.unique(rows.videos[mask])]
        guesses = guess_ids(names, split.truth.video_ids) if kind == "unknown-video" else ""
        meant = f"; did you mean {guesses}?" if guesses else ""
        yield from make_findings(kind, text, names, f"{consequence}{meant}", int(mask.sum()))


def _find_silent_videos(split: ScoredSplit, videos: NDArray[np.int64]) -> list[Finding]:
    silent = np.setdiff1d(np.arange(len(split.truth.video_ids)), videos)
    names = [split.truth.video_ids[i] for i in silent]
    return make_findings("silent-video", "videos have no prediction", names, "their instances are missed")


def _find_respelled(rows: ResultRows, split: ScoredSplit, places: NDArray[np.int64]) -> list[Finding]:
    known = set(split.truth.video_ids)
    names = [name for name, place in zip(rows.video_ids, places, strict=True) if place >= 0 and name not in known]
    text = "video ids differ from the annotation's by the prefix v_, a file suffix or folders"
    return make_findings("respelled", text, names, "treated as the same videos")


def _find_unknown_labels(rows: ResultRows, labels: NDArray[np.int64], known: Sequence[str]) -> list[Finding]:
    if not len(labels):
        return make_findings("no-predictions", "predictions", [rows.source], "all instances are missed", 0)
    named = np.array([key != NO_LABEL for key in rows.label_keys], bool)[rows.labels]
    unknown = (labels == UNKNOWN) & named
    names = [_spell(rows.label_keys[i]) for i in np.unique(rows.labels[unknown])]
    text = "predictions have a label that is not in the annotation"
    meant = suggest_names(names, known)
    consequence = f"ignored, as the published evaluators do{f'; did you mean {meant}?' if meant else ''}"
    return make_findings("unknown-label", text, names, consequence, int(unknown.sum()))


def _spell(key: LabelKey) -> str:
    return key.name if key.name is not None else f"class {key.number}"


def _find_odd_segments(rows: ResultRows) -> list[Finding]:
    starts, ends = rows.segments_seconds.T
    groups = (
        ("reversed", "predictions end before they start", ends < starts, "counted as false positives"),
        ("empty-prediction", "predictions have no length", ends == starts, "counted as false positives"),
        ("negative-time", "predictions start before their video", starts < 0, "scored as they are"),
    )
    findings: list[Finding] = []
    for kind, text, mask, consequence in groups:
        places = [f"{rows.video_ids[rows.videos[i]]} {starts[i]:g}..{ends[i]:g}" for i in np.flatnonzero(mask)[:4]]
        findings += make_findings(kind, text, places, consequence, int(mask.sum()))
    return findings
