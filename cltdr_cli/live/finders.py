"""From features that come piece by piece to segments that are final: step by step, or in overlapping ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cltdr_cli.inference.localize import Localizer
from cltdr_cli.inference.nms import Candidates
from cltdr_cli.live.clock import FrameClock
from cltdr_cli.methods.record import Follower
from cltdr_cli.segments import Detections
from cltdr_cli.timeline import FeatureGrid, FeatureSequence

SAME_IOU, SAME_SCORE = 0.55, 0.5
"""A segment was told before if one of its class was that overlaps so much, with this share of its score at least."""


class Finder(Protocol):
    """Finds segments in features that come piece by piece.

    Attributes:
        delay_seconds: How long after its end a segment becomes final, or a little longer.
        held_steps: So many of the last steps must keep their times.
    """

    delay_seconds: float
    held_steps: int

    def push(self, features: NDArray[np.float32], clock: FrameClock, end_seconds: float) -> Detections:
        """Segments that are final now, from the features ``[N, C]`` of the next steps.

        Args:
            features: Of the next steps.
            clock: Knows the times of all frames so far.
            end_seconds: Where the last frame ends; segments are clamped to it.
        """
        ...

    def finish(self, clock: FrameClock, end_seconds: float) -> Detections:
        """The remaining segments: nothing follows."""
        ...


class StepFinder:
    """Runs the network on the new steps alone, and follows its outputs.

    Args:
        network: Looks at every step by itself.
        follower: Finds segments in its outputs.
        device: Where the network runs.
        stride_frames: Frames between two steps.
        window_frames: Frames that one step looks at.
    """

    def __init__(
        self,
        network: nn.Module,
        follower: Follower,
        device: torch.device,
        stride_frames: int,
        window_frames: int,
    ) -> None:
        self._network, self._follower, self._device = network, follower, device
        self._stride, self._window = stride_frames, window_frames
        self.held_steps, self.delay_seconds = follower.held_steps, follower.delay_seconds

    def push(self, features: NDArray[np.float32], clock: FrameClock, end_seconds: float) -> Detections:
        """Segments that are final now."""
        with torch.inference_mode():
            steps = torch.from_numpy(features)[None].to(self._device)
            outputs = self._network(steps, torch.ones(steps.shape[:2], dtype=torch.bool, device=self._device))
        return self._to_seconds(self._follower.push(outputs), clock, end_seconds)

    def finish(self, clock: FrameClock, end_seconds: float) -> Detections:
        """The remaining segments."""
        return self._to_seconds(self._follower.finish(), clock, end_seconds)

    def _to_seconds(self, found: Candidates, clock: FrameClock, end_seconds: float) -> Detections:
        if not len(found):
            return Detections.empty()
        first = clock.oldest(self._stride)
        grid = clock.place(first, self._stride, self._window)
        seconds = grid.to_seconds(found.segments.astype(np.float64) - first / self._stride)
        return Detections(np.clip(seconds, 0, end_seconds), found.scores, found.labels)


class RangeFinder:
    """Runs a localizer on the last steps again and again, and hands its segments over from one range to the next.

    A segment is told by the first range in which its end lies at least ``margin_steps`` before the range's own end,
    so that the localizer saw what comes after it. Boundaries move a little from range to range; a segment that
    moves over this border is neither lost nor told twice: what ends shortly before it and was not told is told
    later, and what was told is known again by its overlap.

    Args:
        localizer: Finds segments in features of any length.
        range_steps: Length of a range.
        hop_steps: New steps from one range to the next.
        margin_steps: Steps between the end of a segment and the end of the range that tells it.
        stride_frames: Frames between two steps.
        window_frames: Frames that one step looks at.
        steps_per_second: Nominal.
    """

    def __init__(
        self,
        localizer: Localizer,
        *,
        range_steps: int,
        hop_steps: int,
        margin_steps: int,
        stride_frames: int,
        window_frames: int,
        steps_per_second: float,
    ) -> None:
        self._localizer, self.held_steps = localizer, range_steps
        self._hop, self._margin, self._stride, self._window = hop_steps, margin_steps, stride_frames, window_frames
        self.delay_seconds = (margin_steps + hop_steps) / steps_per_second
        self._features = np.zeros((0, 0), np.float32)
        self._beyond = 0  # the step after the last
        self._next = hop_steps  # the step at which the localizer runs again
        self._border_seconds = -math.inf  # what ends before it has been told
        self._told = Detections.empty()

    def push(self, features: NDArray[np.float32], clock: FrameClock, end_seconds: float) -> Detections:
        """Segments that are final now."""
        found: list[Detections] = []
        while len(features):
            new, features = np.split(features, [self._next - self._beyond])
            self._add(new)
            if self._beyond == self._next:
                self._next += self._hop
                if len(self._features) > self._margin:
                    border = float(self._place(clock).to_seconds(len(self._features) - self._margin))
                    found.append(self._tell(clock, end_seconds, border))
        return join_detections(found)

    def finish(self, clock: FrameClock, end_seconds: float) -> Detections:
        """The remaining segments."""
        return self._tell(clock, end_seconds, math.inf) if len(self._features) else Detections.empty()

    def _add(self, features: NDArray[np.float32]) -> None:
        held = np.concatenate([self._features.reshape(-1, features.shape[1]), features])
        self._features = held[-self.held_steps :]
        self._beyond += len(features)

    def _place(self, clock: FrameClock) -> FeatureGrid:
        first = self._beyond - len(self._features)
        return clock.place(first * self._stride, self._stride, self._window)

    def _tell(self, clock: FrameClock, end_seconds: float, border_seconds: float) -> Detections:
        """Segments of the last range that end before a border and were not told before."""
        hop_seconds = self._hop * self._stride / clock.rate
        found = self._localizer(FeatureSequence(self._features, self._place(clock), end_seconds, "live"))
        ends = found.segments_seconds[:, 1]
        found = found.selected((ends > self._border_seconds - hop_seconds / 2) & (ends <= border_seconds))
        found = found.selected(~_find_known(found, self._told))
        told = join_detections([self._told, found])
        self._told = told.selected(told.segments_seconds[:, 1] > border_seconds - hop_seconds)
        self._border_seconds = border_seconds
        return found


def join_detections(parts: Sequence[Detections]) -> Detections:
    """Several one after the other, without curves."""
    parts = [Detections.empty(), *parts]
    return Detections(
        np.concatenate([part.segments_seconds for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _find_known(found: Detections, told: Detections) -> NDArray[np.bool_]:
    """Which of ``N`` segments were told before, ``[N]``."""
    start, end = (found.segments_seconds[:, None, side] for side in (0, 1))
    begun, ended = (told.segments_seconds[None, :, side] for side in (0, 1))
    inner = np.minimum(end, ended) - np.maximum(start, begun)
    union = np.maximum(end, ended) - np.minimum(start, begun)
    same = (inner >= SAME_IOU * union) & (found.labels[:, None] == told.labels)
    same &= told.scores >= SAME_SCORE * found.scores[:, None]
    return same.any(1)
