"""Which device networks run on. Imports torch only when a device is chosen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    import torch


def check_device_name(name: str) -> str:
    """Refuse a name that can be no device, before anything heavy is loaded; returns the name.

    Raises:
        UsageError: It is none of ``auto``, ``cpu``, ``cuda`` and ``cuda:N``.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise UsageError(f"There is no device {name!r}.", "use auto, cpu, cuda or cuda:N")
    return name


def resolve_device(name: str) -> torch.device:
    """The device of that name: ``auto`` is the GPU where PyTorch can use one, else the CPU.

    Raises:
        UsageError: The name is no device, or this machine does not have that GPU.
    """
    import torch

    count = torch.cuda.device_count()
    if check_device_name(name) == "auto":
        name = "cuda" if count else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UsageError(
            f"There is no device {name!r}: PyTorch sees {count or 'no'} GPU{'s' if count > 1 else ''}.",
            "Choose cpu for device= instead. `cltdr doctor` shows what this machine has.",
        )
    return device
