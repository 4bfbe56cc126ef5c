"""Options that several commands take, so that help reads alike everywhere. Imports nothing heavy.

Every command takes ``quiet: Quiet = False`` and ``debug: Debug = False``; they act when they are parsed, so a
command has nothing more to do with them. Both are also taken before the command: ``cltdr --quiet detect ...``.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.zoo.devices import check_device_name
from cltdr_cli.zoo.devices import (
    resolve_device as resolve_device,  # for the commands that load networks themselves
)


def _set_quiet(ctx: typer.Context, value: bool) -> bool:
    if value or ctx.parent is None:  # the outermost command starts afresh, those inside only add
        console.set_quiet(value)
    return value


def _set_debug(ctx: typer.Context, value: bool) -> bool:
    if value or ctx.parent is None:
        console.set_debug(value)
    return value


Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no notices; warnings stay.", callback=_set_quiet)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", callback=_set_debug)]
Device = Annotated[
    str,
    typer.Option(
        help="auto takes the GPU where there is one.", metavar="auto|cpu|cuda[:N]", callback=check_device_name
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


class Format(str, Enum):  # typer takes no list of Literal
    """Formats of results; the words are the keys of ``writers.WRITERS``."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    SRT = "srt"
    VTT = "vtt"
    SVG = "svg"
    HTML = "html"


Strict = Annotated[bool, typer.Option("--strict", help="A stream that breaks midway is an error, not a warning.")]
AcceptLicense = Annotated[
    bool, typer.Option("--accept-license", help="Accept the licence of weights that are not free for every use.")
]
VideoScores = Annotated[
    Path | None, typer.Option(help="Class scores of whole videos, for class-agnostic presets.", metavar="FILE")
]
Dataset = Annotated[str, typer.Option(help="Data set (cltdr datasets lists them), or custom.", metavar="NAME")]
DatasetOrRuns = Annotated[
    str | None,
    typer.Option(
        "--dataset", help="Data set (cltdr datasets lists them), or custom.", metavar="NAME", show_default=False
    ),
]
AnnotationFile = Annotated[
    Path | None,
    typer.Option(help="JSON, CSV, THUMOS folder, or folder of one label per frame.", metavar="FILE"),
]
Rate = Annotated[
    float | None,
    typer.Option(help="Frames per second, where the annotation does not say it.", metavar="RATE", show_default=False),
]
Background = Annotated[
    list[str],
    typer.Option(help="Label that is no action, where every frame has one; repeatable.", metavar="NAME"),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of data sets (see cltdr datasets).", metavar="DIR", envvar="CLTDR_DATA"),
]
ClassList = Annotated[
    Path | None, typer.Option(help="Class names, one a line, in place of the data set's.", metavar="FILE")
]
VideoInfo = Annotated[
    list[Path],
    typer.Option(help="CSV of durations, rates or subsets, or train.split1.bundle; repeatable. Published ones beside "
                 "the annotation are found.", metavar="FILE"),
]  # fmt: skip
VideoFile = Annotated[Path, typer.Argument(help="The video.", metavar="VIDEO")]
SegmentsFile = Annotated[
    Path, typer.Argument(help="Detections or annotations, in any readable format.", metavar="SEGMENTS")
]
FromFormat = Annotated[
    str | None,
    typer.Option("--from", "--from-format", help="Format of the segments; else told by content.", metavar="FORMAT"),
]
FramesPerSecond = Annotated[float | None, typer.Option(help="Frames per second, where frames are counted.", min=0.001)]
Tiers = Annotated[
    list[str],
    typer.Option(
        help="Only this tier; =LABEL renames its segments ({value}, {tier} are filled in); repeatable.",
        metavar="NAME[=LABEL]",
    ),
]
LeastScore = Annotated[
    float | None,
    typer.Option(
        help="Leave out segments with a lower score. [default: the results' display score]", show_default=False
    ),
]
OnlyLabels = Annotated[str | None, typer.Option(help="Only these, separated by commas.", metavar="A,B")]
FontFile = Annotated[
    Path | None, typer.Option(help="Font of the text, where the usual one lacks letters.", metavar="FILE")
]
