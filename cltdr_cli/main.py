"""The command line: the table of subcommands, and the one place where errors become messages and exit statuses.

A subcommand's module is imported when it is called, so ``cltdr --help`` needs this table and nothing else.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import sys
import traceback
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from cltdr_cli import __version__, console
from cltdr_cli.allocation import keep_freed_memory
from cltdr_cli.commands.local_files import with_local_files
from cltdr_cli.commands.options import Debug, Quiet
from cltdr_cli.errors import CltdrError, UsageError


@dataclass(frozen=True)
class Subcommand:
    """Where a subcommand is: the function or Typer app ``attribute`` of ``cltdr_cli.commands.<module>``."""

    module: str
    attribute: str
    help: str


SUBCOMMANDS = {
    "detect": Subcommand("detect", "detect", "Find actions in videos (or feature files): when, what, how sure."),
    "watch": Subcommand("watch", "watch", "Find actions in a camera, stream or file while it plays."),
    "report": Subcommand("report", "report", "Show results as web pages: video, timeline, list."),
    "review": Subcommand("review", "review", "Correct results in the browser; saved beside them."),
    "extract-features": Subcommand("extract_features", "extract_features", "Turn videos into feature files."),
    "train": Subcommand("train", "train", "Train a localizer on features and annotations."),
    "sensitivity": Subcommand("sensitivity", "sensitivity", "Show what a run learned of action sensitivity."),
    "eval": Subcommand("eval", "evaluate", "Score detections by the protocols of the data sets."),
    "convert": Subcommand("convert", "convert", "Turn a published checkpoint into ours."),
    "convert-annotations": Subcommand(
        "convert_annotations", "convert_annotations", "Turn annotations of one tool into those of another."
    ),
    "clips": Subcommand("clips", "clips", "Cut the segments of a video into files."),
    "render": Subcommand("render", "render", "Burn labels and a time line into a video."),
    "presets": Subcommand("presets", "app", "List and show presets: complete settings of a published result."),
    "extractors": Subcommand("extractors", "extractors", "List feature extractors and their conventions."),
    "weights": Subcommand("weights", "app", "List, download, verify and add weights."),
    "features": Subcommand("features", "app", "Look into and check folders of features."),
    "datasets": Subcommand("datasets", "app", "List data sets; check annotations before training."),
    "demo": Subcommand("demo", "app", "Draw the demo world: videos with known actions."),
    "bench": Subcommand("bench", "app", "Measure how fast this machine is."),
    "doctor": Subcommand("doctor", "doctor", "Say what this machine can do."),
}
"""Every subcommand, in the order of ``cltdr --help``."""


class SubcommandTable(TyperGroup):
    """Imports a subcommand when it is called, and turns errors into messages and exit statuses."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride] # typer.Context is typer's public name of the same class
        """Names of the subcommands that this installation has."""
        return [name for name, subcommand in SUBCOMMANDS.items() if is_installed(subcommand)]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] # as above
        """The subcommand of that name, imported now; None if there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return load_subcommand(cmd_name)

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # as above
        """Write the list of commands from the table above: importing every module for one line would be slow."""
        rows = [(name, SUBCOMMANDS[name].help) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] # as above
        """Find the command that the first word names; a mistyped one is answered with the nearest name."""
        names = self.list_commands(ctx)
        if args[0] in names or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        near = difflib.get_close_matches(args[0], names, 1)
        hint = f"did you mean: cltdr {near[0]}" if near else "cltdr --help lists the commands"
        raise UsageError(f"no such command: {args[0]}", hint)

    def invoke(self, ctx: typer.Context) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] # as above
        """Run the subcommand. Expected errors end here, unexpected ones in ``main``."""
        try:
            return super().invoke(ctx)
        except (CltdrError, KeyboardInterrupt, BrokenPipeError) as error:
            raise typer.Exit(report(error)) from error


app = typer.Typer(
    cls=SubcommandTable,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def load_subcommand(name: str) -> Any:
    """Import one subcommand as the command object that typer runs."""
    subcommand = SUBCOMMANDS[name]
    found = getattr(importlib.import_module(f"cltdr_cli.commands.{subcommand.module}"), subcommand.attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, _make_app()
        found.command(name)(function)
    command = typer.main.get_command(found)
    command.name = name
    return with_local_files(command)


def report(error: BaseException) -> int:
    """Show the user what went wrong; returns the exit status."""
    if console.is_debug():
        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):
        return _leave_broken_pipe()
    if isinstance(error, KeyboardInterrupt):
        console.warning("stopped; nothing half-written")
        return 130
    if isinstance(error, CltdrError):
        console.error_panel(error)
        return error.exit_code
    facts = f"unexpected error: {type(error).__name__}: {error}"
    console.error_panel(
        CltdrError(facts, "This is an error in cltdr: run again with --debug and report what it prints.")
    )
    return 1


def main() -> NoReturn:
    """Run the command line and exit: the entry point of the ``cltdr`` script."""
    # Threads of PyTorch that wait for each other shall sleep, not spin: the decoder and other programs need the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue] # a text file, unless replaced by a test
    try:
        typer.main.get_command(app).main(prog_name="cltdr")
        sys.stdout.flush()
        status = 0
    except SystemExit as end:
        status = end.code
    except BaseException as error:  # whatever it is, the user gets one panel and no stack of frames
        status = report(error)
    sys.exit(status)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cltdr {__version__}")
        raise typer.Exit


@app.callback()
def every_command(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Temporal action localization on raw video: what happens when in long, untrimmed footage."""


def _make_app() -> typer.Typer:
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def is_installed(subcommand: Subcommand) -> bool:
    """Whether this installation has the module of a subcommand."""
    return importlib.util.find_spec(f"cltdr_cli.commands.{subcommand.module}") is not None


def _leave_broken_pipe() -> int:
    """Exit quietly where the reader of stdout is gone (``cltdr presets list | head``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
