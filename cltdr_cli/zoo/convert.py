"""Published checkpoint and config -> our checkpoint: EMA weights, renamed by the table beside the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltdr_cli.errors import WeightsError
from cltdr_cli.models.cltdr_config import CltdrConfig
from cltdr_cli.zoo.preset import Preset

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 40
_HINT = (
    "The config must be the one that the checkpoint was trained with: its widths, levels (backbone_arch), "
    "neck, head layers and class count decide the names and shapes."
)


def published_ema_state(content: object, source: str) -> dict[str, Tensor]:
    """The weights that published evaluation uses, of a published checkpoint's content.

    Args:
        content: What the file holds (``epoch``, ``state_dict``, ``state_dict_ema`` …).
        source: Name of the file in messages.

    Raises:
        WeightsError: There are no EMA weights.
    """
    if isinstance(content, dict) and isinstance(content.get("state_dict_ema"), dict):
        return content["state_dict_ema"]
    keys = ", ".join(map(str, list(content)[:_SHOWN])) if isinstance(content, dict) else type(content).__name__
    raise WeightsError(
        f"{source} holds no 'state_dict_ema' (found: {keys})",
        "Published CLTDR-GMG checkpoints are .pth.tar files with the averaged weights under that key; "
        "only those are what the published numbers were measured with.",
    )


def converted_state(published: dict[str, Tensor], preset: Preset) -> dict[str, Tensor]:
    """A published state dict under our names, checked to fill the preset's network exactly.

    Raises:
        WeightsError: Keys are left over or missing, or shapes differ; all are listed.
    """
    import torch

    from cltdr_cli.models.cltdr import Cltdr
    from cltdr_cli.models.published_keys import renamed

    if not isinstance(preset.model, CltdrConfig):
        raise WeightsError(f"preset {preset.name} has no CLTDR network to convert weights for", "Choose another.")
    with torch.device("meta"):
        wanted = Cltdr(preset.model).state_dict()
    state, left_over = renamed(published)
    left_over += sorted(set(state) - set(wanted))
    missing = sorted(set(wanted) - set(state))
    shapes = [
        f"{name}: {list(state[name].shape)} in the file, {list(wanted[name].shape)} by the config"
        for name in sorted(set(wanted) & set(state))
        if state[name].shape != wanted[name].shape
    ]
    problems = {"left over": left_over, "missing": missing, "of another shape": shapes}
    if any(problems.values()):
        raise WeightsError("\n".join(_listed(kind, names) for kind, names in problems.items() if names), _HINT)
    return {name: state[name].float() for name in wanted}


def _listed(kind: str, names: list[str]) -> str:
    more = f" … and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} keys {kind}: {', '.join(names[:_SHOWN])}{more}"
