"""Localization with a network: a feature sequence in, detections in seconds out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cltdr_cli.errors import CltdrError
from cltdr_cli.features.arrangement import arrange_features
from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.nms import Candidates, suppress
from cltdr_cli.segments import Detections, ScoreCurves
from cltdr_cli.timeline import FeatureGrid, FeatureSequence

Decode = Callable[[Any, FeatureGrid], Candidates]
"""Outputs of a network for one video, and its time grid, to candidates in feature steps."""

Suppress = Callable[[Candidates, Any, FeatureGrid], Candidates]
"""Candidates, settings and time grid to those that are left, by falling score."""


def suppress_steps(candidates: Candidates, config: InferenceConfig, grid: FeatureGrid) -> Candidates:
    """NMS and voting in steps, the same on any grid."""
    return suppress(candidates, config)


Trace = Callable[[Any, FeatureGrid], NDArray[np.float32]]
"""Outputs of a network for one video, and its time grid, to class scores along the steps, ``[T, K]``."""


class Localizer(Protocol):
    """Anything that turns features into detections."""

    def __call__(self, sequence: FeatureSequence) -> Detections:
        """Detections by falling score, in seconds within ``[0, duration]``."""
        ...


@dataclass(frozen=True)
class NetworkLocalizer:
    """A network with its decoding and post-processing.

    Attributes:
        network: In evaluation mode, on ``device``; sequences are padded to its ``pad_length(steps)``, if any.
        decode: From its outputs to candidates.
        config: Settings of decoding and NMS.
        device: Where the network runs.
        downsample_rate: Every n-th step is used (published ``downsample_rate``).
        stretch_to_steps: Sequences are stretched to it (published ``force_upsampling``); None leaves them.
        suppress: From candidates to detections.
        trace: From outputs to class scores along the steps; None where the method has none.
    """

    network: nn.Module
    decode: Decode
    config: Any
    device: torch.device
    downsample_rate: int = 1
    stretch_to_steps: int | None = None
    suppress: Suppress = suppress_steps
    trace: Trace | None = None

    def __call__(self, sequence: FeatureSequence) -> Detections:
        """Arrange, pad, run the network, decode, suppress, and convert steps to seconds.

        Raises:
            CltdrError: The network's outputs are not finite; nothing would be above any score then.
        """
        sequence = arrange_features(sequence, self.downsample_rate, self.stretch_to_steps)
        features = torch.from_numpy(np.ascontiguousarray(sequence.features, np.float32)).to(self.device)
        outputs = self.run(features)
        if not is_finite(outputs):
            raise _explain_broken_outputs(sequence)
        found = self.suppress(self.decode(outputs, sequence.grid), self.config, sequence.grid)
        detections = to_seconds(found, sequence.grid, sequence.duration_seconds)
        return self._add_curves(detections, outputs, sequence.grid)

    def find_candidates(self, features: Tensor, grid: FeatureGrid) -> Candidates:
        """Features ``[T, C]`` -> candidates in feature steps, before suppression."""
        return self.decode(self.run(features), grid)

    def run(self, features: Tensor) -> Any:
        """Features ``[T, C]`` -> the network's outputs for a batch of one."""
        with torch.inference_mode():
            return self.network(*self.pad(features))

    def _add_curves(self, detections: Detections, outputs: Any, grid: FeatureGrid) -> Detections:
        """The detections with the scores of their classes along the video, where the method has such."""
        if self.trace is None or not len(detections):
            return detections
        labels = np.unique(detections.labels)
        scores = self.trace(outputs, grid)[:, labels]
        return replace(detections, curves=ScoreCurves(grid.to_seconds(np.arange(len(scores))), scores, labels))

    def pad(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[T, C]`` as a batch of one ``[1, T, C]``, and the mask ``[1, padded]``, true on real steps.

        The padding itself is left to the network: copying the features of a long video would double its memory.
        """
        steps = features.shape[0]
        pad_length: Callable[[int], int] | None = getattr(self.network, "pad_length", None)
        length = steps if pad_length is None else pad_length(steps)
        return features[None], torch.arange(length, device=features.device)[None] < steps


def is_finite(outputs: Any) -> bool:
    """Whether no tensor in a network's outputs holds NaN or infinity; dataclasses and sequences are looked into."""
    if isinstance(outputs, Tensor):
        return not outputs.is_floating_point() or bool(outputs.isfinite().all())
    if is_dataclass(outputs):
        return all(map(is_finite, vars(outputs).values()))
    return all(map(is_finite, cast("Sequence[Any]", outputs))) if isinstance(outputs, (tuple, list)) else True


def _explain_broken_outputs(sequence: FeatureSequence) -> CltdrError:
    largest = float(np.abs(sequence.features).max())
    return CltdrError(
        f"{sequence.video_id}: the network's scores are not finite, so nothing can be detected (the greatest of the "
        f"features is {largest:.3g})",
        "Were these features made by the extractor that the network was trained on, on the same scale? "
        "`cltdr features check` examines a folder of them.",
    )


def to_seconds(candidates: Candidates, grid: FeatureGrid, duration_seconds: float) -> Detections:
    """Segments in steps -> detections in seconds, clamped to ``[0, duration]`` (after NMS, as published)."""
    seconds = np.clip(grid.to_seconds(candidates.segments), 0, duration_seconds)
    return Detections(seconds, candidates.scores, candidates.labels)
