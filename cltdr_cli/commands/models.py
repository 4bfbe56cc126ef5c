"""What commands that run models share: where weights come from, with a progress bar and the licence shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli import console
from cltdr_cli.commands.options import resolve_device
from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    from cltdr_cli.zoo.load import ModelSources
    from cltdr_cli.zoo.manifest import WeightsEntry


def model_sources(
    device: str,
    weights: Sequence[str] = (),
    precision: str = "fp32",
    *,
    extractor: str | None = None,
    option: str | None = None,
    accept: bool = False,
) -> ModelSources:
    """Where models come from, by the options of a command.

    Args:
        device: Value of ``--device``.
        weights: Values ``NAME=FILE`` of ``--extractor-weights``.
        precision: Value of ``--precision``.
        extractor: Name of the extractor, in place of the preset's.
        option: Preprocessing option of the extractor.
        accept: Whether licences that exclude uses are agreed to.

    Raises:
        UsageError: A value is no ``NAME=FILE``, or names an unknown extractor.
    """
    from cltdr_cli.zoo.load import ModelSources

    files = dict(_named_file(value) for value in weights)
    return ModelSources(
        resolve_device(device), files, precision, extractor, option, lambda name: fetch_weights(name, accept)
    )


def fetch_weights(name: str, accept: bool = False) -> Path:
    """The verified file of a weights entry, downloaded if need be, with notice and progress.

    Raises:
        WeightsError: As ``cltdr_cli.zoo.weights.ensure``.
    """
    from cltdr_cli.zoo.weights import ensure, entry, is_offline, state

    if state(name) == "absent" and entry(name).url is not None and not is_offline():
        found = entry(name)
        console.notice(f"downloading {found.file} ({found.licence}) from {found.origin}")
    with console.progress(f"weights {name}", None, "bytes") as bar:
        return ensure(
            name,
            allow_download=True,
            agree=lambda found: accept or agreed(found),
            on_progress=lambda done, total: bar.update(done, total),
        )


def agreed(found: WeightsEntry) -> bool:
    """Show a licence that excludes uses, and ask; without a terminal the answer is no."""
    console.warning(f"{found.file} from {found.origin} is licensed {found.licence}: not for commercial use")
    return console.confirm("Download it under this licence?")


def _named_file(value: str) -> tuple[str, Path]:
    from cltdr_cli.zoo.load import extractor_record
    from cltdr_cli.zoo.manifest import manifest

    name, equals, file = value.partition("=")
    if not equals or not file:
        raise UsageError(f"--extractor-weights {value}: not NAME=FILE", "for instance: i3d-rgb=rgb_imagenet.pt")
    if name not in manifest():
        extractor_record(name)
    return name, Path(file)
