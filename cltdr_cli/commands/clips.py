"""cltdr clips: the segments of a video as files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import (
    Debug,
    Device,
    FontFile,
    FramesPerSecond,
    FromFormat,
    LeastScore,
    OnlyLabels,
    Overwrite,
    Quiet,
    SegmentsFile,
    Tiers,
    VideoFile,
)


def clips(
    video: VideoFile,
    segments: SegmentsFile,
    out: Annotated[Path, typer.Option(help="Folder of the clips and of clips.csv.", metavar="DIR")],
    pad: Annotated[float, typer.Option(help="Seconds more at both ends.", metavar="SECONDS", min=0)] = 0.0,
    min_score: LeastScore = None,
    labels: OnlyLabels = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Copy from the key frame before the start: quick, not exact.")
    ] = False,
    sheets: Annotated[
        Literal["webp", "gif"] | None, typer.Option(help="Also a moving contact sheet for each label.")
    ] = None,
    overwrite: Overwrite = False,
    from_format: FromFormat = None,
    fps: FramesPerSecond = None,
    tier: Tiers = [],  # noqa: B006 - typer copies it
    font: FontFile = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Cut the segments of a video into files, with sound: VIDEO_0012.3-0015.9_LABEL.mp4, and a table of them.

    Exact cuts are encoded anew, to the frame. Run again, the clips that are there already are kept.
    """
    from cltdr_cli.workflows.clips import clips

    summary = clips(
        video,
        segments=segments,
        out=out,
        pad=pad,
        min_score=min_score,
        labels=labels,
        fast=fast,
        sheets=sheets,
        overwrite=overwrite,
        from_format=from_format,
        fps=fps,
        tier=tier,
        font=font,
        report=console.REPORTER,
    )
    if summary.failures:
        raise typer.Exit(1)
