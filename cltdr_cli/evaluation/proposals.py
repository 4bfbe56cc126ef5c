"""Average recall of proposals over their number, as the proposal task of ActivityNet is scored; labels do not count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.evaluation.matching import find_overlapping_pairs
from cltdr_cli.evaluation.tables import GroundTruth, Predictions, TieRule

PROPOSAL_TIOUS = np.linspace(0.5, 0.95, 10)
MOST_PROPOSALS = 100
"""Proposals per video, on average, at the right end of the curve."""

_SHARES = np.arange(1, 101) / 100.0
"""Points of the curve, as shares of the proposals that count."""


@dataclass(frozen=True, eq=False)
class ProposalRecall:
    """Recall over the average number of proposals per video.

    Attributes:
        tious: float64 ``[T]``, thresholds.
        proposals: float64 ``[100]``, proposals per video on average (AN): 1 to 100.
        recall: float64 ``[T, 100]``, share of the instances that one of the proposals overlaps enough.
    """

    tious: NDArray[np.float64]
    proposals: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def average(self) -> NDArray[np.float64]:
        """float64 ``[100]``: AR@AN, the mean over thresholds."""
        return self.recall.mean(axis=0)

    @property
    def area_percent(self) -> float:
        """AUC: area under ``average`` from the first to the last point, in percent of the last AN.

        The published normalisation: the curve begins at one proposal, so that even perfect recall gives 99.
        """
        middles = (self.average[1:] + self.average[:-1]) / 2
        return float(100.0 * (middles * np.diff(self.proposals)).sum() / self.proposals[-1])

    def at(self, proposals: int) -> float:
        """AR@AN for one AN from 1 to 100, as a fraction."""
        return float(self.average[proposals - 1])


def compute_proposal_recall(
    truth: GroundTruth, predictions: Predictions, ties: TieRule = "published"
) -> ProposalRecall:
    """Compute AR@AN as ActivityNet's proposal evaluation does.

    Each video gives a share of its proposals, its best ones, that is the same for all videos: videos with many
    proposals may use more than ``AN``, others fewer, and the mean over the videos with instances is ``AN``. Fractions
    of a proposal are cut off. One proposal may detect several instances; labels are not compared.

    Args:
        truth: The instances. Videos without any do not count.
        predictions: All proposals; those in other videos take up their share.
        ties: Order of equal scores: as the published evaluator's sort, or as in the file.
    """
    videos = np.unique(truth.videos)
    kept, counts = _keep_best(predictions, videos, ties)
    total = counts.sum()
    if not total:
        return ProposalRecall(PROPOSAL_TIOUS, _SHARES * MOST_PROPOSALS, np.zeros((len(PROPOSAL_TIOUS), len(_SHARES))))
    shares = _SHARES * (MOST_PROPOSALS * float(len(videos)) / total)
    limits = np.minimum((counts[:, None] * shares).astype(np.int64), counts[:, None])
    first = _find_first_hits(truth, predictions.select(kept), counts)
    limit = limits[np.searchsorted(videos, truth.videos)]
    recall = np.stack([(row[:, None] < limit).mean(axis=0) for row in first])
    return ProposalRecall(PROPOSAL_TIOUS, shares * (total / len(videos)), recall)


def _keep_best(
    predictions: Predictions, videos: NDArray[np.int64], ties: TieRule
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the proposals that can count, video by video, best first, and how many each video has: int64 ``[V]``."""
    share = MOST_PROPOSALS * float(len(videos)) / max(len(predictions), 1)
    rows: list[NDArray[np.int64]] = []
    for video in videos:
        own = np.flatnonzero(predictions.videos == video)
        scores = predictions.scores[own]
        order = np.argsort(-scores, kind="stable") if ties == "stable" else np.argsort(scores)[::-1]
        rows.append(own[order[: min(int(len(own) * share), len(own))]])
    counts = np.array([len(own) for own in rows], np.int64)
    return np.concatenate(rows) if rows else np.zeros(0, np.int64), counts


def _find_first_hits(truth: GroundTruth, kept: Predictions, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank in its video of the best proposal that detects each instance, int64 ``[T, G]``; the largest where none."""
    ranks = np.concatenate([np.arange(count) for count in counts])
    pairs = find_overlapping_pairs(truth, kept, float(PROPOSAL_TIOUS.min()), same_label=False)
    first = np.full((len(PROPOSAL_TIOUS), len(truth)), np.iinfo(np.int64).max)
    for row, threshold in zip(first, PROPOSAL_TIOUS, strict=True):
        close = pairs.tiou >= threshold
        np.minimum.at(row, pairs.instances[close], ranks[pairs.predictions[close]])
    return first
