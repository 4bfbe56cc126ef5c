"""Curves for TensorBoard, where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def tensorboard_is_here() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


class EventWriter:
    """Writes scalars of the log as TensorBoard events; does nothing where TensorBoard is not installed.

    Args:
        folder: Of the run.
        first_step: Events of later steps, written by a run that was killed, are marked as void.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        self._writer: Any = None
        if not tensorboard_is_here():
            return
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first_step + 1, flush_secs=30)

    def add(self, record: Mapping[str, Any]) -> None:
        """The numbers of a log record, under its kind."""
        if self._writer is None:
            return
        for name, value in record.items():
            if name not in ("kind", "step") and isinstance(value, (int, float)) and not isinstance(value, bool):
                self._writer.add_scalar(f"{record['kind']}/{name}", value, record["step"])

    def close(self) -> None:
        """Hand everything to the disk."""
        if self._writer is not None:
            self._writer.close()
