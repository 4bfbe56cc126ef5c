"""The localizer at work: a feature sequence in, detections in seconds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.decode import decode
from cltdr_cli.inference.nms import Candidates, suppress
from cltdr_cli.models.cltdr import Cltdr
from cltdr_cli.segments import Detections
from cltdr_cli.timeline import FeatureGrid, FeatureSequence


class Localizer(Protocol):
    """Anything that turns features into detections."""

    def __call__(self, sequence: FeatureSequence) -> Detections:
        """Detections by falling score, in seconds within ``[0, duration]``."""
        ...


@dataclass(frozen=True)
class CltdrLocalizer:
    """A CLTDR-GMG network with its post-processing.

    Attributes:
        model: In evaluation mode, on ``device``.
        config: Score filter, NMS and the like.
        device: Where the network runs.
        downsample_rate: Every n-th step is used (published ``downsample_rate``).
        force_upsampling: Sequences are stretched to ``max_seq_len`` by linear interpolation (published key).
    """

    model: Cltdr
    config: InferenceConfig
    device: torch.device
    downsample_rate: int = 1
    force_upsampling: bool = False

    def __call__(self, sequence: FeatureSequence) -> Detections:
        """Pad, run the network, decode, suppress, and convert steps to seconds."""
        features, grid = self._arranged(sequence)
        candidates = self.candidates(features)
        return to_seconds(suppress(candidates, self.config), grid, sequence.duration_seconds)

    def candidates(self, features: torch.Tensor) -> Candidates:
        """Features ``[T, C]`` -> candidates in feature steps, before suppression."""
        with torch.inference_mode():
            return decode(self.model(*self.padded(features)), self.config)

    def padded(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features ``[T, C]`` as a batch of one ``[1, padded, C]``, and its mask, true on real steps."""
        steps = features.shape[0]
        padded = features.new_zeros(1, self.model.pad_length(steps), features.shape[1])
        padded[0, :steps] = features
        return padded, torch.arange(padded.shape[1], device=self.device)[None] < steps

    def _arranged(self, sequence: FeatureSequence) -> tuple[torch.Tensor, FeatureGrid]:
        features = torch.from_numpy(np.ascontiguousarray(sequence.features, np.float32)).to(self.device)
        grid = sequence.grid
        if self.downsample_rate > 1:
            features, grid = features[:: self.downsample_rate], grid.strided(self.downsample_rate)
        if self.force_upsampling:
            target = self.model.config.max_seq_len
            grid = grid.stretched(len(features), target)
            features = torch.nn.functional.interpolate(features.T[None], target, mode="linear")[0].T.contiguous()
        return features, grid


def to_seconds(candidates: Candidates, grid: FeatureGrid, duration_seconds: float) -> Detections:
    """Segments in steps -> detections in seconds, clamped to ``[0, duration]`` (after NMS, as published)."""
    seconds = np.clip(grid.to_seconds(candidates.segments), 0, duration_seconds)
    return Detections(seconds, candidates.scores, candidates.labels)
