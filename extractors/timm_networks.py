"""Any image network of timm (PyTorch Image Models, Apache-2.0) as an extractor of single frames: ``timm:NAME``.

Frames go through the preprocessing that the network was trained with (its ``pretrained_cfg``), and the feature is what
enters its classifier.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from extractors.catalog import ExtractorRecord
from extractors.spec import ExtractorSpec
from extractors.state_dict import check_fit, require_one, unwrap

PREFIX = "timm:"
RATE = 5.0
"""Frames per second where none is asked for."""

INTERPOLATIONS = ("bilinear", "bicubic")


class TimmMissingError(ImportError):
    """The package timm is not installed."""


class FrameNetwork(nn.Module):
    """An image network on clips of one frame.

    Args:
        network: Images ``[B, C, S, S]`` to features ``[B, width]``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, 1, C, S, S]`` to features ``[B, width]``."""
        return self.network(clips[:, 0])


@lru_cache(maxsize=8)
def find_timm_record(name: str) -> ExtractorRecord:
    """The record of an extractor.

    Args:
        name: ``timm:`` and a name of timm, such as ``timm:tf_efficientnet_lite0``; a tag after a dot may name the
            weights, as in ``timm:vit_base_patch16_224.dino``.

    Raises:
        TimmMissingError: timm is not installed.
        ValueError: It has no network of that name, or one whose preprocessing is not built here.
    """
    config = read_config(name)
    network = _create(name, "meta")
    _, height, width = config.input_size
    if height != width or config.crop_mode not in ("center", "squash") or config.interpolation not in INTERPOLATIONS:
        raise ValueError(f"{name}: its preprocessing ({config.crop_mode}, {config.interpolation}) is not supported")
    side = math.floor(height / config.crop_pct)
    spec = ExtractorSpec(
        name=name,
        width=int(network.head_hidden_size),
        window_frames=1,
        stride_frames=1,
        rate=RATE,
        resize=(side, side) if config.crop_mode == "squash" else None,
        short_side=side if config.crop_mode == "center" else None,
        crop=height,
        antialias=True,
        mean=tuple(config.mean),
        std=tuple(config.std),
        layer="what enters the classifier",
        weights=name,
        weights_licence=config.license or "unknown",
        byte_resize=True,
        bicubic=config.interpolation == "bicubic",
        crop_rounds_to_even=True,
        window_range=(1, 1),
        parameters=sum(part.numel() for part in network.parameters()),
    )
    return ExtractorRecord(spec, "timm_networks:build_timm")


def read_config(name: str) -> Any:
    """What timm knows of a network: preprocessing, licence, where its weights lie.

    Raises:
        TimmMissingError: timm is not installed.
        ValueError: It has no network of that name; the nearest are told.
    """
    try:
        import timm
    except ImportError as error:
        raise TimmMissingError("the package timm is not installed") from error
    model = name.removeprefix(PREFIX)
    if not timm.is_model(model):
        near = get_close_matches(model, timm.list_models(), 3)
        guess = f"; did you mean {' or '.join(PREFIX + word for word in near)}?" if near else ""
        raise ValueError(f"timm has no network {model!r}{guess}")
    config = timm.get_pretrained_cfg(model)
    if config is None:
        raise ValueError(f"timm knows no preprocessing for {model!r}")
    return config


def build_timm(spec: ExtractorSpec, state_dicts: Sequence[Mapping[str, Any]]) -> tuple[nn.Module, None]:
    """The network without its classifier, whose tensors are left out.

    Raises:
        StateDictError: The weights do not fit, or there is more than one state dict.
    """
    given = unwrap(require_one(state_dicts, spec.name))
    network = _create(spec.name, "cpu")
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    classifiers = read_config(spec.name).classifier or ()
    heads = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    given = {
        key: value
        for key, value in given.items()
        if key in expected or not key.startswith(tuple(f"{head}." for head in heads))
    }
    check_fit(expected, given, spec.name)
    network.load_state_dict(given)
    return FrameNetwork(network.to(memory_format=torch.channels_last)), None


def _create(name: str, device: str) -> Any:
    import timm

    with torch.device(device):
        return timm.create_model(name.removeprefix(PREFIX), pretrained=False, num_classes=0)
