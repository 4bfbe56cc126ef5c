"""YAML read strictly into dataclasses: whatever does not fit is named with its file and line.

Scalars follow YAML 1.2: ``1e-4`` is a number, ``no`` is a word.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml

from cltdr_cli.zoo.yaml_nodes import (
    BOOLEANS,
    NULLS,
    NUMBER,
    Mismatch,
    bare,
    entries,
    is_foreign,
    line_of,
    mismatch,
    shown,
)

T = TypeVar("T")

_INTEGER = re.compile(r"[-+]?\d+")
_BASIC = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}

LATER = "later"
"""Metadata of a field that may be absent: files of older versions, such as checkpoints, do not have it."""

SYNONYMS = {
    "lr": "learning_rate", "bs": "batch_size", "wd": "weight_decay", "n_sgp_win_size": "block_kernel_sizes",
    "backbone_type": "backbone", "backbone_arch": "branch_blocks", "sgp_mlp_dim": "mlp_dim", "fpn_type": "neck",
    "downsample_type": "downsample", "boudary_kernel_size": "boundary_kernel_size",
    "duration_thresh": "duration_thresh_steps", "feat_stride": "stride_frames", "num_frames": "window_frames",
    "default_fps": "rate", "fps": "rate", "file_ext": "file_suffix", "loss": "class_loss", "licence": "license",
}  # fmt: skip
"""Words people know a key by (published configs, other programs), for suggestions."""


def nearest(key: str, choices: Iterable[str]) -> str:
    """A suggestion ``; did you mean 'x'?`` for a word that is none of the choices; empty where none is near."""
    choices = list(choices)
    if SYNONYMS.get(key) in choices:
        return f"; did you mean {SYNONYMS[key]!r}?"
    lowered = {choice.lower(): choice for choice in choices}
    near = get_close_matches(key.lower(), lowered, n=1, cutoff=0.5)
    return f"; did you mean {lowered[near[0]]!r}?" if near else ""


def build(kind: type[T], node: yaml.Node, what: str) -> T:
    """A dataclass from a mapping that has exactly its fields; ``what`` is its name in messages.

    Only fields marked ``LATER`` may be absent, and then have their default.

    Raises:
        Mismatch: Every unknown, missing or wrong key, all at once.
    """
    return construct(kind, entries(node, what), node, what)


def construct(
    kind: type[T],
    found: Mapping[str, yaml.Node],
    owner: yaml.Node,
    what: str,
    kinds: Mapping[str, Any] | None = None,
) -> T:
    """As ``build``, from keys already taken out of a mapping.

    Args:
        kind: A dataclass.
        found: Keys and value nodes.
        owner: The mapping node, for its line.
        what: Its name in messages.
        kinds: Types of fields, where they are narrower than the dataclass says.

    Raises:
        Mismatch: Every unknown, missing or wrong key, all at once.
    """
    hints = {**get_type_hints(kind), **(kinds or {})}
    names = [field.name for field in fields(cast(Any, kind))]
    problems = [
        (line_of(found[k]), f"unknown key {k!r} in {what}{nearest(k, names)}") for k in found if k not in names
    ]
    wanted = [field.name for field in fields(cast(Any, kind)) if not field.metadata.get(LATER)]
    problems += [(line_of(owner), f"{what} lacks the key {name!r}") for name in wanted if name not in found]
    values: dict[str, Any] = {}
    for name in names:
        try:
            if name in found:
                values[name] = value(hints[name], found[name], name)
        except Mismatch as error:
            problems += error.problems
    if problems:
        raise Mismatch(problems)
    try:
        return kind(**values)
    except ValueError as error:
        raise mismatch(_culprit(str(error), found, owner), str(error)) from error


def value(kind: Any, node: yaml.Node, what: str) -> Any:
    """A node read as a type: a basic type, ``Literal``, ``X | None``, ``tuple``, ``dict`` or a dataclass.

    Raises:
        Mismatch: It is of another type; nothing is converted, but whole numbers serve as numbers.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _optional(arguments, node, what)
    if origin is Literal:
        return _choice(arguments, node, what)
    if origin is tuple:
        return _tuple(arguments, node, what)
    if origin is dict:
        return _dict(arguments, node, what)
    if is_dataclass(kind):
        return build(cast(type, kind), node, what)
    return _basic(kind, node, what)


def _culprit(message: str, found: Mapping[str, yaml.Node], owner: yaml.Node) -> yaml.Node:
    """The value node of the first key, here or one level down, that a dataclass's own complaint names."""
    inner = [entries(node, name) for name, node in found.items() if isinstance(node, yaml.MappingNode)]
    nodes = {name: node for mapping in (*inner, found) for name, node in mapping.items()}
    return next((nodes[word] for word in re.findall(r"\w+", message) if word in nodes), owner)


def _basic(kind: type, node: yaml.Node, what: str) -> Any:
    text = bare(node)
    if kind is str and isinstance(node, yaml.ScalarNode) and not is_foreign(node):
        if text is None or not (text in NULLS or text in BOOLEANS or NUMBER.fullmatch(text)):
            return str(node.value)
    elif kind is bool and text in BOOLEANS:
        return BOOLEANS[text]
    elif kind is int and text and _INTEGER.fullmatch(text) and len(text) < 20:
        return int(text)
    elif kind is float and text and NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    hint = " (put quotes around it)" if kind is str and text else ""
    raise mismatch(node, f"{what} must be {_BASIC[kind]}, not {shown(node)}{hint}")


def _optional(arguments: tuple[Any, ...], node: yaml.Node, what: str) -> Any:
    if bare(node) in NULLS:
        return None
    (kind,) = [argument for argument in arguments if argument is not type(None)]
    try:
        return value(kind, node, what)
    except Mismatch as error:
        if kind in _BASIC:
            raise mismatch(node, f"{what} must be {_BASIC[kind]} or null, not {shown(node)}") from error
        raise


def _choice(choices: tuple[Any, ...], node: yaml.Node, what: str) -> Any:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) and not is_foreign(node) else None
    for choice in choices:
        if text == str(choice) and (isinstance(choice, str) or bare(node)):
            return choice
    names = [str(choice) for choice in choices]
    raise mismatch(node, f"{what} must be {_listed(names)}, not {shown(node)}{nearest(text or '', names)}")


def _listed(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _tuple(arguments: tuple[Any, ...], node: yaml.Node, what: str) -> tuple[Any, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise mismatch(node, f"{what} must be a list [a, b, ...], not {shown(node)}")
    items: list[yaml.Node] = node.value
    if arguments[-1] is not Ellipsis and len(items) != len(arguments):
        raise mismatch(node, f"{what} must have {len(arguments)} entries, not {len(items)}")
    kinds = [arguments[0]] * len(items) if arguments[-1] is Ellipsis else arguments
    return tuple(
        value(kind, item, f"{what}[{i}]") for i, (kind, item) in enumerate(zip(kinds, items, strict=True))
    )


def _dict(arguments: tuple[Any, ...], node: yaml.Node, what: str) -> dict[Any, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise mismatch(node, f"{what} must be a mapping (key: value), not {shown(node)}")
    entries(node, what)
    key_kind, value_kind = arguments
    return {
        value(key_kind, k, f"a key of {what}"): value(value_kind, v, f"{what}[{k.value}]") for k, v in node.value
    }


class _Dumper(yaml.SafeDumper):
    """Tuples as ``[a, b]`` on one line, everything else a line each."""


def _dump_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    quoted = text in NULLS or text in BOOLEANS or NUMBER.fullmatch(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if quoted else None)


def _dump_tuple(dumper: yaml.SafeDumper, items: tuple[Any, ...]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_Dumper.add_representer(str, _dump_text)
_Dumper.add_representer(tuple, _dump_tuple)


def dump(record: object) -> str:
    """YAML of a dataclass, in the order of its fields; ``build`` reads it back to an equal record."""
    return yaml.dump(plain(record), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=115)


def plain(record: object) -> Any:
    """Dataclasses, at any depth, as dicts; tuples stay tuples."""
    if is_dataclass(record):
        return {field.name: plain(getattr(record, field.name)) for field in fields(record)}
    if isinstance(record, tuple):
        return tuple(plain(item) for item in cast("tuple[object, ...]", record))
    return record
