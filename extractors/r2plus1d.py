"""R(2+1)D-34 as TSP trained it, on the blocks of ``torchvision``.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition" (CVPR 2018); Alwassel et al.,
"TSP" (ICCV workshops 2021). The weights descend from the authors' Caffe2 model (VMZ, trained on IG-65M), which
differs from torchvision's in two ways: the second convolution of a stage's first block counts its middle channels
from its own input, and batch norm has an epsilon of 1e-3. The network is for inference only, so each batch norm is
folded into its convolution when the weights are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from extractors.folding import fold_all_rows
from extractors.spec import ExtractorSpec
from extractors.state_dict import StateDictError, check_fit, list_keys, require_one, unwrap

WIDTH = 512
DEPTHS = (3, 4, 6, 3)
"""Blocks of each stage."""
EPSILON = 1e-3
"""Of batch norm; it stands in no file."""
STEM = "stem.0.weight"


class PooledR2Plus1D(nn.Module):
    """The network up to its average pool, on clips with time before channels."""

    def __init__(self, network: VideoResNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, T, 3, S, S]`` to features ``[B, 512]``, the mean over time and space."""
        clips = clips.transpose(1, 2).contiguous(memory_format=torch.channels_last_3d)
        return self.network(clips)


def build_video_resnet(depths: Sequence[int] = DEPTHS, *, as_in_vmz: bool = True) -> VideoResNet:
    """R(2+1)D without classifier: clips ``[B, 3, T, S, S]`` to features ``[B, 512]``.

    Args:
        depths: Blocks of each of the four stages.
        as_in_vmz: Middle channels and epsilon of the authors' model; False for those of torchvision.
    """
    network = VideoResNet(BasicBlock, [Conv2Plus1D] * 4, list(depths), R2Plus1dStem)
    network.register_module("fc", nn.Identity())
    if as_in_vmz:
        for layer, planes in (("layer2", 128), ("layer3", 256), ("layer4", 512)):
            convolution = Conv2Plus1D(planes, planes, count_middle_channels(planes, planes))
            network.get_submodule(f"{layer}.0.conv2").register_module("0", convolution)
        for norm in (part for part in network.modules() if isinstance(part, nn.BatchNorm3d)):
            norm.eps = EPSILON
    return network


def count_middle_channels(inputs: int, outputs: int) -> int:
    """Channels between the 1×3×3 and the 3×1×1 convolution that give both the weights of one 3×3×3 convolution."""
    return (inputs * outputs * 27) // (inputs * 9 + outputs * 3)


def select_backbone_tensors(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """The backbone's tensors under torchvision's keys: no classifiers, no batch counters, no common prefix.

    Raises:
        StateDictError: They are of another network.
    """
    given = unwrap(state_dict)
    prefixes = [key.removesuffix(STEM) for key in given if key.endswith(STEM)]
    if len(prefixes) != 1:
        raise StateDictError(f"the weights are of no R(2+1)D; their keys are {list_keys(given)}")
    return {
        key.removeprefix(prefixes[0]): value
        for key, value in given.items()
        if not key.endswith("num_batches_tracked") and not any(part.startswith("fc") for part in key.split("."))
    }


def load_r2plus1d(state_dict: Mapping[str, Any], depths: Sequence[int] = DEPTHS) -> PooledR2Plus1D:
    """The network from the weights of TSP's release, batch norms folded.

    Args:
        state_dict: Tensors, bare or under ``model``; classifiers (``fc…``) are left out.
        depths: Blocks of each stage.

    Raises:
        StateDictError: Keys are missing or left over, or shapes differ.
    """
    given = select_backbone_tensors(state_dict)
    with torch.device("meta"):
        network = build_video_resnet(depths)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items() if "num_batches" not in key}
    check_fit(shapes, given, f"R(2+1)D-{2 * sum(depths) + 2}")
    network.load_state_dict(given, strict=False, assign=True)
    fold_all_rows(network)
    return PooledR2Plus1D(network.to(memory_format=torch.channels_last_3d))


def build_r2plus1d(spec: ExtractorSpec, state_dicts: Sequence[Mapping[str, Any]]) -> tuple[nn.Module, None]:
    """The network of ``r2plus1d-tsp``; its classifiers need a global feature of the video and are left out.

    Raises:
        StateDictError: The weights do not fit, or there is more than one state dict.
    """
    return load_r2plus1d(require_one(state_dicts, spec.name), DEPTHS), None
