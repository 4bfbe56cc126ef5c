"""What every frozen extractor shares: its record, device and precision, and preparing frames by the record."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from extractors.preprocess import prepare_frames, ten_crops
from extractors.spec import ExtractorSpec

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class FrozenExtractor:
    """A network without gradients that turns clips into features as its record says.

    Args:
        spec: The record.
        network: Maps clips ``[B, F, C, S, S]`` to features ``[B, width]``.
        head: Classifier on top of the features; None without one.
        device: Where it runs.
        precision: ``fp32``, or ``fp16`` / ``bf16`` by autocast. Features come out as float32 in any case.

    Raises:
        ValueError: The precision has no such name.
    """

    def __init__(
        self,
        spec: ExtractorSpec,
        network: nn.Module,
        head: nn.Linear | None,
        device: torch.device,
        precision: str = "fp32",
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"unknown precision {precision!r}; there are {', '.join(PRECISIONS)}")
        self.spec = spec
        self.device = device
        self.precision = precision
        self.network = network.to(device).eval().requires_grad_(False)
        self._head = head.to(device).eval().requires_grad_(False) if head is not None else None

    def prepare(self, frames: Tensor) -> Tensor:
        """Uint8 frames ``[N, H, W, C]`` to network input ``[N, C, S, S]`` float32 on the device."""
        return prepare_frames(frames, self.spec, self.device)

    @torch.inference_mode()
    def encode(self, clips: Tensor) -> Tensor:
        """Prepared clips ``[B, F, C, S, S]`` to features ``[B, width]`` float32.

        Raises:
            ValueError: The clips have fewer or more frames than the network takes.
        """
        shortest, longest = self.spec.window_range
        if not shortest <= clips.shape[1] <= longest:
            allowed = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
            raise ValueError(f"{self.spec.name} takes clips of {allowed} frames, not {clips.shape[1]}")
        clips = clips.to(self.device)
        with self._arithmetic():
            if not self.spec.ten_crop:
                return self.network(clips).float()
            side = self.spec.crop or min(clips.shape[-2:])
            return torch.stack([self.network(crop).float() for crop in ten_crops(clips, side)]).mean(0)

    def _arithmetic(self) -> AbstractContextManager[object]:
        """Autocast, or for ``fp32`` on a GPU convolutions that are not rounded to TF32 as is PyTorch's default."""
        if self.precision != "fp32":
            return torch.autocast(self.device.type, PRECISIONS[self.precision])
        if self.device.type == "cuda":
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return nullcontext()

    def class_head(self) -> nn.Linear | None:
        """The classifier that the weights carry, on top of ``encode``'s features; None without one."""
        return self._head
