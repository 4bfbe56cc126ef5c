"""Verb and noun detections of two models joined into actions, as EPIC-KITCHENS-100 asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.prediction_files import LabelKey, ResultRows
from cltdr_cli.errors import AnnotationError

LEAST_TIOU = 0.5
"""A verb and a noun that overlap less are not the same action."""

MOST_ACTIONS = 2000
"""Actions of a video that are kept, the best ones; EPIC's videos have 70 on average, and hundreds at most."""


@dataclass(frozen=True)
class Action:
    """One action.

    Attributes:
        verb: Number of its verb class.
        noun: Number of its noun class.
        start: Seconds.
        end: Seconds.
        score: Between 0 and 1 where the scores of verb and noun are.
    """

    verb: int
    noun: int
    start: float
    end: float
    score: float


def join_verbs_and_nouns(
    verbs: ResultRows, nouns: ResultRows, verb_names: Sequence[str], noun_names: Sequence[str]
) -> dict[str, list[Action]]:
    """Join the detections of verbs with those of nouns in the same video.

    Every verb is joined with every noun that it overlaps by ``LEAST_TIOU`` or more. The action's score is the
    geometric mean of both scores, times their temporal IoU; its start and end are the means of both, weighted by
    their scores. What has no partner, or a score of 0 or less, is left out.

    Args:
        verbs: Detections of verbs.
        nouns: Detections of nouns.
        verb_names: Verb classes by their number.
        noun_names: Noun classes by their number.

    Returns:
        Actions by video, by falling score; every video of both files is there.

    Raises:
        AnnotationError: A class is none of the list, or the files have no video in common.
    """
    if verbs.video_ids and nouns.video_ids and not set(verbs.video_ids) & set(nouns.video_ids):
        raise AnnotationError(
            f"{verbs.source} and {nouns.source} have no video in common",
            f"Their first ones are {verbs.video_ids[0]} and {nouns.video_ids[0]}.",
        )
    tables = _Table.of(verbs, verb_names), _Table.of(nouns, noun_names)
    names = dict.fromkeys((*verbs.video_ids, *nouns.video_ids))
    return {name: list(_join(*(table.of_video(name) for table in tables))) for name in names}


@dataclass(frozen=True, eq=False)
class _Table:
    """Detections with the numbers of their classes.

    Attributes:
        rows: The detections.
        numbers: int64 ``[N]``.
    """

    rows: ResultRows
    numbers: NDArray[np.int64]

    @classmethod
    def of(cls, rows: ResultRows, names: Sequence[str]) -> _Table:
        places = {name: number for number, name in enumerate(names)}
        numbers = np.array([_find_number(key, places, rows.source) for key in rows.label_keys], np.int64)
        return cls(rows, numbers[rows.labels] if len(numbers) else np.zeros(0, np.int64))

    def of_video(self, video_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Segments float64 ``[N, 2]``, scores float64 ``[N]`` and class numbers int64 ``[N]`` of a video."""
        if video_id not in self.rows.video_ids:
            return np.zeros((0, 2)), np.zeros(0), np.zeros(0, np.int64)
        keep = (self.rows.videos == self.rows.video_ids.index(video_id)) & (self.rows.scores > 0)
        return self.rows.segments_seconds[keep], self.rows.scores[keep], self.numbers[keep]


def _find_number(key: LabelKey, places: dict[str, int], source: str) -> int:
    """Number of a class by its name or, where it has none, by the number of the file."""
    if key.name in places:
        return places[str(key.name)]
    number = int(key.name) if key.name is not None and key.name.isdecimal() else key.number
    if number is None or not 0 <= number < len(places) or (key.name is not None and not key.name.isdecimal()):
        raise AnnotationError(
            f"{source}: the class {key.name or key.number} is none of the {len(places)} of EPIC-KITCHENS-100",
            "Verbs and nouns are two files: is each given as what it is? `cltdr presets list` shows detectors of both.",
        )
    return number


def _join(
    verbs: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]],
    nouns: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]],
) -> Iterator[Action]:
    (verb_segments, verb_scores, verb), (noun_segments, noun_scores, noun) = verbs, nouns
    tiou = _compare_all(verb_segments, noun_segments)
    rows, columns = np.nonzero(tiou >= LEAST_TIOU)
    first, second = verb_scores[rows], noun_scores[columns]
    scores = np.sqrt(first * second) * tiou[rows, columns]
    weights = (first / (first + second))[:, None]
    segments = weights * verb_segments[rows] + (1 - weights) * noun_segments[columns]
    for place in np.argsort(-scores, kind="stable")[:MOST_ACTIONS].tolist():
        start, end = segments[place].tolist()
        yield Action(int(verb[rows[place]]), int(noun[columns[place]]), start, end, float(scores[place]))


def _compare_all(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Temporal IoU of every segment of one list with every one of the other, float64 ``[A, B]``."""
    shared = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    shared = np.maximum(shared, 0)
    union = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
