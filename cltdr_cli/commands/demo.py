"""cltdr demo: draw the demo world, and build the demo weights from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Quiet

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def demo() -> None:
    """The drawn demo world: videos of a jointed figure, with exact annotations."""


@app.command()
def make(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Gets videos/*.mp4 and annotations.json.")],
    videos: Annotated[int, typer.Option(min=1, help="How many videos, 20 to 60 seconds each.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same world.")],
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Subset of all these videos.")
    ] = "train",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that draw. [default: one per core]", show_default=False)
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw DIR/videos/*.mp4 and DIR/annotations.json (ActivityNet layout); finished videos are kept."""
    from cltdr_cli.demo.world import make_world

    finished = kept = 0
    with console.progress("drawing", videos, "videos") as bar:

        def report(video_id: str, drawn: bool) -> None:
            nonlocal finished, kept
            finished, kept = finished + 1, kept + (not drawn)
            bar.update(finished)

        annotations = make_world(folder, videos, seed, split, workers or os.cpu_count() or 1, report)
    console.notice(f"{finished - kept} videos drawn, {kept} kept")
    typer.echo(annotations)


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Everything is made here; 12 GB.")],
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also measure the localizer with parts switched off, three seeds.")
    ] = False,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Only write both files with random weights, labelled so.")
    ] = False,
    install: Annotated[
        Path | None,
        typer.Option(help="Then put both into this weights folder of a checkout.", metavar="DIR"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the worlds and the extractor.")] = 1,
    small: Annotated[
        int | None, typer.Option(min=1, help="So many videos only, to see that every stage works.", metavar="N")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: one per core]", show_default=False)
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make the demo weights from nothing: draw, train the extractor, extract, train the localizer, measure.

    A stopped build goes on where it was. DIR gets demo.safetensors, demo-localizer.safetensors and results.json.
    """
    from cltdr_cli.demo.bundle import install as put
    from cltdr_cli.demo.bundle import write_untrained

    if untrained:
        write_untrained(folder, seed)
    else:
        from cltdr_cli.demo.build import Build, BuildPlan, smaller

        plan = BuildPlan(seed=seed, extractor_seed=seed, workers=workers or os.cpu_count() or 1)
        plan = smaller(plan, small, steps=20) if small is not None else plan
        results = Build(folder, plan, console.notice).run(ablations=ablations)
        typer.echo(f"average mAP on {results['test']['videos']} test videos: {results['test']['average_mAP']:.4f}")
    if install is not None:
        put(folder, install)
