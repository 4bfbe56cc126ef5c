"""cltdr render: a copy of a video with labels and a moving time line burnt in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    Quiet,
    SegmentsFile,
    Tiers,
    VideoFile,
)


def render(
    video: VideoFile,
    segments: SegmentsFile,
    out: Annotated[Path, typer.Option(help="The copy (.mp4, .mov or .mkv).", metavar="FILE.mp4")],
    min_score: LeastScore = None,
    labels: OnlyLabels = None,
    from_format: FromFormat = None,
    fps: FramesPerSecond = None,
    tier: Tiers = [],  # noqa: B006 - typer copies it
    font: FontFile = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Burn labels and a moving time line into a copy of a video; its size, times and sound stay."""
    from cltdr_cli.workflows.render import render

    render(
        video,
        segments=segments,
        out=out,
        min_score=min_score,
        labels=labels,
        from_format=from_format,
        fps=fps,
        tier=tier,
        font=font,
        report=console.REPORTER,
    )
