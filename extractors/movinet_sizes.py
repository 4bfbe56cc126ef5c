"""MoViNet's sizes A0 to A5 as its paper lists them: widths, kernels and repeats of every layer. Without torch.

Kondratyuk et al., "MoViNets: Mobile Video Networks for Efficient Video Recognition" (CVPR 2021), appendix C.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

KERNELS = {"a": (1, 3, 3), "b": (1, 5, 5), "c": (3, 3, 3), "d": (5, 3, 3)}
"""Time, height and width of the depthwise kernel, by the letter in ``_GROUPS``."""

STRIDED_GROUPS = (0, 1, 2, 4)
"""Groups whose first layer halves height and width."""

HIDDEN_WIDTH = 2048
CLASSES = 600

_GROUPS = {
    "a0": ("8: b24", "32: c80*3", "56: d184 c112 c184", "56: d184 c184*3", "104: d384 b280*2 b344"),
    "a1": (
        "16: b40 c40", "40: c96 c120 c96*2", "64: d216 c128 c216 c168 c216", "64: d216 c216*2 c128 b128 c216",
        "136: d456 b360*3 b456 c456 a544",
    ),
    "a2": (
        "16: b40 c40 c64", "40: c96 c120 c96*2 c120", "72: d240 c160 c240 c192 c240", "72: d240 c240*3 b144 c240",
        "144: d480 b384*2 b480*2 c480 a576",
    ),
    "a3": (
        "16: b40 c40 c64 c40", "48: c112 c144 c112 b112 c144*2", "80: d240 c152 c240 c192 c240",
        "88: d264 c264*3 b160 c264*3", "168: d560 b448*2 b560*2 c560 b448*2 c560 a672",
    ),
    "a4": (
        "24: b64 c64 c96 c64 c96 c64", "56: c168*2 c136*2 c168*3 b136 c136",
        "96: d320 c160 c320 c192 c320 c160 c320 c256 c320", "96: d320 c320*3 b192 c320*2 c192 c320*2",
        "192: d640 b512*2 b640*2 c640 b512*2 b640 b768 b640 c640 c768",
    ),
    "a5": (
        "24: b64*2 c96 c64 c96 c64", "64: d192 c152*3 c192*3 c152*2 c192*2",
        "112: d376 c224 c376*2 c296 c376 c224 c376*2 c296 c376*3",
        "120: d376 c376*3 b224 c376*2 c224 c376*3",
        "224: d744 c744 b600*2 b744*2 c744 b896 b600*2 b896 b744 c744 b896 b600*2 b744 c744",
    ),
}  # fmt: skip
"""Per group: output width, then kernel letter and expanded width of each layer, ``*n`` repeating it."""


@dataclass(frozen=True)
class LayerSize:
    """One bottleneck layer.

    Attributes:
        key: Its name in the published files, ``b{group}_l{layer}``.
        inputs: Channels that come in.
        expanded: Channels of its depthwise convolution.
        outputs: Channels that go out.
        kernel: Of the depthwise convolution: time, height, width.
        stride: Of height and width.
    """

    key: str
    inputs: int
    expanded: int
    outputs: int
    kernel: tuple[int, int, int]
    stride: int

    @property
    def keeps_shape(self) -> bool:
        """Whether the input itself is the shortcut."""
        return self.stride == 1 and self.inputs == self.outputs


@dataclass(frozen=True)
class MovinetSize:
    """One size of the network.

    Attributes:
        name: ``a0`` to ``a5``.
        stem: Channels of the first convolution.
        width: Channels of the feature.
        side: Side of the square frame, in pixels.
        short_side: Pixels of the shorter side before the crop.
        rate: Frames per second.
        parameters: Weights of the base form without classifier, norms folded.
        stream_parameters: Those of the stream form; 0 where it is not published.
    """

    name: str
    stem: int
    width: int
    side: int
    short_side: int
    rate: float
    parameters: int
    stream_parameters: int = 0

    @property
    def layers(self) -> tuple[LayerSize, ...]:
        """Every layer, from the frames to the feature."""
        found: list[LayerSize] = []
        inputs = self.stem
        for group, text in enumerate(_GROUPS[self.name]):
            outputs, words = text.split(":")
            for place, (letter, expanded) in enumerate(_read_words(words)):
                stride = 2 if place == 0 and group in STRIDED_GROUPS else 1
                key = f"b{group}_l{place}"
                found.append(LayerSize(key, inputs, expanded, int(outputs), KERNELS[letter], stride))
                inputs = int(outputs)
        return tuple(found)


def _read_words(words: str) -> Iterator[tuple[str, int]]:
    for word in words.split():
        size, _, repeats = word.partition("*")
        for _ in range(int(repeats or 1)):
            yield size[0], int(size[1:])


def round_to_eight(width: float) -> int:
    """The nearest multiple of 8 (halves up), at least 8, and one more where that takes off over a tenth."""
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * width else nearest


SIZES = {
    size.name: size
    for size in (
        MovinetSize("a0", 8, 480, 172, 192, 5.0, 890_175, 1_524_567),
        MovinetSize("a1", 16, 600, 172, 192, 5.0, 2_216_240, 3_970_000),
        MovinetSize("a2", 16, 640, 224, 256, 5.0, 2_691_714, 4_765_250),
        MovinetSize("a3", 16, 744, 256, 288, 12.0, 4_619_513),
        MovinetSize("a4", 24, 856, 290, 320, 8.0, 8_328_295),
        MovinetSize("a5", 24, 992, 320, 368, 12.0, 15_331_043),
    )
}
