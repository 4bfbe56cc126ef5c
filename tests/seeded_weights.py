"""Weights of whole networks from seeds alone, in the published layouts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from golden.seeded import seeded_tensor
from torch import Tensor

from extractors.demo import DemoNetwork
from extractors.r2plus1d import build_video_resnet
from extractors.random_weights import draw_weights
from extractors.slowfast import DEPTHS as SLOWFAST_DEPTHS
from extractors.slowfast import SlowFast
from extractors.slowfast_weights import list_published_keys
from extractors.videomae import VitSize

GOLDEN = Path(__file__).parent / "golden" / "extractors"


def seeded_i3d(layout: str) -> dict[str, Tensor]:
    shapes = json.loads((GOLDEN / "i3d_state_dict_shapes.json").read_text())[layout]
    return {key: torch.from_numpy(np.asarray(seeded_tensor(key, tuple(shape)))) for key, shape in shapes.items()}


def write_lively_movinet(folder: Path) -> Path:
    """MoViNet-A0 with random weights whose class scores change from frame to frame: there is something to find."""
    tensors = draw_weights("movinet-a0-stream")[0]
    tensors["classifier.3.conv_1.conv2d.weight"] *= 300
    path = folder / "a0.pt"
    torch.save(tensors, path)
    return path


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
    return {key: value + 1 if "norm" in key and key.endswith("weight") else value for key, value in weights.items()}


def seeded_part(key: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of a network whose norms are not told by their names: vectors called weight are scales near 1."""
    value = torch.from_numpy(np.asarray(seeded_tensor(key, shape)))
    return value + 1 if len(shape) == 1 and key.endswith("weight") else value


def seeded_r2plus1d(depths: Sequence[int]) -> dict[str, Tensor]:
    """Weights in the layout of TSP's release, with the two classifiers it carries."""
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in build_video_resnet(depths).state_dict().items()}
    shapes |= {"fc1.weight": (200, 512), "fc1.bias": (200,), "fc2.weight": (2, 1024), "fc2.bias": (2,)}
    return {key: seeded_part(key, shape) for key, shape in shapes.items()}


def seeded_slowfast(layout: str, depths: Sequence[int] = SLOWFAST_DEPTHS, classes: int = 400) -> dict[str, Tensor]:
    """The same weights in either layout, seeded by the keys of pytorchvideo."""
    with torch.device("meta"):
        network = SlowFast(depths)
    ours = network.state_dict()
    seeds, keys = (list_published_keys(network, name, depths) for name in ("pytorchvideo", layout))
    weights = {keys[key]: seeded_part(seeds[key], tuple(ours[key].shape)) for key in keys}
    head = "blocks.6.proj" if layout == "pytorchvideo" else "head.projection"
    weights[f"{head}.weight"] = seeded_part("blocks.6.proj.weight", (classes, 2304))
    weights[f"{head}.bias"] = seeded_part("blocks.6.proj.bias", (classes,))
    return weights


def seeded_demo() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = DemoNetwork()
    network.train()
    for _ in range(3):
        network(torch.randn(2, 16, 3, 64, 64))
    return {key: value.clone() for key, value in network.state_dict().items()}


TINY = VitSize(48, 2, 3, 96)
