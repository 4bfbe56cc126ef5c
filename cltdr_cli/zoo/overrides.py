"""Settings ``key=value``: single values of a preset, changed as strictly as the file is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast, get_type_hints

from pydantic import ValidationError

from cltdr_cli.errors import PresetError
from cltdr_cli.ranges import describe_errors
from cltdr_cli.zoo.preset import Preset
from cltdr_cli.zoo.strict_yaml import nearest, value
from cltdr_cli.zoo.yaml_nodes import Mismatch, compose


def with_overrides(preset: Preset, settings: Sequence[str]) -> Preset:
    """A preset with some values changed.

    Args:
        preset: The preset to start from.
        settings: ``section.key=value`` or, where only one section has the key, ``key=value``; the value is YAML
            (``training.epochs=3``, ``regression_range=[[0, 4], [4, 1e4]]``, ``clip_grad_l2norm=null``). All
            are changed before the whole is checked, so values that belong together can be given together.

    Raises:
        PresetError: A key is unknown or ambiguous, or a value does not fit; the nearest right key is named.
    """
    changes: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator:
            raise PresetError(f"setting {setting}: there is no value", "Write section.key=value.")
        section, name = _resolve(preset, key.strip())
        owner = getattr(preset, section) if section else preset
        kind = get_type_hints(type(owner), include_extras=True)[name]
        changes.setdefault(section, {})[name] = _parse(kind, text, f"setting {setting}")
    return _apply(preset, changes)


def _apply(preset: Preset, changes: dict[str, dict[str, Any]]) -> Preset:
    try:
        top = changes.pop("", {})
        sections = {section: replace(getattr(preset, section), **new) for section, new in changes.items()}
        return replace(preset, **top, **sections)
    except ValidationError as error:
        hint = "Give values that belong together in one command."
        raise PresetError(f"settings: {describe_errors(error)}", hint) from error


def _keys(preset: Preset) -> list[tuple[str, str]]:
    """Every (section, key) that can be set; the section is empty for keys of the preset itself."""
    found: list[tuple[str, str]] = []
    for field in fields(preset):
        section = getattr(preset, field.name)
        if is_dataclass(section) and field.name not in _RESULTS:
            found += [(field.name, inner.name) for inner in fields(cast(Any, section))]
        elif section is None or isinstance(section, str | float):
            found.append(("", field.name))
    return [pair for pair in found if pair not in _FIXED]


_RESULTS = ("reported", "reproduced")
_FIXED = {("", name) for name in ("method", "training", *_RESULTS)}
"""What a single value cannot change: the method decides the sections, and sections and results are no settings."""


def _resolve(preset: Preset, key: str) -> tuple[str, str]:
    keys = _keys(preset)
    matches = [pair for pair in keys if key in (pair[1], f"{pair[0]}.{pair[1]}")]
    exact = [pair for pair in matches if ".".join(pair).lstrip(".") == key]
    if len(exact or matches) == 1:
        return (exact or matches)[0]
    if matches:
        names = " or ".join(".".join(pair) for pair in matches)
        raise PresetError(f"setting {key}: several sections have this key", f"write {names}")
    raise PresetError(
        f"setting {key}: there is no such key{_suggest(key, keys)}", "`cltdr presets show NAME` shows all keys"
    )


def _suggest(key: str, keys: list[tuple[str, str]]) -> str:
    """The nearest key by its last word, in the section that was meant if that has it."""
    section, _, leaf = key.rpartition(".")
    near = nearest(leaf, [name for _, name in keys])
    if not near:
        return nearest(key, [".".join(pair).lstrip(".") for pair in keys])
    word = near.split("'")[1]
    owners = [pair for pair in keys if pair[1] == word]
    best = next((pair for pair in owners if section and pair[0].startswith(section)), owners[0])
    return f"; did you mean {'.'.join(best).lstrip('.')!r}?"


def _parse(kind: Any, text: str, source: str) -> Any:
    if kind is str and not text.strip():
        return ""
    try:
        return value(kind, compose(text.strip() or "null", source), "the value")
    except Mismatch as error:
        raise PresetError(f"{source}: {error.problems[0][1]}") from error
