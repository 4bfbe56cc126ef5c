"""Published state dicts: out of their wrappers, into float32, and checked key by key before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

WRAPPERS = ("module", "model", "state_dict", "model_state", "model_state_dict")
LISTED_KEYS = 12


class StateDictError(ValueError):
    """A state dict does not fit the network that it was given to."""


def unwrap(state_dict: Mapping[str, Any]) -> dict[str, Tensor]:
    """The flat ``key -> tensor`` mapping inside a published file, floats as float32.

    Checkpoints hold it bare or under ``module``, ``model`` or ``state_dict``, and keys may carry the ``module.``
    prefix of a parallel wrapper.

    Raises:
        StateDictError: There are no tensors inside.
    """
    for wrapper in WRAPPERS:
        inner = state_dict.get(wrapper)
        if isinstance(inner, Mapping):
            return unwrap(inner)
    tensors = {key: value for key, value in state_dict.items() if isinstance(value, Tensor)}
    if not tensors:
        raise StateDictError(f"no tensors in the weights; their top keys are {list_keys(state_dict)}")
    if all(key.startswith("module.") for key in tensors):
        tensors = {key.removeprefix("module."): value for key, value in tensors.items()}
    return {key: value.to(torch.float32) if value.is_floating_point() else value for key, value in tensors.items()}


def require_one(state_dicts: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The one state dict of an extractor that is one network.

    Raises:
        StateDictError: There are none or several.
    """
    if len(state_dicts) != 1:
        raise StateDictError(f"{name} is one network, and {len(state_dicts)} state dicts came")
    return state_dicts[0]


def list_keys(keys: Iterable[str]) -> str:
    """A readable list of keys, cut after a dozen."""
    names = sorted(str(key) for key in keys)
    rest = f", … and {len(names) - LISTED_KEYS} more" if len(names) > LISTED_KEYS else ""
    return ", ".join(names[:LISTED_KEYS]) + rest


def check_fit(expected: Mapping[str, Sequence[int]], given: Mapping[str, Tensor], network: str) -> None:
    """Compare keys and shapes with what the network needs.

    Args:
        expected: Shape by key.
        given: Tensors by key.
        network: Name of the network, for the message.

    Raises:
        StateDictError: Keys are missing or left over, or shapes differ; the message lists them.
    """
    missing, left_over = expected.keys() - given.keys(), given.keys() - expected.keys()
    shapes = [
        f"{key} is {list(given[key].shape)} and should be {list(shape)}"
        for key, shape in expected.items()
        if key in given and tuple(given[key].shape) != tuple(shape)
    ]
    problems = [f"missing keys: {list_keys(missing)}"] if missing else []
    problems += [f"left-over keys: {list_keys(left_over)}"] if left_over else []
    problems += [f"wrong shapes: {list_keys(shapes)}"] if shapes else []
    if problems:
        raise StateDictError(f"the weights do not fit {network}: " + "; ".join(problems))
