"""State dicts from files of weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cltdr_cli.errors import WeightsError
from cltdr_cli.tensor_files import read_tensors


def load_state_dict(path: Path) -> dict[str, Any]:
    """The mapping that a file of weights holds, on the CPU, as it was saved.

    Wrappers (``model``, ``state_dict``, ``state_dict_ema``) and whatever stands beside the tensors are kept for
    the caller to choose from.

    Raises:
        WeightsError: As ``read_tensors`` says; or the file holds no mapping.
    """
    content = read_tensors(path, WeightsError)
    if not isinstance(content, Mapping):
        kind = type(content).__name__
        raise WeightsError(f"{path}: holds a {kind}, not tensors by name", "get a state dict from its maker")
    return dict(content)
