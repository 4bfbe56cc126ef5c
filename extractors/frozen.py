"""What every frozen extractor shares: its record, device and precision, and preparing frames by the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from extractors.preprocess import make_ten_crops, prepare_frames
from extractors.spec import ExtractorSpec

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
COMPILE_MODES = {"cuda": "reduce-overhead"}
"""On a GPU the compiled network runs as one CUDA graph; elsewhere there are none."""


class FrozenExtractor:
    """A network without gradients that turns clips into features as its record says.

    Args:
        spec: The record.
        network: Maps clips ``[B, F, C, S, S]`` to features ``[B, width]``.
        head: Classifier on top of the features; None without one.
        device: Where it runs.
        precision: ``fp32``, or ``fp16`` / ``bf16`` by autocast. Features come out as float32 in any case.
        compiled: Whether the network goes through ``torch.compile``: minutes at the first clips, faster after
            them. The largest batch so far is the size of all; smaller ones are filled up, so that little is
            compiled twice.

    Raises:
        ValueError: The precision has no such name.
    """

    def __init__(
        self,
        spec: ExtractorSpec,
        network: nn.Module,
        head: nn.Module | None,
        device: torch.device,
        precision: str = "fp32",
        *,
        compiled: bool = False,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"unknown precision {precision!r}; there are {', '.join(PRECISIONS)}")
        self.spec = spec
        self.device = device
        self.precision = precision
        self.network = network.to(device).eval().requires_grad_(False)
        self._head = head.to(device).eval().requires_grad_(False) if head is not None else None
        self._run: Callable[[Tensor], Tensor] = self.network
        if compiled:
            compiled_network = torch.compile(self.network, mode=COMPILE_MODES.get(device.type), dynamic=False)
            self._run = FixedBatches(compiled_network, device)

    def prepare(self, frames: Tensor) -> Tensor:
        """Uint8 frames ``[N, H, W, C]`` to network input ``[N, C, S, S]`` float32 on the device."""
        if self.device.type == "cuda":  # from pinned memory bytes travel while the processor goes on
            frames = frames.pin_memory().to(self.device, non_blocking=True)
        return prepare_frames(frames, self.spec, self.device)

    @torch.inference_mode()
    def encode(self, clips: Tensor) -> Tensor:
        """Prepared clips ``[B, F, C, S, S]`` to features ``[B, width]`` float32.

        Raises:
            ValueError: The clips have fewer or more frames than the network takes.
        """
        check_length(clips, self.spec)
        clips = clips.to(self.device)
        with self.arithmetic():
            answers = [self._run(crop).float() for crop in make_crops(clips, self.spec)]
        return answers[0] if len(answers) == 1 else torch.stack(answers).mean(0)

    def arithmetic(self) -> AbstractContextManager[object]:
        """Autocast, or for ``fp32`` on a GPU convolutions that are not rounded to TF32 as is PyTorch's default."""
        if self.precision != "fp32":
            return torch.autocast(self.device.type, PRECISIONS[self.precision])
        if self.device.type == "cuda":
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return nullcontext()

    def class_head(self) -> nn.Module | None:
        """The classifier that the weights carry, on top of ``encode``'s features; None without one."""
        return self._head


class FixedBatches:
    """Calls a function with batches of one size, that of the largest so far, whatever comes.

    Args:
        function: Maps ``[B, ...]`` to ``[B, width]``, each row from its own row alone.
        device: Where it runs.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], device: torch.device) -> None:
        self._function, self._on_gpu = function, device.type == "cuda"
        self._size = 0

    def __call__(self, clips: Tensor) -> Tensor:
        """``[N, ...]`` to ``[N, width]``; short batches repeat their last row."""
        size = self._size = max(self._size, len(clips))
        return torch.cat([self._run_filled(part, size) for part in clips.split(size)])

    def _run_filled(self, part: Tensor, size: int) -> Tensor:
        missing = size - len(part)
        full = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) if missing else part.contiguous()
        if self._on_gpu:
            torch.compiler.cudagraph_mark_step_begin()
        return self._function(full)[: len(part)].clone()  # the next replay of a CUDA graph overwrites its output


def check_length(clips: Tensor, spec: ExtractorSpec) -> None:
    """Refuse clips ``[B, F, ...]`` that the network does not take.

    Raises:
        ValueError: They have fewer or more frames than ``spec.window_range`` allows.
    """
    shortest, longest = spec.window_range
    if not shortest <= clips.shape[1] <= longest:
        allowed = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        raise ValueError(f"{spec.name} takes clips of {allowed} frames, not {clips.shape[1]}")


def make_crops(clips: Tensor, spec: ExtractorSpec) -> Iterator[Tensor]:
    """What of clips ``[B, F, C, H, W]`` goes through the network: all, or ten crops that are averaged later."""
    if spec.ten_crop:
        return make_ten_crops(clips, spec.crop or min(clips.shape[-2:]))
    return iter([clips])
