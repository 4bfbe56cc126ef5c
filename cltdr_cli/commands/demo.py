"""cltdr demo: draw the demo world."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Quiet

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def demo() -> None:
    """The drawn demo world: videos of a jointed figure, with exact annotations."""


@app.command()
def make(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Gets videos/*.mp4 and annotations.json.")],
    videos: Annotated[int, typer.Option(min=1, help="Number of videos, 20 to 60 seconds each.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same world.")],
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Split that these videos belong to.")
    ] = "train",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that draw. [default: one per core]", show_default=False)
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw DIR/videos/*.mp4 and DIR/annotations.json (ActivityNet layout); finished videos are kept."""
    from cltdr_cli.demo.world import make_world

    typer.echo(make_world(folder, videos, seed, split, workers or os.cpu_count() or 1, console.REPORTER))
