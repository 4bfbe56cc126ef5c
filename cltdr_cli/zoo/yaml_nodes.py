"""The node tree of a YAML file, and where in the file each node stands. Nothing is ever constructed from a tag."""

from __future__ import annotations

import math
import re
from typing import Any, cast

import yaml

from cltdr_cli.errors import PresetError

INTEGER = re.compile(r"[-+]?\d+")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
NULLS = ("", "~", "null", "Null", "NULL")
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


class Mismatch(Exception):
    """What does not fit, as ``(line, text)`` pairs; lines count from 1."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        super().__init__(problems)
        self.problems = problems

    def as_error(self, source: str, hint: str = "") -> PresetError:
        """The error for the user, one line per problem, each with ``source:line``."""
        lines = [f"{source}:{line}: {text}" for line, text in sorted(self.problems)]
        return PresetError("\n".join(lines), hint)


def line_of(node: yaml.Node) -> int:
    """Line of a node, from 1."""
    return int(cast("yaml.Mark", node.start_mark).line) + 1


def mismatch(node: yaml.Node, text: str) -> Mismatch:
    """One problem, at a node."""
    return Mismatch([(line_of(node), text)])


def compose(text: str, source: str) -> yaml.Node:
    """The node tree of one YAML document.

    Args:
        text: YAML.
        source: File name, for messages.

    Raises:
        PresetError: It is no YAML, or holds no or several documents.
    """
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise PresetError(f"{where}: not YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PresetError(f"{source}: not YAML: {str(error).splitlines()[0]}") from error
    if node is None:
        raise PresetError(f"{source}: the file is empty")
    return node


def entries(node: yaml.Node, what: str) -> dict[str, yaml.Node]:
    """Keys and value nodes of a mapping.

    Args:
        node: Any node.
        what: What the mapping is, for messages.

    Raises:
        Mismatch: The node is no mapping, or a key stands in it twice.
    """
    if not isinstance(node, yaml.MappingNode):
        raise mismatch(node, f"{what} must be a mapping (key: value lines), not {shown(node)}")
    found: dict[str, yaml.Node] = {}
    lines: dict[str, int] = {}
    problems: list[tuple[int, str]] = []
    for key_node, value in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise mismatch(key_node, f"a key of {what} must be a word")
        key = str(key_node.value)
        if key in found:
            problems.append((line_of(key_node), f"{key!r} stands in {what} twice, first in line {lines[key]}"))
        found[key], lines[key] = value, line_of(key_node)
    if problems:
        raise Mismatch(problems)
    return found


def shown(node: yaml.Node) -> str:
    """A node, short enough for a message."""
    if isinstance(node, yaml.ScalarNode):
        return repr(str(node.value)[:60]) if node.value else "nothing"
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"


def bare(node: yaml.Node) -> str | None:
    """The characters of an unquoted scalar without explicit tag; None for any other node."""
    if isinstance(node, yaml.ScalarNode) and not node.style and not is_foreign(node):
        return str(node.value)
    return None


def is_foreign(node: yaml.Node) -> bool:
    """Whether an explicit tag asks for something other than plain YAML data."""
    return not str(node.tag).startswith("tag:yaml.org,2002:") or "python/" in str(node.tag)


def to_plain(node: yaml.Node) -> Any:
    """A node as plain data by YAML 1.2; what an explicit tag asks for becomes an object that fits no type."""
    if is_foreign(node):
        return {"foreign": {}}
    if isinstance(node, yaml.SequenceNode):
        return [to_plain(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): to_plain(child) for key, child in node.value}
    text = bare(node)
    if text is None:
        return str(node.value)
    if text in NULLS or text in BOOLEANS:
        return BOOLEANS.get(text)
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        return text
    return int(text) if INTEGER.fullmatch(text) and len(text) < 20 else float(text)
