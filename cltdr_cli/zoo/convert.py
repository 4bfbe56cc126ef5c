"""Published checkpoint -> our state dict: EMA weights under our names, by the method's own table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cltdr_cli.errors import WeightsError
from cltdr_cli.methods import find_method
from cltdr_cli.methods.published_form import rename_state
from cltdr_cli.methods.record import build_network
from cltdr_cli.zoo.checkpoint import find_broken_weights
from cltdr_cli.zoo.preset import Preset
from cltdr_cli.zoo.recognition import find_signed_method

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 5
_HINT = (
    "The config must be the one that the checkpoint was trained with: its widths, levels (backbone_arch), "
    "neck, head layers and class count decide the names and shapes."
)


def read_published_state(content: object, source: str, preset: Preset | None) -> dict[str, Tensor]:
    """The weights that published evaluation uses, of a published checkpoint's content.

    Args:
        content: What the file holds (``epoch``, ``state_dict``, ``state_dict_ema`` …).
        source: Name of the file in messages.
        preset: Of the method that it is to be turned into, which says where its files have them; None where a config
            will tell the method.

    Raises:
        WeightsError: There are none.
    """
    form = None if preset is None else find_method(preset.method).published
    if form is None or form.has_config:
        return read_ema_state(content, source)
    import torch

    holder: dict[str, Any] = content if isinstance(content, dict) else {}
    for key in form.state_keys:
        state = holder if key == "" else holder.get(key)
        if isinstance(state, dict) and any(isinstance(value, torch.Tensor) for value in state.values()):
            return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    raise WeightsError(
        f"{source} holds no weights that a published program of preset {preset.name if preset else ''} would save",
        f"Expected tensors by name, in the file itself or under {' or '.join(filter(None, form.state_keys))}.",
    )


def read_ema_state(content: object, source: str) -> dict[str, Tensor]:
    """The averaged weights of a published checkpoint's content.

    Args:
        content: What the file holds.
        source: Name of the file in messages.

    Raises:
        WeightsError: There are no EMA weights.
    """
    if isinstance(content, dict) and isinstance(content.get("state_dict_ema"), dict):
        return content["state_dict_ema"]
    keys = ", ".join(map(str, list(content)[:_SHOWN])) if isinstance(content, dict) else type(content).__name__
    raise WeightsError(
        f"{source} holds no 'state_dict_ema' (found: {keys})",
        "Published checkpoints of this family are .pth.tar files with the averaged weights under that key; "
        "only those are what the published numbers were measured with.",
    )


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
