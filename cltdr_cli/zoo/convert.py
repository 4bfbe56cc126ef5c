"""Published checkpoint -> our state dict: averaged or raw weights under our names, by the method's own table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cltdr_cli.errors import WeightsError
from cltdr_cli.methods import find_method
from cltdr_cli.methods.published_form import rename_state
from cltdr_cli.methods.record import build_network
from cltdr_cli.zoo.checkpoint import find_broken_weights
from cltdr_cli.zoo.preset import Preset
from cltdr_cli.zoo.recognition import find_signed_method

if TYPE_CHECKING:
    from torch import Tensor

Choice = Literal["ema", "raw"]
"""Which of a checkpoint's weights: averaged over training (EMA), or those of the last step."""

_AVERAGED_KEY = "state_dict_ema"
_RAW_KEYS = ("state_dict", "model_state_dict", "model")
_SHOWN = 5
_HINT = (
    "The config must be the one that the checkpoint was trained with: its widths, levels (backbone_arch), "
    "neck, head layers and class count decide the names and shapes."
)


@dataclass(frozen=True)
class PublishedWeights:
    """Weights out of a published file.

    Attributes:
        state: By their published names.
        note: What the user should know of the choice; empty where there is nothing to say.
    """

    state: dict[str, Tensor]
    note: str = ""


def read_published_state(
    content: object, source: str, preset: Preset | None, weights: Choice = "ema"
) -> PublishedWeights:
    """The weights of a published checkpoint's content, by default those that published evaluation uses.

    Args:
        content: What the file holds (``epoch``, ``state_dict``, ``state_dict_ema`` …), or the tensors themselves.
        source: Name of the file in messages.
        preset: Of the method that it is to be turned into, which says where its files have them; None where a config
            will tell the method.
        weights: ``ema`` for the averaged weights, ``raw`` for those of the last step.

    Raises:
        WeightsError: There are none.
    """
    form = None if preset is None else find_method(preset.method).published
    holder: dict[str, Any] = content if isinstance(content, dict) else {}
    if form is None or form.has_config:
        return _choose_state(holder, source, weights)
    for key in form.state_keys:
        state = _take_tensors(holder if key == "" else holder.get(key))
        if state:
            return PublishedWeights(state)
    raise WeightsError(
        f"{source} holds no weights that a published program of preset {preset.name if preset else ''} would save",
        f"Expected tensors by name, in the file itself or under {' or '.join(filter(None, form.state_keys))}.",
    )


def _choose_state(holder: dict[str, Any], source: str, weights: Choice) -> PublishedWeights:
    averaged = holder.get(_AVERAGED_KEY)
    if weights == "ema" and isinstance(averaged, dict):
        return PublishedWeights(_take_tensors(averaged))
    found = {key: state for key in _RAW_KEYS if (state := _take_tensors(holder.get(key)))}
    key, state = next(iter(found.items()), ("", {}))
    if state and weights == "raw":
        note = f"{source}: the weights of the last step ({key!r}); published numbers are those of averaged weights"
        return PublishedWeights(state, note)
    if state:
        raise WeightsError(
            f"{source} holds no averaged weights ({_AVERAGED_KEY!r}), only those of the last step ({key!r})",
            "Published numbers were measured with averaged weights, so these may score otherwise. weights= raw "
            "converts them all the same.",
        )
    bare = _take_tensors(holder)
    if bare:
        return PublishedWeights(
            bare, f"{source} holds one set of weights and does not say whether they are averaged: taken as they are"
        )
    keys = ", ".join(map(str, list(holder)[:_SHOWN])) or "nothing"
    wanted = " or ".join(repr(key) for key in ((_AVERAGED_KEY,) if weights == "ema" else _RAW_KEYS))
    raise WeightsError(
        f"{source} holds no {wanted} (found: {keys})",
        "Published checkpoints of this family are .pth.tar files with the averaged weights under 'state_dict_ema' and "
        "those of the last step under 'state_dict'; tensors by name, without anything around them, are taken, too.",
    )


def _take_tensors(content: object) -> dict[str, Tensor]:
    """The tensors by name of a mapping; empty where it is none or holds none."""
    import torch

    if not isinstance(content, dict):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}


def convert_state(published: dict[str, Tensor], preset: Preset) -> dict[str, Tensor]:
    """A published state dict under our names, checked to fill the preset's network exactly.

    Raises:
        WeightsError: A weight is not finite, keys are left over or missing, or shapes differ; some are named.
    """
    import torch

    method = find_method(preset.method)
    if method.published is None:
        raise WeightsError(
            f"preset {preset.name} (method {preset.method}) has no network to convert weights for",
            "Choose the preset of a trained method: `cltdr presets list`.",
        )
    with torch.device("meta"):
        wanted = build_network(method, preset.model).state_dict()
    shapes = {name: tuple(value.shape) for name, value in wanted.items()}
    state, left_over = rename_state(method.published, published, shapes)
    left_over += sorted(set(state) - set(wanted))
    missing = sorted(set(wanted) - set(state))
    misshapen = [
        f"{name}: {list(state[name].shape)} in the file, {list(shape)} by the config"
        for name, shape in sorted(shapes.items())
        if name in state and tuple(state[name].shape) != shape
    ]
    problems = {"left over": left_over, "missing": missing, "of another shape": misshapen}
    if any(problems.values()):
        _check_method(preset, published)
        raise WeightsError("\n".join(_list_keys(kind, names) for kind, names in problems.items() if names), _HINT)
    broken = find_broken_weights(state)
    if broken:
        raise WeightsError(
            f"{len(broken)} weights of the checkpoint hold NaN or infinity, first {broken[0]}",
            "Its training broke down before it was saved: take an earlier checkpoint.",
        )
    return {name: state[name].float() for name in wanted}


def _check_method(preset: Preset, published: dict[str, Tensor]) -> None:
    """Raise WeightsError where the weights do not fit because they are of another method than the preset."""
    method = find_signed_method(published)
    if method is not None and method != preset.method:
        raise WeightsError(
            f"the checkpoint is of {find_method(method).title}, preset {preset.name} is for "
            f"{find_method(preset.method).title}",
            "`cltdr presets list` names the presets of every method.",
        )


def _list_keys(kind: str, names: list[str]) -> str:
    more = f" … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} keys {kind}: {', '.join(names[:_SHOWN])}{more}"
