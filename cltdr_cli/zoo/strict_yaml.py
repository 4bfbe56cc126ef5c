"""YAML read strictly into dataclasses: whatever does not fit is named with its file and line.

pydantic checks types and ranges; this module adds keys, lines, and plain words for what is wrong. Scalars follow
YAML 1.2: ``1e-4`` is a number, ``no`` is a word.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from cltdr_cli.ranges import OPTIONAL, describe_range
from cltdr_cli.zoo.yaml_nodes import BOOLEANS, NULLS, NUMBER, Mismatch, entries, line_of, shown, to_plain

T = TypeVar("T")

_BASIC = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text"}

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


def build(kind: type[T], node: yaml.Node, what: str, kinds: Mapping[str, Any] | None = None) -> T:
    """A dataclass from a mapping that has exactly its fields.

    Only fields marked ``LATER`` or ``OPTIONAL`` may be absent, and then have their default.

    Args:
        kind: A dataclass.
        node: The mapping.
        what: Its name in messages.
        kinds: Types of fields, where they are narrower than the dataclass says.

    Raises:
        Mismatch: Every unknown, missing or wrong key, all at once.
    """
    found, hints = entries(node, what), {**get_type_hints(kind, include_extras=True), **(kinds or {})}
    problems = list(_check_keys(kind, found, node, what))
    values: dict[str, Any] = {}
    for name in hints.keys() & found.keys():
        try:
            values[name] = value(hints[name], found[name], name)
        except Mismatch as error:
            problems += error.problems
    if problems:
        raise Mismatch(problems)
    try:
        return kind(**values)
    except ValidationError as error:
        raise Mismatch([_describe(one, kind, node, what) for one in error.errors()]) from error


def value(kind: Any, node: yaml.Node, what: str) -> Any:
    """A node read as a type, strictly: nothing is converted, but whole numbers serve as numbers.

    Raises:
        Mismatch: It is of another type or out of range.
    """
    section = next((part for part in (kind, *get_args(kind)) if is_dataclass(part)), None)
    if section is not None and to_plain(node) is not None:
        return build(cast(type, section), node, what)
    try:
        return TypeAdapter(kind).validate_json(json.dumps(to_plain(node)), strict=True)
    except ValidationError as error:
        raise Mismatch([_describe(one, kind, node, what) for one in error.errors()]) from error


def nearest(key: str, choices: Iterable[str]) -> str:
    """A suggestion ``; did you mean 'x'?`` for a word that is none of the choices; empty where none is near."""
    choices = list(choices)
    if SYNONYMS.get(key) in choices:
        return f"; did you mean {SYNONYMS[key]!r}?"
    lowered = {choice.lower(): choice for choice in choices}
    near = get_close_matches(key.lower(), lowered, n=1, cutoff=0.5)
    return f"; did you mean {lowered[near[0]]!r}?" if near else ""


def _check_keys(kind: Any, found: Mapping[str, yaml.Node], owner: yaml.Node, what: str) -> Iterator[tuple[int, str]]:
    names = [field.name for field in fields(kind)]
    for key in found.keys() - set(names):
        yield line_of(found[key]), f"unknown key {key!r} in {what}{nearest(key, names)}"
    for field in fields(kind):
        if field.name not in found and not (field.metadata.get(LATER) or field.metadata.get(OPTIONAL)):
            yield line_of(owner), f"{what} lacks the key {field.name!r}"


def _describe(error: Any, kind: Any, node: yaml.Node, what: str) -> tuple[int, str]:
    """Line and text of one of pydantic's errors about a node of this type."""
    if error["type"] == "value_error":  # a dataclass's own complaint; it names the field
        text = str(error["ctx"]["error"])
        return line_of(_find_culprit(text, node)), text
    place, wanted, name = node, kind, what
    for step in error["loc"]:
        inner = _step_into(place, wanted, step)
        if inner is None:
            break
        place, wanted = inner
        name = f"{name}[{step}]" if isinstance(step, int) else str(step)
    return line_of(place), f"{name} {_say_what_is_wrong(error, wanted, place)}"


def _step_into(node: yaml.Node, kind: Any, step: Any) -> tuple[yaml.Node, Any] | None:
    """The node and type one step further down; None where there is nothing."""
    kind = _strip_optional(kind)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        inner = [item for item in get_args(kind) if item is not Ellipsis]
        return node.value[step], inner[min(step, len(inner) - 1)] if inner else Any
    if isinstance(node, yaml.MappingNode):
        children = {str(key.value): child for key, child in node.value}
        if str(step) in children:
            hints = get_type_hints(kind, include_extras=True) if is_dataclass(kind) else {}
            return children[str(step)], hints.get(str(step), (get_args(kind) or (Any,))[-1])
    return None


def _say_what_is_wrong(error: Any, kind: Any, node: yaml.Node) -> str:
    in_range, basic = describe_range(error), error["type"].partition("_")[0]
    or_null = " or null" if type(None) in get_args(kind) else ""
    kind = _strip_optional(kind)
    if in_range is not None:
        return in_range
    if error["type"] == "literal_error":
        names = [str(choice) for choice in get_args(kind)]
        text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        return f"must be {_list_words(names)}, not {shown(node)}{nearest(text, names)}"
    if isinstance(node, yaml.SequenceNode) and error["type"] in ("missing", "too_long", "too_short"):
        return f"must have {len(get_args(kind))} entries, not {len(node.value)}"
    if basic == "tuple":
        return f"must be a list [a, b, ...], not {shown(node)}"
    if basic in ("dict", "dataclass"):
        return f"must be a mapping (key: value), not {shown(node)}"
    hint = " (put quotes around it)" if basic == "string" and isinstance(node, yaml.ScalarNode) and node.value else ""
    return f"must be {_BASIC.get(basic, basic)}{or_null}, not {shown(node)}{hint}"


def _strip_optional(kind: Any) -> Any:
    """``X`` of ``X | None``, and of an annotated type; other types as they are."""
    if get_origin(kind) is Annotated:
        return _strip_optional(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return next(_strip_optional(part) for part in get_args(kind) if part is not type(None))
    return kind


def _find_culprit(message: str, owner: yaml.Node) -> yaml.Node:
    """The value node of the first key, here or one level down, that a message names."""
    found = entries(owner, "") if isinstance(owner, yaml.MappingNode) else {}
    inner = [entries(node, name) for name, node in found.items() if isinstance(node, yaml.MappingNode)]
    nodes = {name: node for mapping in (*inner, found) for name, node in mapping.items()}
    return next((nodes[word] for word in re.findall(r"\w+", message) if word in nodes), owner)


def _list_words(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


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
    """Dataclasses, at any depth, as dicts without ``OPTIONAL`` fields at their defaults; tuples stay tuples."""
    if is_dataclass(record):
        values = [(field, getattr(record, field.name)) for field in fields(record)]
        return {f.name: plain(value) for f, value in values if not f.metadata.get(OPTIONAL) or value != f.default}
    if isinstance(record, tuple):
        return tuple(plain(item) for item in cast("tuple[object, ...]", record))
    return record
