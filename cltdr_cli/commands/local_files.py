"""Files that commands take must lie on this machine: addresses are refused as such, whatever the command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cltdr_cli.errors import UsageError

_PLACES = ("out",)
"""Options that are texts and name a file or folder: only a text can end in ``/``."""


def with_local_files(command: Any) -> Any:
    """The same command (and those in it), which refuses addresses where it takes files and folders."""
    for inner in getattr(command, "commands", {}).values():
        with_local_files(inner)
    run = command.invoke

    def invoke(context: Any) -> Any:
        for parameter in command.params:
            for value in _list_places(parameter.name, context.params.get(parameter.name)):
                refuse_address(parameter.opts[0], value)
        return run(context)

    command.invoke = invoke
    return command


def _list_places(name: str, value: object) -> Iterable[str]:
    """The texts of a value that name files or folders."""
    if isinstance(value, list | tuple):
        return [str(one) for one in value if isinstance(one, Path)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] # of any type
    return [str(value)] if isinstance(value, Path) or (name in _PLACES and isinstance(value, str)) else []


def refuse_address(option: str, text: str) -> None:
    """Refuse an address in the place of a file.

    Raises:
        UsageError: The text is one, and there is no file of that name.
    """
    from cltdr_cli.video.addresses import hide_secrets, is_address

    if not is_address(text) or Path(text).exists():
        return
    name = option if option.startswith("-") else option.upper()
    shown = hide_secrets(text)
    if name == "--out":
        hint = "Write to a folder of this machine, and copy the results from there; a mounted folder will do, too."
    else:
        hint = (
            "Download it first and name the file; a mounted folder will do, too. cltdr detect takes videos by address."
        )
    raise UsageError(f"{name} {shown} is an address, and this command works with files of this machine.", hint)
