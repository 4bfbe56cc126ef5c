"""How much arithmetic one clip costs: multiplications and additions of products and convolutions."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from extractors import EXTRACTORS, build
from extractors.random_weights import draw_weights


def count_flops_per_clip(name: str, window_frames: int | None = None) -> int:
    """Floating-point operations of one clip, a multiplication and an addition counting as two.

    Counted on tensors without content, so that the largest network takes a moment and no memory.

    Args:
        name: Key of ``EXTRACTORS``.
        window_frames: Frames of a clip; None for the extractor's usual ones.

    Raises:
        ValueError: No random weights are made for this extractor.
    """
    spec = EXTRACTORS[name].spec
    height, width = spec.prepared_size or (spec.crop or 224,) * 2
    place = "cpu" if name == "demo" else "meta"  # the demo's weights are copied, and there are few
    extractor = build(name, draw_weights(name, device=place), device=place)
    clip = torch.empty(1, window_frames or spec.window_frames, spec.channels, height, width, device=place)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        extractor.encode(clip) if spec.causal else extractor.network(clip)
    return counter.get_total_flops()
