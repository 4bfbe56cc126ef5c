"""What runs an extractor where the choice is left open: OpenVINO where it pays and is exact enough, else PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltdr_cli.zoo.extractors import ModelSources
    from extractors.openvino_backend import OpenVinoExtractor
    from extractors.spec import ExtractorSpec

LARGEST_DIFFERENCE = 1e-3
"""Between the features of both, relative: norm of the difference over that of PyTorch's features."""

FEWEST_PARAMETERS = 5_000_000
"""Smaller networks are done before OpenVINO has compiled them."""


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
        "its state goes from frame to frame": spec.causal,
        "the network is small": spec.parameters < FEWEST_PARAMETERS,
        "OpenVINO is not installed": find_spec("openvino") is None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def measure_difference(extractor: OpenVinoExtractor) -> float:
    """How far OpenVINO's features are from PyTorch's on one clip of blocky noise; see ``LARGEST_DIFFERENCE``."""
    import torch

    from extractors.frozen import FrozenExtractor

    spec = extractor.spec
    draw = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (spec.window_frames, 16, 20, spec.channels), dtype=torch.uint8, generator=draw)
    clip = extractor.prepare(coarse.repeat_interleave(16, 1).repeat_interleave(16, 2))[None]
    exact = FrozenExtractor(spec, extractor.network, None, extractor.device).encode(clip)
    return float((extractor.encode(clip) - exact).norm() / exact.norm())
