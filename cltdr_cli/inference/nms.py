"""Non-maximum suppression of segments on a line: soft, hard, and voting. NumPy only, nothing compiled.

All classes are suppressed side by side: the k-th pick of every class happens in one vectorised step, so the
number of steps is that of the largest class and not the sum over classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.inference.config import InferenceConfig

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Published programs add it to every length, so that an empty segment has an IoU with itself.
_LENGTH_EPSILON = np.float32(1e-6)
_VOTES_AT_ONCE = 256
_ROUNDS_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Candidates:
    """Scored segments of one video before or after suppression.

    Attributes:
        segments: float32 ``[N, 2]``, in feature steps (any unit works).
        scores: float32 ``[N]``.
        labels: int64 ``[N]``.
    """

    segments: Floats
    scores: Floats
    labels: Ints

    def __len__(self) -> int:
        return len(self.scores)

    def selected(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Candidates:
        """The given rows, in the given order."""
        return Candidates(self.segments[rows], self.scores[rows], self.labels[rows])

    def by_score(self, limit: int | None = None) -> Candidates:
        """The ``limit`` best by falling score; equal scores keep their order."""
        return self.selected(np.argsort(-self.scores, kind="stable")[:limit])


def suppress(candidates: Candidates, config: InferenceConfig) -> Candidates:
    """Published post-processing: NMS per class or over all, voting in the class-agnostic case, the best kept.

    Returns:
        At most ``max_seg_num`` segments by falling score (and at most that many of each class).
    """
    if config.nms_method == "none" or not len(candidates):
        return candidates.by_score(config.max_seg_num)
    groups = candidates.labels if config.multiclass_nms else np.zeros_like(candidates.labels)
    kept = _suppress_groups(candidates, groups, config)
    if not config.multiclass_nms and config.voting_thresh > 0:
        kept = vote(kept, candidates, config.voting_thresh, config.voting_weight == "score_times_iou")
    return kept.by_score(config.max_seg_num)


def _suppress_groups(candidates: Candidates, groups: Ints, config: InferenceConfig) -> Candidates:
    if config.nms_method == "hard":
        above = candidates.scores > config.min_score
        candidates, groups = candidates.selected(above), groups[above]
    picks = _Picks(config)
    tables = [_lines(candidates, table) for table in _group_by_size(groups, candidates.scores)]
    for done in range(0, config.max_seg_num, _ROUNDS_AT_ONCE):
        picks.raise_floor()
        tables = [lines for lines in (lines.alive(picks.floor) for lines in tables) if lines.rows.size]
        for lines in tables:
            _pick(lines, config, picks, min(_ROUNDS_AT_ONCE, config.max_seg_num - done))
        if not tables:
            break
    rows, scores = picks.in_order()
    return Candidates(candidates.segments[rows], scores, candidates.labels[rows])


def _group_by_size(groups: Ints, scores: Floats) -> list[Ints]:
    """Tables ``[G, M]`` of candidate rows, one group a line by falling score, filled up with -1.

    Groups whose sizes differ by more than a factor of two go to different tables, so that little is filler.
    """
    order = np.lexsort((-scores, groups))
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    tables: dict[int, list[Ints]] = {}
    for rows in members:
        if len(rows):
            tables.setdefault(len(rows).bit_length(), []).append(rows)
    width = {key: max(map(len, lines)) for key, lines in tables.items()}
    return [
        np.stack([np.pad(rows, (0, width[key] - len(rows)), constant_values=-1) for rows in lines])
        for key, lines in sorted(tables.items())
    ]


class _Picks:
    """Candidate rows picked so far with their (decayed) scores, and the floor below which none counts."""

    def __init__(self, config: InferenceConfig) -> None:
        self._rows, self._scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        self._best, self._ranked, self._limit = np.zeros(0, np.float32), 0, config.max_seg_num
        # The smallest positive float at least: an erased -1, decayed until it underflows, must stay dead.
        least = config.min_score if config.nms_method == "soft" else 0
        self.floor = max(np.finfo(np.float32).tiny, np.float32(least))

    def add(self, rows: Ints, scores: Floats) -> None:
        self._rows.append(rows)
        self._scores.append(scores)

    def raise_floor(self) -> None:
        """Only the best ``max_seg_num`` of all groups are kept, so what is below their last is done with."""
        scores = np.concatenate([self._best, *self._scores[self._ranked :]])
        self._best, self._ranked = np.sort(scores)[-self._limit :], len(self._scores)
        if len(self._best) == self._limit:
            self.floor = max(self.floor, self._best[0])

    def in_order(self) -> tuple[Ints, Floats]:
        """Rows and scores in the order of the candidates, which decides among equal scores."""
        rows = np.concatenate(self._rows)
        order = np.argsort(rows)
        return rows[order], np.concatenate(self._scores)[order]


@dataclass(frozen=True, eq=False)
class _Lines:
    """Candidates side by side, one group a line; all arrays are ``[G, M]``. A score below the floor is dead."""

    rows: Ints
    start: Floats
    end: Floats
    length: Floats
    scores: Floats

    def alive(self, floor: np.float32) -> _Lines:
        """Without the lines and columns in which everything is dead."""
        live = self.scores >= floor
        keep = np.ix_(live.any(1), live.any(0))
        arrays = (self.start, self.end, self.length, self.scores)
        return _Lines(self.rows[keep], *(array[keep] for array in arrays))


def _lines(candidates: Candidates, table: Ints) -> _Lines:
    start, end = candidates.segments[table].transpose(2, 0, 1)
    scores = np.where(table >= 0, candidates.scores[table], np.float32(-1))
    return _Lines(table, start, end, end - start + _LENGTH_EPSILON, scores)


def _pick(lines: _Lines, config: InferenceConfig, picks: _Picks, rounds: int) -> None:
    """So many greedy picks of every line, as far as there are living candidates."""
    for _ in range(min(rounds, lines.rows.shape[1])):
        best = np.arange(len(lines.rows)), lines.scores.argmax(1)
        top = lines.scores[best]
        live = top >= picks.floor
        picks.add(lines.rows[best][live], top[live])
        _decay(lines.scores, _overlap(lines, best), config)
        lines.scores[best] = -1


def _overlap(lines: _Lines, best: tuple[Ints, Ints]) -> Floats:
    """IoU ``[G, M]`` of every candidate with its line's pick."""
    start, end, length = (array[best][:, None] for array in (lines.start, lines.end, lines.length))
    inner: Floats = np.minimum(lines.end, end) - np.maximum(lines.start, start)
    np.maximum(inner, 0, out=inner)
    return np.divide(inner, lines.length + length - inner, dtype=np.float32)


def _decay(scores: Floats, overlap: Floats, config: InferenceConfig) -> None:
    """Lower (soft) or erase (hard) the scores of overlapping candidates, in place."""
    if config.nms_method == "hard":
        scores[overlap >= config.iou_threshold] = -1
    else:
        scores *= np.exp(-(overlap * overlap) / np.float32(config.nms_sigma))


def vote(kept: Candidates, candidates: Candidates, threshold: float, weigh_by_iou: bool = False) -> Candidates:
    """Each kept segment becomes the score-weighted mean of all candidates with IoU at or above ``threshold``.

    With ``weigh_by_iou`` a candidate's weight is its score times that IoU.
    """
    voted = [
        _average_voters(kept.segments[i : i + _VOTES_AT_ONCE], candidates, threshold, weigh_by_iou)
        for i in range(0, len(kept), _VOTES_AT_ONCE)
    ]
    return Candidates(np.concatenate([np.zeros((0, 2), np.float32), *voted]), kept.scores, kept.labels)


def _average_voters(segments: Floats, candidates: Candidates, threshold: float, weigh_by_iou: bool) -> Floats:
    start, end = candidates.segments.T
    inner = np.minimum(segments[:, 1:], end) - np.maximum(segments[:, :1], start)
    np.maximum(inner, 0, out=inner)
    union = (segments[:, 1:] - segments[:, :1]) + (end - start) - inner
    # Two empty segments have no union: no vote, and no division by zero.
    weights: Floats = np.where(inner >= threshold * union, candidates.scores, 0) * (union > 0)
    if weigh_by_iou:
        weights *= inner / np.where(union > 0, union, 1)
    total: Floats = weights.sum(1, keepdims=True)
    mean = (weights @ candidates.segments) / np.where(total > 0, total, 1)
    return np.where(total > 0, mean, segments).astype(np.float32)
