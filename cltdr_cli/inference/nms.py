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
            tables.setdefault(int(len(rows)).bit_length(), []).append(rows)
    width = {key: max(map(len, lines)) for key, lines in tables.items()}
    return [
        np.stack([np.pad(rows, (0, width[key] - len(rows)), constant_values=-1) for rows in lines])
        for key, lines in sorted(tables.items())
    ]


def _picks(candidates: Candidates, table: Ints, config: InferenceConfig) -> tuple[Ints, Floats]:
    """Greedy picks of every line of a table: candidate rows and their (decayed) scores."""
    start, end = candidates.segments[table].transpose(2, 0, 1)
    length = end - start + _LENGTH_EPSILON
    scores = np.where(table >= 0, candidates.scores[table], np.float32(-1))
    # The smallest positive float at least: an erased -1, decayed until it underflows, must stay dead.
    floor = max(np.finfo(np.float32).tiny, np.float32(config.min_score if config.nms_method == "soft" else 0))
    rows: list[Ints] = []
    picked: list[Floats] = []
    limit = min(table.shape[1], config.max_seg_num)
    while len(rows) < limit and scores.size:
        best = scores.argmax(1)
        alive = scores.max(1) >= floor
        if not alive.all():
            table, start, end, length, scores, best = (a[alive] for a in (table, start, end, length, scores, best))
            if not len(table):
                break
        lines = np.arange(len(table))
        rows.append(table[lines, best])
        picked.append(scores[lines, best])
        scores[lines, best] = -1
        _decay(scores, _overlap(start, end, length, best[:, None]), config)
        table, start, end, length, scores = _compacted(table, start, end, length, scores, floor)
    empty_rows, empty_scores = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return np.concatenate([empty_rows, *rows]), np.concatenate([empty_scores, *picked])


def _overlap(start: Floats, end: Floats, length: Floats, best: Ints) -> Floats:
    """IoU ``[G, M]`` of every candidate with its line's pick."""
    take = np.take_along_axis
    inner = np.minimum(end, take(end, best, 1)) - np.maximum(start, take(start, best, 1))
    np.maximum(inner, 0, out=inner)
    return inner / (length + take(length, best, 1) - inner)


def _decay(scores: Floats, overlap: Floats, config: InferenceConfig) -> None:
    """Lower (soft) or erase (hard) the scores of overlapping candidates, in place; erased ones stay erased."""
    if config.nms_method == "hard":
        scores[overlap >= config.iou_threshold] = -1
    else:
        scores *= np.exp(-(overlap * overlap) / np.float32(config.nms_sigma))


def _compacted(
    table: Ints, start: Floats, end: Floats, length: Floats, scores: Floats, floor: np.float32
) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    """The same candidates without columns that are dead in every line, once half of them are."""
    live = (scores >= floor).any(0)
    if live.sum() * 2 > len(live):
        return table, start, end, length, scores
    return table[:, live], start[:, live], end[:, live], length[:, live], scores[:, live]


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
    weights = np.where(inner >= threshold * union, candidates.scores, 0) * (union > 0)
    total = weights.sum(1, keepdims=True)
    mean = (weights @ candidates.segments) / np.where(total > 0, total, 1)
    return np.where(total > 0, mean, segments).astype(np.float32)
