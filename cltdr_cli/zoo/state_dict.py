"""State dicts from files of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

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


def refuse_nan(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse weights of NaN, whose features would all be NaN; infinity may be the mask of an attention.

    Raises:
        WeightsError: There are such; the first is named.
    """
    broken = list(_find_nan(content))
    if broken:
        raise WeightsError(f"{path}: {len(broken)} tensors hold NaN, first {broken[0]}", "get the file again")


def _find_nan(content: Mapping[str, Any]) -> Iterator[str]:
    import torch

    for name, value in content.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and bool(value.isnan().any()):
            yield str(name)
        elif isinstance(value, Mapping):
            yield from _find_nan(cast("Mapping[str, Any]", value))
