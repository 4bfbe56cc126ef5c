"""Weights of whole networks from seeds alone, in the published layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from golden.seeded import seeded_tensor
from torch import Tensor

from extractors.demo import DemoNetwork
from extractors.videomae import VitSize

GOLDEN = Path(__file__).parent / "golden" / "extractors"


def seeded_i3d(layout: str) -> dict[str, Tensor]:
    shapes = json.loads((GOLDEN / "i3d_state_dict_shapes.json").read_text())[layout]
    return {key: torch.from_numpy(np.asarray(seeded_tensor(key, tuple(shape)))) for key, shape in shapes.items()}


def seeded_vit(size: VitSize, device: str = "cpu", classes: int = 5) -> dict[str, Tensor]:
    """Weights of a whole network in the layout of the VideoMAE v2 release."""
    width, mlp, patch = size.width, size.mlp, size.patch
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (width, 3, 2, patch, patch),
        "patch_embed.proj.bias": (width,),
        "fc_norm.weight": (width,),
        "fc_norm.bias": (width,),
        "head.weight": (classes, width),
        "head.bias": (classes,),
    }
    block = {"attn.q_bias": (width,), "attn.v_bias": (width,), "attn.qkv.weight": (3 * width, width)}
    block |= {"attn.proj.weight": (width, width), "attn.proj.bias": (width,)}
    block |= {f"norm{i}.{part}": (width,) for i in (1, 2) for part in ("weight", "bias")}
    block |= {"mlp.fc1.weight": (mlp, width), "mlp.fc1.bias": (mlp,)}
    block |= {"mlp.fc2.weight": (width, mlp), "mlp.fc2.bias": (width,)}
    for layer in range(size.depth):
        shapes |= {f"blocks.{layer}.{key}": shape for key, shape in block.items()}
    if device == "meta":
        return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    weights = {key: torch.from_numpy(np.asarray(seeded_tensor(key, shape))) for key, shape in shapes.items()}
    return {
        key: value + 1 if "norm" in key and key.endswith("weight") else value for key, value in weights.items()
    }


def seeded_demo() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = DemoNetwork()
    network.train()
    for _ in range(3):
        network(torch.randn(2, 16, 3, 64, 64))
    return {key: value.clone() for key, value in network.state_dict().items()}


TINY = VitSize(48, 2, 3, 96)
