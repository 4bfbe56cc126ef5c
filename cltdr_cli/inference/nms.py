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
    kept = _suppressed(candidates, groups, config)
    if not config.multiclass_nms and config.voting_thresh > 0:
        kept = vote(kept, candidates, config.voting_thresh)
    return kept.by_score(config.max_seg_num)


def _suppressed(candidates: Candidates, groups: Ints, config: InferenceConfig) -> Candidates:
    if config.nms_method == "hard":
        above = candidates.scores > config.min_score
        candidates, groups = candidates.selected(above), groups[above]
    rows, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for table in _similar_groups(groups, candidates.scores):
        picked, at = _picks(candidates, table, config)
        rows.append(picked)
        scores.append(at)
    index = np.concatenate(rows)
    return Candidates(candidates.segments[index], np.concatenate(scores), candidates.labels[index])


def _similar_groups(groups: Ints, scores: Floats) -> list[Ints]:
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


@dataclass(frozen=True, eq=False)
class _Lines:
    """Candidates side by side, one group a line; all arrays are ``[G, M]``. A score below the floor is dead."""

    rows: Ints
    start: Floats
    end: Floats
    length: Floats
    scores: Floats

    def where(self, keep: NDArray[np.bool_], axis: int) -> _Lines:
        """The lines (axis 0) or columns (axis 1) of a mask."""
        arrays = (self.start, self.end, self.length, self.scores)
        return _Lines(self.rows.compress(keep, axis), *(array.compress(keep, axis) for array in arrays))


def _lines(candidates: Candidates, table: Ints) -> _Lines:
    start, end = candidates.segments[table].transpose(2, 0, 1)
    scores = np.where(table >= 0, candidates.scores[table], np.float32(-1))
    return _Lines(table, start, end, end - start + _LENGTH_EPSILON, scores)


def _picks(candidates: Candidates, table: Ints, config: InferenceConfig) -> tuple[Ints, Floats]:
    """Greedy picks of every line of a table: candidate rows and their (decayed) scores."""
    # The smallest positive float at least: an erased -1, decayed until it underflows, must stay dead.
    floor = max(np.finfo(np.float32).tiny, np.float32(config.min_score if config.nms_method == "soft" else 0))
    lines = _lines(candidates, table)
    rows, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for _ in range(min(table.shape[1], config.max_seg_num)):
        live = lines.scores >= floor
        in_line, in_column = np.asarray(live.any(1)), np.asarray(live.any(0))
        if not in_line.all():
            lines = lines.where(in_line, axis=0)
        elif in_column.sum() * 2 <= len(in_column):
            lines = lines.where(in_column, axis=1)
        if not lines.rows.size:
            break
        best = lines.scores.argmax(1)[:, None]
        rows.append(np.take_along_axis(lines.rows, best, 1)[:, 0])
        scores.append(np.take_along_axis(lines.scores, best, 1)[:, 0])
        _decay(lines.scores, _overlap(lines, best), config)
        np.put_along_axis(lines.scores, best, np.float32(-1), 1)
    return np.concatenate(rows), np.concatenate(scores)


def _overlap(lines: _Lines, best: Ints) -> Floats:
    """IoU ``[G, M]`` of every candidate with its line's pick."""
    take = np.take_along_axis
    inner: Floats = np.minimum(lines.end, take(lines.end, best, 1)) - np.maximum(
        lines.start, take(lines.start, best, 1)
    )
    np.maximum(inner, 0, out=inner)
    return np.divide(inner, lines.length + take(lines.length, best, 1) - inner, dtype=np.float32)


def _decay(scores: Floats, overlap: Floats, config: InferenceConfig) -> None:
    """Lower (soft) or erase (hard) the scores of overlapping candidates, in place."""
    if config.nms_method == "hard":
        scores[overlap >= config.iou_threshold] = -1
    else:
        scores *= np.exp(-(overlap * overlap) / np.float32(config.nms_sigma))


def vote(kept: Candidates, candidates: Candidates, threshold: float) -> Candidates:
    """Each kept segment becomes the score-weighted mean of all candidates with IoU at or above ``threshold``."""
    voted = [
        _voted(kept.segments[i : i + _VOTES_AT_ONCE], candidates, threshold)
        for i in range(0, len(kept), _VOTES_AT_ONCE)
    ]
    return Candidates(np.concatenate([np.zeros((0, 2), np.float32), *voted]), kept.scores, kept.labels)


def _voted(segments: Floats, candidates: Candidates, threshold: float) -> Floats:
    start, end = candidates.segments.T
    inner = np.minimum(segments[:, 1:], end) - np.maximum(segments[:, :1], start)
    np.maximum(inner, 0, out=inner)
    union = (segments[:, 1:] - segments[:, :1]) + (end - start) - inner
    # Two empty segments have no union: no vote, and no division by zero.
    weights: Floats = np.where(inner >= threshold * union, candidates.scores, 0) * (union > 0)
    total: Floats = weights.sum(1, keepdims=True)
    mean = (weights @ candidates.segments) / np.where(total > 0, total, 1)
    return np.where(total > 0, mean, segments).astype(np.float32)
