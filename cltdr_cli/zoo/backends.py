"""What runs an extractor where the choice is left open: OpenVINO where it pays and is exact enough, else PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from cltdr_cli.zoo.extractors import ModelSources
    from extractors.frozen import FrozenExtractor
    from extractors.openvino_backend import OpenVinoExtractor
    from extractors.spec import Extractor, ExtractorSpec

LARGEST_DIFFERENCE = 1e-3
"""Between the features of both, relative: norm of the difference over that of PyTorch's features."""

FEWEST_PARAMETERS = 5_000_000
"""Smaller networks are done before PyTorch has exported them and OpenVINO compiled them. A causal network is not
exported, and compiled in half a second."""

COMPARED_FRAMES = 8
"""Of a causal network, one after the other; as many as go through it together."""


def explain_torch(spec: ExtractorSpec, sources: ModelSources) -> str:
    """Why PyTorch runs an extractor, in words; empty where OpenVINO is worth trying.

    Args:
        spec: The extractor.
        sources: Device, precision, and whether PyTorch is to compile the network.
    """
    reasons = {
        f"the device is {sources.device}": str(sources.device).partition(":")[0] != "cpu",
        f"OpenVINO does not compute in {sources.precision}": sources.precision != "fp32",
        "the network is to be compiled": sources.compiled,
        "the network is small": not spec.causal and spec.parameters < FEWEST_PARAMETERS,
        "OpenVINO is not installed": find_spec("openvino") is None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def measure_difference(extractor: OpenVinoExtractor) -> float:
    """How far OpenVINO's features are from PyTorch's on one clip of blocky noise; see ``LARGEST_DIFFERENCE``."""
    import torch

    spec = extractor.spec
    draw = torch.Generator().manual_seed(0)
    count = COMPARED_FRAMES if spec.causal else spec.window_frames
    coarse = torch.randint(0, 256, (count, 16, 20, spec.channels), dtype=torch.uint8, generator=draw)
    frames = extractor.prepare(coarse.repeat_interleave(16, 1).repeat_interleave(16, 2))
    exact = _encode(_run_on_torch(extractor), frames)
    return float((_encode(extractor, frames) - exact).norm() / exact.norm())


def _run_on_torch(extractor: OpenVinoExtractor) -> FrozenExtractor:
    from extractors.frozen import FrozenExtractor
    from extractors.streaming import FrozenStream

    kind = FrozenStream if extractor.spec.causal else FrozenExtractor
    return kind(extractor.spec, extractor.network, None, extractor.device)


def _encode(extractor: Extractor, frames: Tensor) -> Tensor:
    """Features ``[N, width]`` of prepared frames ``[F, C, S, S]``: of the clip that they are, or one of each."""
    from extractors.spec import StreamExtractor

    if isinstance(extractor, StreamExtractor):
        return extractor.start_run().encode(frames)
    return extractor.encode(frames[None])
