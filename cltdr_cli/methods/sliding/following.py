"""Segments along a stream of class scores, each as soon as it can no longer change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.nms import Candidates
from cltdr_cli.methods.sliding.config import SlidingConfig
from cltdr_cli.methods.sliding.grouping import to_candidates
from cltdr_cli.methods.sliding.running import Run, RunFinder
from cltdr_cli.timeline import FeatureGrid

_LENGTH_EPSILON = np.float32(1e-6)  # as in inference.nms
_CAUTION = 1e-3
"""A run that is still open counts as a rival down to this much below the threshold; rounding must not decide."""


@dataclass(frozen=True)
class _Candidate:
    """A scored run, and its place in the order of all, which decides among equal scores."""

    run: Run
    place: int

    @property
    def rank(self) -> tuple[float, int]:
        """Smaller is better."""
        return -np.float32(self.run.score), self.place


class SlidingFollower:
    """Finds the segments of ``group_scores`` and hard NMS in scores that come piece by piece.

    A segment is final when its score is known and every run that could suppress it is decided: better ones that
    overlap enough, and open ones that may still become so. An open run that has grown too long for that is no rival.

    Args:
        config: Settings; ``context_seconds`` is given.
        inference: Hard NMS per class.
        grid: Time grid of the steps.
    """

    def __init__(self, config: SlidingConfig, inference: InferenceConfig, grid: FeatureGrid) -> None:
        self._threshold, self._least = inference.iou_threshold, inference.min_score
        steps_per_second = grid.rate / grid.stride_frames
        self._runs = RunFinder(config, config.num_classes, steps_per_second)
        self.delay_seconds = self._runs.context_steps / steps_per_second + config.smoothing_seconds / 2
        self.held_steps = self._runs.held_steps
        self._waiting: dict[int, list[_Candidate]] = {}
        self._kept: dict[int, list[_Candidate]] = {}
        self._count = 0

    def push(self, outputs: Tensor) -> Candidates:
        """Segments that are final now, from the class scores ``[1, N, K]`` of the next steps."""
        return self._decide(self._runs.push(outputs[0].cpu().numpy()))

    def finish(self) -> Candidates:
        """The remaining segments: the stream has ended."""
        return self._decide(self._runs.finish())

    def _decide(self, runs: Iterable[Run]) -> Candidates:
        for run in runs:
            if np.float32(run.score) > self._least:
                self._waiting.setdefault(run.label, []).append(_Candidate(run, self._count))
            self._count += 1
        final: list[_Candidate] = []
        for label in list(self._waiting):
            final += self._decide_label(label)
        return to_candidates([item.run for item in sorted(final, key=lambda item: item.rank)])

    def _decide_label(self, label: int) -> list[_Candidate]:
        """Candidates of a class that are kept from now on; those that stay undecided go on waiting."""
        unsure = list(self._runs.may_change(label))
        kept, final, waiting = self._kept.setdefault(label, []), list[_Candidate](), list[_Candidate]()
        for item in sorted(self._waiting[label], key=lambda item: item.rank):
            if any(self._overlap(item, better) for better in kept):
                continue
            if any(self._overlap(item, better) for better in waiting) or self._has_rival(item.run, unsure):
                waiting.append(item)
                continue
            kept.append(item)
            final.append(item)
        self._forget(label, [*unsure, *(item.run for item in waiting)])
        if waiting:
            self._waiting[label] = waiting
        else:
            del self._waiting[label]
        return final

    def _forget(self, label: int, undecided: Iterable[Run]) -> None:
        """Drop kept segments that lie before everything undecided."""
        first = min((run.first for run in undecided), default=None)
        self._kept[label] = [] if first is None else [item for item in self._kept[label] if item.run.last > first]
        if not self._kept[label]:
            del self._kept[label]

    def _overlap(self, one: _Candidate, other: _Candidate) -> bool:
        """Whether one of two segments suppresses the other; in the arithmetic of ``inference.nms``."""
        return bool(measure_iou(one.run, other.run) >= np.float32(self._threshold))

    def _has_rival(self, run: Run, unsure: Iterable[Run]) -> bool:
        return any(_bound_iou(run, other) >= self._threshold - _CAUTION for other in unsure)


def measure_iou(one: Run, other: Run) -> np.float32:
    """IoU of two runs."""
    inner = np.float32(max(0, min(one.last, other.last) - max(one.first, other.first)))
    lengths = [np.float32(run.last - run.first) + _LENGTH_EPSILON for run in (one, other)]
    return np.float32(inner / (lengths[0] + lengths[1] - inner))


def _bound_iou(run: Run, growing: Run) -> float:
    """The largest IoU that a run can have with one that may still grow at its end."""
    inner = max(0, run.last - max(run.first, growing.first))
    union = max(run.last, growing.last) - min(run.first, growing.first)
    return inner / union
