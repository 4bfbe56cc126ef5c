"""Options that several commands take, so that help reads alike everywhere. Imports nothing heavy.

Every command takes ``quiet: Quiet = False`` and ``debug: Debug = False``; they act when they are parsed, so a
command has nothing more to do with them. Both are also taken before the command: ``cltdr --quiet detect ...``.
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    import torch


def _act_quiet(ctx: typer.Context, value: bool) -> bool:
    if value or ctx.parent is None:  # the outermost command starts afresh, those inside only add
        console.set_quiet(value)
    return value


def _act_debug(ctx: typer.Context, value: bool) -> bool:
    if value or ctx.parent is None:
        console.set_debug(value)
    return value


def _check_device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise UsageError(f"--device {value}: no such device", "use auto, cpu, cuda or cuda:N")
    return value


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no notices; warnings stay.", callback=_act_quiet)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", callback=_act_debug)]
Device = Annotated[
    str,
    typer.Option(
        help="auto takes the GPU where there is one.", metavar="auto|cpu|cuda[:N]", callback=_check_device
    ),
]
Preset = Annotated[str, typer.Option(help="Name (cltdr presets list) or its YAML file.", metavar="NAME|FILE")]
Checkpoint = Annotated[
    Path | None,
    typer.Option(help="Checkpoint of cltdr train or cltdr convert; it carries its preset.", metavar="FILE"),
]
Reader = Annotated[Literal["auto", "pyav", "decord"], typer.Option(help="Video decoder; all give equal frames.")]
Precision = Annotated[Literal["fp32", "fp16", "bf16", "int8"], typer.Option(help="Arithmetic of the extractor.")]
Backend = Annotated[Literal["torch", "openvino"], typer.Option(help="What runs the extractor on a CPU.")]
BatchSize = Annotated[int, typer.Option(help="Clips (or training samples) computed together.", min=1)]
Flow = Annotated[
    Literal["tvl1", "raft"] | None,
    typer.Option(help="Optical flow, in place of the preset's; another kind needs --force.", show_default=False),
]
Force = Annotated[
    bool, typer.Option("--force", help="Take features of another extractor or flow, if width and grid fit.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Redo what is already there.")]


class Format(str, Enum):
    """Formats of results; the words are the keys of ``writers.WRITERS``."""

    JSON = "json"
    CSV = "csv"
    SRT = "srt"
    VTT = "vtt"


Strict = Annotated[bool, typer.Option("--strict", help="A stream that breaks midway is an error, not a warning.")]
AcceptLicense = Annotated[
    bool, typer.Option("--accept-license", help="Accept the licence of weights that are not free for every use.")
]


def resolve_device(name: str) -> torch.device:
    """The device of ``--device``: ``auto`` is the GPU where PyTorch can use one, else the CPU.

    Raises:
        UsageError: The GPU asked for is not there.
    """
    import torch

    count = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if count else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UsageError(
            f"--device {name}: PyTorch sees {count or 'no'} GPU{'s' if count > 1 else ''}",
            "use --device cpu, or see cltdr doctor",
        )
    return device
