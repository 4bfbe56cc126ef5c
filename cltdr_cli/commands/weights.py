"""``cltdr weights``: what there is, what is here, and how it gets here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import AcceptLicense, Debug, Device, Quiet
from cltdr_cli.errors import CltdrError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Name in cltdr weights list.", metavar="NAME")]
Names = Annotated[list[str], typer.Argument(help="Names in cltdr weights list.", metavar="NAME")]


@app.callback()
def weights() -> None:
    """List, download, verify and add weights. They live in $CLTDR_HOME; CLTDR_OFFLINE=1 stays off the network."""


@app.command("list")
def list_weights(device: Device = "auto", quiet: Quiet = False, debug: Debug = False) -> None:
    """List the weights that cltdr knows, and which of them are here."""
    from cltdr_cli.zoo.detectors import installed_detectors, list_published_detectors
    from cltdr_cli.zoo.weights import manifest, state

    rows = [
        (e.name, e.megabytes or "-", e.licence, _uses(e.non_commercial), state(e.name), e.origin)
        for e in manifest().values()
    ]
    installed = installed_detectors()
    rows += [
        (name, "", found.licence, _uses(False), "installed" if name in installed else "by hand", found.origin)
        for name, found in list_published_detectors().items()
    ]
    console.table("", ("name", "MB", "licence", "uses", "state", "origin"), rows)
    for preset, file in installed.items():
        console.notice(f"installed detector: {preset} ({file})")


@app.command()
def download(
    names: Names,
    accept_license: AcceptLicense = False,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Download weights and verify them before they get their name."""
    from cltdr_cli.workflows.downloads import download_weights
    from cltdr_cli.zoo.weights import entry, verify_one

    def get(name: str) -> None:
        if verify_one(name, trust_record=True).error is None:
            console.notice(f"{name}: already here and verified")
            return
        path = download_weights(name, accept_license=accept_license, report=console.REPORTER)
        console.notice(f"{name}: {path}")
        if not entry(name).is_pinned:
            sha256 = verify_one(name, trust_record=True).digests["sha256"]
            console.notice(f"{name}: no whole digest is published; this file's is recorded: sha256 {sha256}")

    _each(names, get)


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Default: all here.", metavar="[NAME]")] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Hash files of weights again and compare them with the manifest."""
    from cltdr_cli.zoo.weights import manifest, state, verify_one

    wanted = names or [name for name in manifest() if state(name) != "absent"]
    rows: list[tuple[str, str, str]] = []

    def check(name: str) -> None:
        found = verify_one(name, trust_record=False)
        if found.error is not None:
            raise found.error
        verdict = "right" if not found.is_first_use else "recorded (no whole digest is published)"
        rows.append((name, verdict, f"sha256 {found.digests['sha256']}"))

    try:
        _each(wanted, check)
    finally:
        console.table("" if rows else "no weights are right, or none are here", ("name", "file", "digest"), rows)


@app.command()
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The file that you fetched.", metavar="FILE")],
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Verify a file fetched by hand, and copy it to its place.

    NAME may also be a preset: then FILE is a checkpoint of it (cltdr convert, cltdr train), and cltdr detect
    uses it whenever that preset is named, or where no preset is.
    """
    from cltdr_cli.zoo import catalog
    from cltdr_cli.zoo.detectors import add_detector
    from cltdr_cli.zoo.weights import add as add_file
    from cltdr_cli.zoo.weights import manifest

    is_detector = name in catalog.presets() and name not in manifest()
    place = add_detector(name, file) if is_detector else add_file(name, file)
    console.notice(f"{name}: {place}")


@app.command()
def path(
    name: Annotated[str | None, typer.Argument(help="Default: the folder of all.", metavar="[NAME]")] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print where a file of weights belongs, there or not."""
    from cltdr_cli.zoo.weights import cache_folder, weights_path

    typer.echo(str(weights_path(name) if name else cache_folder()))


def _each(names: list[str], work: Callable[[str], None]) -> None:
    """Do the work for every name; one that fails is told and does not stop the rest."""
    errors = 0
    for name in names:
        try:
            work(name)
        except CltdrError as error:
            console.error_panel(error)
            errors += 1
    if errors:
        raise typer.Exit(1)


def _uses(non_commercial: bool) -> str:
    return "non-commercial" if non_commercial else "any"
