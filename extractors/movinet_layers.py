"""What both forms of MoViNet are made of: convolutions that pad as TensorFlow does, shortcuts, the classifier."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from extractors.movinet_sizes import CLASSES, HIDDEN_WIDTH, LayerSize

EPSILON = 1e-3
"""Of batch norm; it stands in no file."""

CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
NORMS: dict[int, Callable[..., nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class ConvolutionUnit(nn.Module):
    """A convolution without bias and its norm, or a convolution with bias alone; no activation.

    Padding is TensorFlow's SAME in height and width; the time axis of a clip is padded equally on both sides.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel: Two sizes for frames ``[N, C, H, W]``, three for clips ``[N, C, T, H, W]``.
        stride: Of height and width.
        depthwise: Whether every channel has a kernel of its own.
        bias: Whether there is a bias instead of a norm.
        padded: Whether there is padding at all.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Sequence[int],
        *,
        stride: int = 1,
        depthwise: bool = False,
        bias: bool = False,
        padded: bool = True,
    ) -> None:
        super().__init__()
        axes = len(kernel)
        self.kernel, self.stride = tuple(kernel[-2:]), stride
        even = tuple(size // 2 * padded for size in kernel)
        padding = (*even[:-2], 0, 0) if stride > 1 else even  # with a stride it depends on the size of the frame
        convolution = CONVOLUTIONS[axes](
            inputs,
            outputs,
            tuple(kernel),
            stride=(1,) * (axes - 2) + (stride, stride),
            padding=padding,
            groups=inputs if depthwise else 1,
            bias=bias,
        )
        row: OrderedDict[str, nn.Module] = OrderedDict({f"conv{axes}d": convolution})
        if not bias:
            row["norm"] = NORMS[axes](outputs, eps=EPSILON)
        self.conv_1 = nn.Sequential(row)

    def forward(self, frames: Tensor) -> Tensor:
        """``[N, C, (T,) H, W]`` to ``[N, C', (T,) ⌈H / stride⌉, ⌈W / stride⌉]``."""
        if self.stride > 1:
            frames = functional.pad(frames, _pad_same(frames, self.kernel, self.stride))
        return self.conv_1(frames)


def _pad_same(frames: Tensor, kernel: Sequence[int], stride: int) -> list[int]:
    """Cells to add left, right, above and below: TensorFlow's SAME, the odd cell after."""
    padding: list[int] = []
    for length, size in ((frames.shape[-1], kernel[-1]), (frames.shape[-2], kernel[-2])):
        total = max(size - (length % stride or stride), 0)
        padding += [total // 2, total - total // 2]
    return padding


class HalvingPool(nn.Module):
    """Average of 3×3 cells at every second one, padded as TensorFlow does; cells outside the image do not count."""

    def forward(self, frames: Tensor) -> Tensor:
        """``[N, C, (T,) H, W]`` to ``[N, C, (T,) ⌈H / 2⌉, ⌈W / 2⌉]``."""
        before = tuple(length % 2 for length in frames.shape[-2:])
        if frames.ndim == 4:
            return functional.avg_pool2d(frames, 3, 2, before, ceil_mode=True, count_include_pad=False)
        sizes = (1, 3, 3), (1, 2, 2), (0, *before)
        return functional.avg_pool3d(frames, *sizes, ceil_mode=True, count_include_pad=False)


def make_shortcut(size: LayerSize, axes: int) -> nn.Sequential | None:
    """What a layer's input goes through beside the layer; None where it stays as it is.

    Args:
        size: The layer.
        axes: 2 for frames, 3 for clips.
    """
    if size.keeps_shape:
        return None
    convolution = ConvolutionUnit(size.inputs, size.outputs, (1,) * axes)
    return nn.Sequential(HalvingPool(), convolution) if size.stride > 1 else nn.Sequential(convolution)


class Classifier(nn.Sequential):
    """The published classifier: features ``[..., F]`` to logits ``[..., 600]``; no softmax.

    Its 1×1 convolutions act as linear layers, so that it takes features of any number of steps.

    Args:
        width: Channels of a feature.
        classes: Outputs.
    """

    def __init__(self, width: int, classes: int = CLASSES) -> None:
        super().__init__(
            nn.Linear(width, HIDDEN_WIDTH),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN_WIDTH, classes),
        )
