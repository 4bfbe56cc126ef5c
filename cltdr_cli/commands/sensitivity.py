"""cltdr sensitivity: where in an action a run found that its class and its boundaries show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, Quiet

if TYPE_CHECKING:
    from cltdr_cli.workflows.sensitivity_plot import LearnedSensitivity

_COLUMNS = ("class", "class mu", "sigma", "start mu", "sigma", "end mu", "sigma")


def sensitivity(
    run: Annotated[Path, typer.Argument(help="Folder of a run with training.sensitivity=asl.", metavar="RUN")],
    out: Annotated[
        Path | None, typer.Option(help="Draw it: curves of every class, and how they changed.", metavar="FILE.png|svg")
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show what a training run learned of action sensitivity: for every class the place and width of its Gaussians.

    Places are relative: -0.5 is the start of an action, 0 its centre, 0.5 its end; widths are in lengths of the action.
    """
    from cltdr_cli.workflows.sensitivity import draw_sensitivity_file, read_sensitivity

    learned = read_sensitivity(run)
    if out is not None:
        draw_sensitivity_file(learned, out)
        console.notice(str(out))
    console.table(f"after epoch {learned.epochs[-1]}", _COLUMNS, _rows(learned))


def _rows(learned: LearnedSensitivity) -> list[tuple[str, ...]]:
    pairs = [pair for kind in zip(learned.mu[-1], learned.sigma[-1], strict=True) for pair in kind]
    return [(name, *(f"{values[place]:.3f}" for values in pairs)) for place, name in enumerate(learned.class_names)]
