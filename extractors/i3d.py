"""Inception-I3D, RGB and flow.

Carreira & Zisserman, "Quo Vadis, Action Recognition?" (CVPR 2017), figure 3: Inception-v1 with every filter
inflated to three dimensions, TensorFlow "SAME" padding, batch norm before each ReLU. Two ports to PyTorch are
published, with their own key names and batch-norm epsilons; both load here. The network is for inference only, so
each batch norm is folded into its convolution when the weights are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from extractors.spec import ExtractorSpec
from extractors.state_dict import StateDictError, check_fit, list_keys, unwrap

WIDTH = 1024

MIXED = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}
"""Channels of each Inception block: in; single; reduce and 3x3x3 of two branches; after the pool."""

PORTS = ("piergiaj", "hassony2")
HEADS = {"piergiaj": "logits.conv3d", "hassony2": "conv3d_0c_1x1.conv3d"}
NORMS = {"piergiaj": ("bn", 1e-3), "hassony2": ("batch3d", 1e-5)}
"""Name of the batch norm and its epsilon, by port; the epsilon stands in no file."""
NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")

BRANCHES = {
    "single": ("b0", "branch_0"),
    "reduce_wide": ("b1a", "branch_1.0"),
    "wide": ("b1b", "branch_1.1"),
    "reduce_narrow": ("b2a", "branch_2.0"),
    "narrow": ("b2b", "branch_2.1"),
    "pooled": ("b3b", "branch_3.1"),
}
"""Our name of each convolution in an Inception block, and its name in the two ports."""


def list_official_names(port: str) -> dict[str, str]:
    """Our convolution names to those of a port: ``piergiaj`` or ``hassony2``."""
    which = PORTS.index(port)
    names = {f"conv_{name}": f"{('Conv3d', 'conv3d')[which]}_{name}" for name in ("1a_7x7", "2b_1x1", "2c_3x3")}
    for block in MIXED:
        prefix = f"{('Mixed', 'mixed')[which]}_{block}"
        names |= {f"mixed_{block}.{ours}": f"{prefix}.{both[which]}" for ours, both in BRANCHES.items()}
    return names


class SameConv3d(nn.Conv3d):
    """Convolution with its batch norm folded in, "SAME" padding, and ReLU; one stride for all axes."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2 if stride == 1 else 0)

    def forward(self, input: Tensor) -> Tensor:
        """``[B, C, T, H, W]`` to ``[B, outputs, ⌈T/stride⌉, ⌈H/stride⌉, ⌈W/stride⌉]``."""
        if self.stride[0] > 1:
            input = functional.pad(input, choose_same_padding(input.shape[2:], self.kernel_size, self.stride))
        return functional.relu_(super().forward(input))


def choose_same_padding(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[int]:
    """TensorFlow's "SAME" zeros in the order of ``torch.nn.functional.pad``; the odd one goes to the end."""
    padding: list[int] = []
    for length, width, step in reversed(list(zip(size, kernel, stride, strict=True))):
        total = max(width - (length % step or step), 0)
        padding += [total // 2, total - total // 2]
    return padding


def pool_max_same(pixels: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Max pooling with "SAME" padding of inputs that are never negative, without a padded copy.

    After a ReLU, the zeros of the padding never exceed what is inside a window, so it makes no difference that
    PyTorch pads with −∞; the odd padding at the end is what ``ceil_mode`` does.
    """
    padding = choose_same_padding(pixels.shape[2:], kernel, stride)
    front = (padding[4], padding[2], padding[0])
    return functional.max_pool3d(pixels, kernel, stride, front, ceil_mode=True)


def take_neighbour_max(pixels: Tensor) -> Tensor:
    """Maximum over 3×3×3 neighbours at stride 1, axis by axis: a third of the time of ``max_pool3d`` on a CPU.

    A graph that is exported to another runtime gets the plain pool, which that runtime knows as one operation.
    """
    if torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling():
        return functional.max_pool3d(pixels, 3, 1, 1)
    for axis in (2, 3, 4):
        length = pixels.shape[axis] - 1
        if length:
            widened = pixels.clone()
            for to, source in ((0, 1), (1, 0)):
                part = widened.narrow(axis, to, length)
                torch.maximum(part, pixels.narrow(axis, source, length), out=part)
            pixels = widened
    return pixels


class InceptionBlock(nn.Module):
    """Four branches over the same input, concatenated: 1×1×1; 1×1×1 then 3×3×3, twice; 3×3×3 max then 1×1×1."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        inputs, single, reduce_wide, wide, reduce_narrow, narrow, pooled = channels
        self.single = SameConv3d(inputs, single, 1)
        self.reduce_wide = SameConv3d(inputs, reduce_wide, 1)
        self.wide = SameConv3d(reduce_wide, wide, 3)
        self.reduce_narrow = SameConv3d(inputs, reduce_narrow, 1)
        self.narrow = SameConv3d(reduce_narrow, narrow, 3)
        self.pooled = SameConv3d(inputs, pooled, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """``[B, inputs, T, H, W]`` to ``[B, outputs, T, H, W]``."""
        wide, narrow = self.wide(self.reduce_wide(pixels)), self.narrow(self.reduce_narrow(pixels))
        return torch.cat([self.single(pixels), wide, narrow, self.pooled(take_neighbour_max(pixels))], dim=1)


class InceptionI3D(nn.Module):
    """One stream of I3D up to the average pool; the classifier is a linear layer of its own.

    Args:
        channels: 3 for RGB, 2 for flow.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_1a_7x7 = SameConv3d(channels, 64, 7, stride=2)
        self.conv_2b_1x1 = SameConv3d(64, 64, 1)
        self.conv_2c_3x3 = SameConv3d(64, 192, 3)
        for name, widths in MIXED.items():
            self.add_module(f"mixed_{name}", InceptionBlock(widths))

    def blocks(self, names: str, pixels: Tensor) -> Tensor:
        """The Inception blocks of these names, one after the other."""
        for name in names.split():
            pixels = self.get_submodule(f"mixed_{name}")(pixels)
        return pixels

    def early(self, clips: Tensor) -> Tensor:
        """Clips ``[B, C, T, 224, 224]`` to ``[B, 480, ⌈T/2⌉, 28, 28]``."""
        pixels = pool_max_same(self.conv_1a_7x7(clips), (1, 3, 3), (1, 2, 2))
        pixels = pool_max_same(self.conv_2c_3x3(self.conv_2b_1x1(pixels)), (1, 3, 3), (1, 2, 2))
        return self.blocks("3b 3c", pixels)

    def middle(self, pixels: Tensor) -> Tensor:
        """``[B, 480, T, 28, 28]`` to ``[B, 832, ⌈T/2⌉, 14, 14]``."""
        return self.blocks("4b 4c 4d 4e 4f", pool_max_same(pixels, (3, 3, 3), (2, 2, 2)))

    def late(self, pixels: Tensor) -> Tensor:
        """``[B, 832, T, 14, 14]`` to ``[B, 1024, ⌈T/2⌉ − 1]``: the 2×7×7 average pool at stride 1."""
        pixels = self.blocks("5b 5c", pool_max_same(pixels, (2, 2, 2), (2, 2, 2)))
        return functional.avg_pool3d(pixels, (2, 7, 7), stride=1).flatten(2)

    def pooled(self, clips: Tensor) -> Tensor:
        """Clips ``[B, C, T, 224, 224]`` to ``[B, 1024, ⌈T/8⌉ − 1]``: the 2×7×7 average pool at stride 1."""
        return self.late(self.middle(self.early(clips)))

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, T, C, 224, 224]`` to features ``[B, 1024]``, the mean over time of the average pool.

        A clip of 16 frames leaves exactly one position, so nothing is averaged there.
        """
        clips = clips.transpose(1, 2).contiguous(memory_format=torch.channels_last_3d)
        return self.pooled(clips).mean(-1)


class TwoStreamI3D(nn.Module):
    """RGB and flow side by side on frames of five channels; features are RGB's 1024, then flow's."""

    def __init__(self, rgb: InceptionI3D, flow: InceptionI3D) -> None:
        super().__init__()
        self.rgb = rgb
        self.flow = flow

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, T, 5, 224, 224]`` to features ``[B, 2048]``."""
        return torch.cat([self.rgb(clips[:, :, :3]), self.flow(clips[:, :, 3:])], dim=1)


def detect_port(state_dict: Mapping[str, Tensor]) -> str:
    """Which published port these keys are of.

    Raises:
        StateDictError: Neither.
    """
    for port in PORTS:
        if f"{list_official_names(port)['conv_1a_7x7']}.conv3d.weight" in state_dict:
            return port
    raise StateDictError(f"the weights are of neither published I3D port; their keys are {list_keys(state_dict)}")


def load_stream(state_dict: Mapping[str, Any], channels: int) -> tuple[InceptionI3D, nn.Linear]:
    """One stream and its classifier from a published state dict, batch norms folded.

    Args:
        state_dict: Of either port.
        channels: 3 for RGB, 2 for flow.

    Raises:
        StateDictError: Keys are missing or left over, or shapes differ.
    """
    given = {key: value for key, value in unwrap(state_dict).items() if not key.endswith("num_batches_tracked")}
    port = detect_port(given)
    with torch.device("meta"):
        network = InceptionI3D(channels)
    convolutions = {theirs: network.get_submodule(ours) for ours, theirs in list_official_names(port).items()}
    classes = len(given.get(f"{HEADS[port]}.bias", ()))
    expected: dict[str, Sequence[int]] = {f"{HEADS[port]}.weight": (classes, WIDTH, 1, 1, 1)}
    expected[f"{HEADS[port]}.bias"] = (classes,)
    for name, convolution in convolutions.items():
        expected |= _list_expected_shapes(name, convolution, NORMS[port][0])
    check_fit(expected, given, f"I3D with {channels} input channels, {port} layout")
    network.load_state_dict(_fold(given, port), assign=True)
    head = nn.Linear(WIDTH, classes)
    head.load_state_dict(
        {"weight": given[f"{HEADS[port]}.weight"].flatten(1), "bias": given[f"{HEADS[port]}.bias"]}, assign=True
    )
    return network.to(memory_format=torch.channels_last_3d), head


def _list_expected_shapes(name: str, convolution: nn.Module, norm: str) -> dict[str, Sequence[int]]:
    assert isinstance(convolution, nn.Conv3d)
    shapes: dict[str, Sequence[int]] = {f"{name}.conv3d.weight": tuple(convolution.weight.shape)}
    for part in NORM_TENSORS:
        shapes[f"{name}.{norm}.{part}"] = (convolution.out_channels,)
    return shapes


def _fold(given: Mapping[str, Tensor], port: str) -> dict[str, Tensor]:
    """Our state dict: convolutions scaled by their batch norms, in double precision."""
    norm, epsilon = NORMS[port]
    ours: dict[str, Tensor] = {}
    for name, theirs in list_official_names(port).items():
        part = {key: given[f"{theirs}.{norm}.{key}"].double() for key in NORM_TENSORS}
        scale = part["weight"] / torch.sqrt(part["running_var"] + epsilon)
        weight = given[f"{theirs}.conv3d.weight"].double() * scale.view(-1, 1, 1, 1, 1)
        ours[f"{name}.weight"] = weight.float()
        ours[f"{name}.bias"] = (part["bias"] - part["running_mean"] * scale).float()
    return ours


def build_i3d(spec: ExtractorSpec, state_dicts: Sequence[Mapping[str, Any]]) -> tuple[nn.Module, nn.Linear]:
    """The network of ``i3d-rgb``, ``i3d-flow`` or ``i3d``, and its classifier.

    The two-stream classifier adds the logits of both streams, as the published evaluation does.

    Args:
        spec: The record.
        state_dicts: One per stream; RGB first.

    Raises:
        StateDictError: The weights do not fit, or their number is wrong.
    """
    channels = {"rgb": (3,), "flow": (2,), "rgb+flow": (3, 2)}[spec.modality]
    if len(state_dicts) != len(channels):
        raise StateDictError(f"{spec.name} is made of {len(channels)} network(s), and {len(state_dicts)} came")
    streams = [load_stream(weights, count) for weights, count in zip(state_dicts, channels, strict=True)]
    if len(streams) == 1:
        return streams[0]
    (rgb, rgb_head), (flow, flow_head) = streams
    if rgb_head.out_features != flow_head.out_features:
        raise StateDictError(f"RGB knows {rgb_head.out_features} classes and flow {flow_head.out_features}")
    head = nn.Linear(2 * WIDTH, rgb_head.out_features)
    weight = torch.cat([rgb_head.weight, flow_head.weight], dim=1)
    head.load_state_dict({"weight": weight, "bias": rgb_head.bias + flow_head.bias}, assign=True)
    return TwoStreamI3D(rgb, flow), head
