"""Frozen networks that turn clips into features; ``catalog.py`` lists them.

``EXTRACTORS`` lists them by name, and knowing their conventions imports nothing heavy; ``build`` makes one from
its published state dict. This package opens no file and no socket: it gets tensors and gives tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from extractors.catalog import EXTRACTORS, ExtractorRecord
from extractors.spec import Extractor, ExtractorSpec

if TYPE_CHECKING:
    import torch

    from extractors.frozen import FrozenExtractor
    from extractors.openvino_backend import OpenVinoExtractor

__all__ = ["BACKENDS", "EXTRACTORS", "Extractor", "ExtractorRecord", "ExtractorSpec", "build", "find_record"]

BACKENDS = ("torch", "openvino")


def find_record(name: str) -> ExtractorRecord:
    """The record of an extractor: one of ``EXTRACTORS``, or any network of timm as ``timm:NAME``.

    Raises:
        ValueError: There is none of that name.
        TimmMissingError: It is one of timm, which is not installed. An ``ImportError``.
    """
    if name.startswith("timm:"):
        from extractors.timm_networks import find_timm_record

        return find_timm_record(name)
    if name not in EXTRACTORS:
        raise ValueError(f"unknown extractor {name!r}; there are {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name]


def build(
    name: str,
    state_dict: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    option: str | None = None,
    *,
    backend: str = "torch",
    compiled: bool = False,
) -> FrozenExtractor | OpenVinoExtractor:
    """A frozen extractor from its weights.

    Args:
        name: Key of ``EXTRACTORS``, or ``timm:NAME``.
        state_dict: Tensors by key, as published; for ``i3d`` a pair, RGB first.
        device: Where it runs.
        precision: ``fp32``, ``fp16`` or ``bf16``; of OpenVINO ``fp32`` or ``int8``.
        option: Preprocessing that the recipe leaves open (``EXTRACTORS[name].options``); None for the default.
        backend: One of ``BACKENDS``; OpenVINO runs on a CPU.
        compiled: Whether PyTorch compiles the network; ``FrozenExtractor`` says what that does.

    Raises:
        StateDictError: The weights do not fit; the message lists the keys. A ``ValueError``.
        ValueError: Unknown name, option, backend or precision, or what the backend does not do.
        BackendMissingError: OpenVINO is not installed. An ``ImportError``.
    """
    import torch

    from extractors.frozen import FrozenExtractor

    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; there are {', '.join(BACKENDS)}")
    if backend == "openvino" and (compiled or torch.device(device).type != "cpu"):
        raise ValueError("OpenVINO runs on the CPU and compiles by itself")
    record = find_record(name)
    spec = record.with_option(option)
    module, _, function = record.builder.partition(":")
    parts = [state_dict] if isinstance(state_dict, Mapping) else list(state_dict)
    network, head = getattr(import_module(f"extractors.{module}"), function)(spec, parts)
    if spec.causal:
        if compiled:
            raise ValueError(f"{name} goes frame by frame with a state: it is not compiled")
        if backend == "openvino":
            from extractors.openvino_stream import OpenVinoStream

            return OpenVinoStream(spec, network, head, precision)
        from extractors.streaming import FrozenStream

        return FrozenStream(spec, network, head, torch.device(device), precision)
    if backend == "openvino":
        from extractors.openvino_backend import OpenVinoExtractor

        return OpenVinoExtractor(spec, network, head, precision)
    return FrozenExtractor(spec, network, head, torch.device(device), precision, compiled=compiled)
