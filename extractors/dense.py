"""I3D over a whole run of frames at once, in place of windows that overlap: several times faster, not identical.

The network halves time three times. A window is a run of 16 frames with zeros before and after it; here the
network sees the real frames on both sides instead, and every layer is computed once per frame. Steps 4 frames
apart need the last halving at both phases, steps 2 apart the last two, steps 1 apart all three ("à trous"; Giusti
et al., "Fast image scanning with deep max-pooling CNNs", ICIP 2013). Step i stands for the frames of window i in
either way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from extractors.frozen import FrozenExtractor
from extractors.i3d import InceptionI3D, TwoStreamI3D
from extractors.openvino_backend import OpenVinoExtractor, OpenVinoNetwork, export_graph
from extractors.spec import ExtractorSpec

WINDOW_FRAMES = 16
CELL_FRAMES = 8
"""Frames between two steps of the network's own; a feature is the average over two of them."""
CONTEXT_FRAMES = 8
"""Frames of a chunk before its first step, and after its last, that only the neighbours look at."""
CHUNK_FRAMES = 128

Part = Callable[[Tensor], Tensor]


def check_dense(spec: ExtractorSpec, *, stride_frames: int, window_frames: int = WINDOW_FRAMES) -> None:
    """Refuse what has no dense form.

    Raises:
        ValueError: Not I3D, ten crops, another window than 16 frames, or a stride that neither divides 8 nor is
            a multiple of it.
    """
    if not spec.name.startswith("i3d"):
        raise ValueError(f"{spec.name} has no dense form; i3d-rgb, i3d-flow and i3d do")
    if spec.ten_crop:
        raise ValueError("the dense form takes no ten crops")
    if window_frames != WINDOW_FRAMES:
        raise ValueError(f"the dense form has windows of {WINDOW_FRAMES} frames, not {window_frames}")
    if stride_frames < 1 or (CELL_FRAMES % stride_frames and stride_frames % CELL_FRAMES):
        raise ValueError(f"the dense form takes strides 1, 2, 4, 8 and multiples of 8, not {stride_frames}")


class DenseI3D(nn.Module):
    """One or two streams of I3D over runs of frames.

    Args:
        network: With its weights.
        stride_frames: Frames between two steps: 1, 2, 4 or 8.
    """

    def __init__(self, network: InceptionI3D | TwoStreamI3D, stride_frames: int) -> None:
        super().__init__()
        self.network = network
        self.stride_frames = stride_frames

    def forward(self, runs: Tensor) -> Tensor:
        """Runs ``[B, N ≥ 16, C, 224, 224]`` to features ``[B, (N − 16) // stride + 1, width]``."""
        if isinstance(self.network, InceptionI3D):
            return self._stream(self.network, runs)
        rgb, flow = self._stream(self.network.rgb, runs[:, :, :3]), self._stream(self.network.flow, runs[:, :, 3:])
        return torch.cat([rgb, flow], dim=2)

    def _stream(self, network: InceptionI3D, runs: Tensor) -> Tensor:
        pixels = runs.transpose(1, 2).contiguous(memory_format=torch.channels_last_3d)
        parts = (network.early, network.middle, network.late)
        return _at_phases(parts, pixels, self.stride_frames).transpose(1, 2)


def _at_phases(parts: Sequence[Part], pixels: Tensor, stride: int) -> Tensor:
    """Run parts that each halve time, at both phases where halving would skip steps that are wanted.

    Args:
        parts: The next part and those after it; the last also averages over pairs of its samples.
        pixels: ``[B, C, T, H, W]``, at least as long as one window is here.
        stride: Samples of ``pixels`` between two wanted steps.

    Returns:
        Features ``[B, width, steps]`` in the order of time.
    """
    window = 2 << len(parts)
    phases: list[Tensor] = []
    for shift in (0, 1) if stride == 1 else (0,):
        length = (pixels.shape[2] - shift) // 2 * 2  # an odd length would put the odd zero to the front
        if length >= window:
            halved = parts[0](pixels.narrow(2, shift, length))
            phases.append(_at_phases(parts[1:], halved, max(1, stride // 2)) if len(parts) > 1 else halved)
    return phases[0] if len(phases) == 1 else _interleave(phases[0], phases[1])


def _interleave(even: Tensor, odd: Tensor) -> Tensor:
    """``[B, C, n]`` and ``[B, C, n or n − 1]`` to ``[B, C, sum]``, in turns."""
    steps = even.shape[2] + odd.shape[2]
    filled = functional.pad(odd, (0, even.shape[2] - odd.shape[2]))
    return torch.stack([even, filled], dim=3).flatten(2).narrow(2, 0, steps)


class DenseEncoder:
    """An I3D extractor that takes whole runs of frames.

    Its ``spec`` is the extractor's, with a ``layer`` that says so: a sidecar tells dense features from others.

    Args:
        extractor: ``i3d-rgb``, ``i3d-flow`` or ``i3d``, by PyTorch or by OpenVINO in ``fp32``.
        stride_frames: Frames between two steps: 1, 2, 4, 8 or a multiple of 8.
        chunk_frames: Frames that go through the network together, a multiple of 8 of at least 64.

    Raises:
        ValueError: As ``check_dense``; or the extractor is quantised, or chunks cannot have that length.
    """

    def __init__(
        self,
        extractor: FrozenExtractor | OpenVinoExtractor,
        stride_frames: int,
        chunk_frames: int = CHUNK_FRAMES,
    ) -> None:
        check_dense(extractor.spec, stride_frames=stride_frames)
        if chunk_frames % CELL_FRAMES or chunk_frames < 8 * CELL_FRAMES:
            raise ValueError(f"a chunk is a multiple of 8 frames, at least 64, not {chunk_frames}")
        if extractor.precision == "int8":
            raise ValueError("the dense form has no int8")
        self.spec = make_dense_spec(extractor.spec, chunk_frames)
        self.device = extractor.device
        self.stride_frames = stride_frames
        self.chunk_frames = chunk_frames
        self.fine_stride_frames = min(stride_frames, CELL_FRAMES)
        self._extractor = extractor
        network = extractor.network
        assert isinstance(network, InceptionI3D | TwoStreamI3D)
        self._network = DenseI3D(network, self.fine_stride_frames)
        self._openvino: OpenVinoNetwork | None = None
        if isinstance(extractor, OpenVinoExtractor):
            self._openvino = OpenVinoNetwork(partial(export_graph, self._network), one_by_one=True)

    def prepare(self, frames: Tensor) -> Tensor:
        """Uint8 frames ``[N, H, W, C]`` to network input ``[N, C, 224, 224]`` float32 on the device."""
        return self._extractor.prepare(frames)

    @torch.inference_mode()
    def encode_run(self, frames: Tensor) -> Tensor:
        """Prepared frames ``[N, C, 224, 224]`` to features at the fine stride, all in one pass.

        Returns:
            ``[(N − 16) // fine_stride_frames + 1, width]`` float32; memory grows with N.

        Raises:
            ValueError: There are fewer than 16 frames.
        """
        if len(frames) < WINDOW_FRAMES:
            raise ValueError(f"a run has at least {WINDOW_FRAMES} frames, not {len(frames)}")
        if self._openvino is not None:
            return self._openvino(frames[None])[0]
        assert isinstance(self._extractor, FrozenExtractor)
        with self._extractor.arithmetic():
            return self._network(frames[None].to(self.device))[0].float()


def make_dense_spec(spec: ExtractorSpec, chunk_frames: int = CHUNK_FRAMES) -> ExtractorSpec:
    """The record of an extractor's dense form."""
    return replace(spec, layer=f"dense, chunks of {chunk_frames} frames: {spec.layer}")
