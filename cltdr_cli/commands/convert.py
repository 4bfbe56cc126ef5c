"""cltdr convert: a published checkpoint becomes ours, with its preset and labels inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, Quiet
from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    from cltdr_cli.zoo.preset import Preset


def convert(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="Published file (.pth.tar, .pkl, .ckpt, .safetensors).", metavar="CHECKPOINT.pth.tar"),
    ],
    out: Annotated[Path, typer.Option(help="Our checkpoint.", metavar="FILE.safetensors")],
    config: Annotated[
        Path | None, typer.Option(help="The published config it was trained with.", metavar="CONFIG.yaml")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Or a preset of ours with the same numbers.", metavar="NAME|FILE.yaml")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Class names, one a line, in index order; else numbers.", metavar="FILE")
    ] = None,
    weights: Annotated[
        Literal["ema", "raw"],
        typer.Option(help="Averaged weights, which published numbers are of, or those of the last step."),
    ] = "ema",
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn a published checkpoint (its averaged weights, where it has them) and its config into one of ours.

    The method is told by the config's model_name, or else by the checkpoint's keys.
    """
    from cltdr_cli.files import check_writable
    from cltdr_cli.zoo.checkpoint import save_checkpoint
    from cltdr_cli.zoo.convert import convert_state, read_published_state
    from cltdr_cli.zoo.digests import file_digests
    from cltdr_cli.zoo.preset import load_preset
    from cltdr_cli.zoo.published import preset_from_published
    from cltdr_cli.zoo.state_dict import load_state_dict

    _check_choice(config, preset)
    _check_files(checkpoint, out)
    check_writable(out)
    content = load_state_dict(checkpoint)
    chosen = None if preset is None else load_preset(preset)
    published = read_published_state(content, checkpoint.name, chosen, weights)
    settings = chosen or preset_from_published(str(config), None, published.state)
    names, numbers = _choose_labels(labels, settings)
    state = convert_state(published.state, settings)
    facts = {
        "trained": True,
        "source": checkpoint.name,
        "source_sha256": file_digests(checkpoint)["sha256"],
        "epoch": content.get("epoch") if isinstance(content.get("epoch"), int) else None,
        **({} if numbers is None else {"label_ids": list(numbers)}),
    }
    save_checkpoint(out, state, settings, names, facts)
    if published.note:
        console.notice(published.note)
    console.notice(f"{out}: {len(state)} tensors of {checkpoint.name}, {len(names)} classes")
    console.notice(f"use it: cltdr detect VIDEO --checkpoint {out}")


def _check_choice(config: Path | None, preset: str | None) -> None:
    if (config is None) == (preset is None):
        raise UsageError(
            "Exactly one of --config and --preset says how the checkpoint was built.",
            "--config takes the published YAML file; --preset one of `cltdr presets list`.",
        )


def _check_files(checkpoint: Path, out: Path) -> None:
    from cltdr_cli.zoo.checkpoint import is_checkpoint

    if is_checkpoint(checkpoint):
        raise UsageError(
            f"{checkpoint} is a checkpoint of cltdr already.", f"Use it: cltdr detect VIDEO --checkpoint {checkpoint}"
        )
    if out.exists() and checkpoint.exists() and out.samefile(checkpoint):
        raise UsageError(f"{out} is the file to be converted.", "Give another name as --out.")


def _choose_labels(file: Path | None, settings: Preset) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """Class names, and the numbers that the file writes beside them; None where it has names only."""
    from cltdr_cli.data.class_lists import read_numbered_class_list
    from cltdr_cli.zoo.labels import match_labels, read_labels

    classes = settings.model.num_classes
    if file is None:
        return settings.class_names or tuple(map(str, range(classes))), None
    names = read_labels(file)
    listed = read_numbered_class_list(file)
    return match_labels(names if listed.numbers is None else listed.names, classes, str(file)), listed.numbers
