"""cltdr review: correct results in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, Quiet


def review(
    segments: Annotated[
        Path, typer.Argument(help="Results of cltdr detect: JSON, CSV, or a folder of them.", metavar="SEGMENTS|DIR")
    ],
    video: Annotated[Path | None, typer.Option(help="The video.", metavar="FILE")] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos, found by their names.", metavar="DIR")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of this machine; 0 takes a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--no-thumbnails", help="Pictures at the starts of segments.")
    ] = True,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Correct results in the browser: drag edges, split, merge, delete, relabel, add.

    The page is served to this machine only, at an address that cannot be guessed. What is saved goes to
    *.reviewed.json beside the results, which stay as they are; cltdr train and cltdr eval take it as --annotations.
    """
    from cltdr_cli.workflows.review import open_review

    server = open_review(
        segments, video=video, videos=videos, port=port, thumbnails=thumbnails, report=console.REPORTER
    )
    typer.echo(server.url)
    console.notice("Ctrl-C ends it.")
    if browser:
        import webbrowser

        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        console.notice("ended; what was saved is on the disk")
    finally:
        server.server_close()
