"""What commands that run models share: where weights come from, with a progress bar and the licence shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.commands.consent import obtain
from cltdr_cli.commands.options import resolve_device
from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    from cltdr_cli.zoo.extractors import ModelSources


def model_sources(
    device: str,
    weights: Sequence[str] = (),
    precision: str = "fp32",
    *,
    extractor: str | None = None,
    option: str | None = None,
    accept: bool = False,
    flow: str | None = None,
    force: bool = False,
) -> ModelSources:
    """Where models come from, by the options of a command.

    Args:
        device: Value of ``--device``.
        weights: Values ``NAME=FILE`` of ``--extractor-weights``.
        precision: Value of ``--precision``.
        extractor: Name of the extractor, in place of the preset's.
        option: Preprocessing option of the extractor.
        accept: Whether licences that exclude uses are agreed to.
        flow: Value of ``--flow``: optical flow in place of the preset's.
        force: Whether features of another kind than the preset's are taken.

    Raises:
        UsageError: A value is no ``NAME=FILE``, or names an unknown extractor.
    """
    from cltdr_cli.zoo.extractors import ModelSources

    files = dict(_named_file(value) for value in weights)
    return ModelSources(
        resolve_device(device),
        files,
        precision,
        extractor,
        option,
        lambda name: obtain(name, accept_license=accept),
        flow,
        force,
    )


def _named_file(value: str) -> tuple[str, Path]:
    from cltdr_cli.zoo.extractors import extractor_record
    from cltdr_cli.zoo.manifest import manifest

    name, equals, file = value.partition("=")
    if not equals or not file:
        raise UsageError(f"--extractor-weights {value}: not NAME=FILE", "for instance: i3d-rgb=rgb_imagenet.pt")
    if name not in manifest():
        extractor_record(name)
    return name, Path(file)
