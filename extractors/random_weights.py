"""Weights of whole networks from a seed, in the published layouts: to measure speed, which needs no training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from extractors.catalog import EXTRACTORS

Shapes = Mapping[str, Sequence[int]]


def draw_weights(name: str, seed: int = 0, device: str = "cpu") -> list[dict[str, Tensor]]:
    """State dicts that ``extractors.build`` takes for an extractor: He-normal weights, norms that change nothing.

    Args:
        name: Key of ``EXTRACTORS``.
        seed: Of the weights.
        device: ``cpu``, or ``meta`` for tensors without content.

    Raises:
        ValueError: Its published layout is not known here.
    """
    draw = torch.Generator().manual_seed(seed)
    with torch.device(device):
        return [{key: _draw(key, shape, draw) for key, shape in shapes.items()} for shapes in _list_layouts(name)]


def _list_layouts(name: str) -> list[Shapes]:
    if name.startswith("i3d"):
        modality = EXTRACTORS[name].spec.modality
        return [list_i3d_shapes({"rgb": 3, "flow": 2}[stream]) for stream in modality.split("+")]
    if name.startswith("videomae"):
        return [list_videomae_shapes(name.rpartition("-")[2])]
    if name.startswith("movinet"):
        from extractors.movinet import list_movinet_shapes, split_name

        return [list_movinet_shapes(*split_name(name))]
    if name == "demo":
        from extractors.demo import DemoNetwork

        return [{key: tuple(value.shape) for key, value in DemoNetwork().state_dict().items()}]
    raise ValueError(f"no random weights are made for {name}; for i3d, i3d-…, videomae…-…, movinet-… and demo they are")


def list_i3d_shapes(channels: int, classes: int = 400) -> Shapes:
    """Shape by key of one I3D stream in the piergiaj port's layout."""
    from extractors.i3d import HEADS, NORM_TENSORS, NORMS, WIDTH, InceptionI3D, list_official_names

    with torch.device("meta"):
        network = InceptionI3D(channels)
    shapes: dict[str, Sequence[int]] = {}
    for ours, theirs in list_official_names("piergiaj").items():
        weight = network.get_parameter(f"{ours}.weight")
        shapes[f"{theirs}.conv3d.weight"] = tuple(weight.shape)
        shapes |= {f"{theirs}.{NORMS['piergiaj'][0]}.{part}": (len(weight),) for part in NORM_TENSORS}
    head = HEADS["piergiaj"]
    return {**shapes, f"{head}.weight": (classes, WIDTH, 1, 1, 1), f"{head}.bias": (classes,)}


def list_videomae_shapes(size_name: str, classes: int = 400) -> Shapes:
    """Shape by key of a VideoMAE network in its authors' layout."""
    from extractors.videomae import SIZES, TUBELET_FRAMES

    size = SIZES[size_name]
    width, mlp, patch = size.width, size.mlp, size.patch
    block: dict[str, Sequence[int]] = {
        "norm1.weight": (width,), "norm1.bias": (width,), "norm2.weight": (width,), "norm2.bias": (width,),
        "attn.q_bias": (width,), "attn.v_bias": (width,), "attn.qkv.weight": (3 * width, width),
        "attn.proj.weight": (width, width), "attn.proj.bias": (width,),
        "mlp.fc1.weight": (mlp, width), "mlp.fc1.bias": (mlp,),
        "mlp.fc2.weight": (width, mlp), "mlp.fc2.bias": (width,),
    }  # fmt: skip
    around: dict[str, Sequence[int]] = {
        "patch_embed.proj.weight": (width, 3, TUBELET_FRAMES, patch, patch), "patch_embed.proj.bias": (width,),
        "fc_norm.weight": (width,), "fc_norm.bias": (width,),
        "head.weight": (classes, width), "head.bias": (classes,),
    }  # fmt: skip
    blocks = {f"blocks.{layer}.{key}": shape for layer in range(size.depth) for key, shape in block.items()}
    return {**around, **blocks}


def _draw(key: str, shape: Sequence[int], draw: torch.Generator) -> Tensor:
    if torch.get_default_device().type == "meta":
        return torch.empty(tuple(shape))
    if len(shape) > 1:
        return torch.randn(tuple(shape), generator=draw) * math.sqrt(2 / math.prod(shape[1:]))
    is_scale = key.endswith(("weight", "running_var", "alpha"))
    return torch.ones(tuple(shape)) if is_scale else torch.zeros(tuple(shape))
