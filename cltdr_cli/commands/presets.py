"""cltdr presets: what is in the box, and the settings of each preset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, Quiet

if TYPE_CHECKING:
    from cltdr_cli.zoo.preset import Preset

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="List and show presets: complete settings of a published result.",
)

_COLUMNS = ("name", "dataset", "features", "classes", "weights", "reported mAP %")


@app.command("list")
def list_presets(device: Device = "auto", quiet: Quiet = False, debug: Debug = False) -> None:
    """List the presets: what they find, from which features, and how well their authors say."""
    from cltdr_cli.zoo import catalog
    from cltdr_cli.zoo.preset import load_preset

    console.table("", _COLUMNS, [_row(load_preset(name)) for name in catalog.presets()])
    console.notice("cltdr presets show NAME prints one; copy it, change it, and give the file to --preset")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a preset.", metavar="NAME")],
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print a preset as it is, comments included."""
    from cltdr_cli.zoo import catalog

    typer.echo(catalog.preset_path(name).read_text(encoding="utf-8"), nl=False)


def _row(preset: Preset) -> tuple[object, ...]:
    reported = preset.reported.average_map_percent if preset.reported else "-"
    features = f"{preset.features.extractor} ({preset.features.width})"
    return preset.name, preset.benchmark.dataset, features, preset.model.num_classes, _weights(preset), reported


def _weights(preset: Preset) -> str:
    from cltdr_cli.methods import find_method

    if find_method(preset.method).build is None:
        return "the extractor's"
    return preset.weights or "none public"
