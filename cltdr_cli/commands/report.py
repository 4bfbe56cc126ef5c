"""cltdr report: results as web pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, Quiet


def report(
    segments: Annotated[
        Path, typer.Argument(help="Results of cltdr detect: JSON, CSV, or a folder of them.", metavar="SEGMENTS")
    ],
    out: Annotated[Path, typer.Option(help="Page of one video, or a folder of pages.", metavar="FILE.html|DIR")],
    video: Annotated[Path | None, typer.Option(help="The video.", metavar="FILE")] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos, found by their names.", metavar="DIR")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Ground truth, shown beside the segments.", metavar="GT")
    ] = None,
    embed: Annotated[bool, typer.Option("--embed", help="Put videos into their pages instead of linking.")] = False,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--no-thumbnails", help="Pictures at the starts of segments.")
    ] = True,
    min_score: Annotated[
        float | None,
        typer.Option(help="Where the score slider begins.", min=0, max=1, show_default=False),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show results as web pages: player, timeline, list, and an editor. They need no network and no server.

    A folder gets one page per video and index.html, which lists them.
    """
    from cltdr_cli.workflows.report import report

    written = report(
        segments,
        out=out,
        video=video,
        videos=videos,
        annotations=annotations,
        embed=embed,
        thumbnails=thumbnails,
        min_score=min_score,
        report=console.REPORTER,
    )
    more = f" and {len(written) - 1} pages" if len(written) > 1 else ""
    console.notice(f"wrote {written[0]}{more}")
