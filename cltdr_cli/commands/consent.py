"""Weights for a command: the licence is shown and agreed to, the download draws its progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli import console

if TYPE_CHECKING:
    from cltdr_cli.zoo.manifest import WeightsEntry

Counter = Callable[[int, "int | None"], None]
"""Takes the bytes received, and the total where it is known."""


def obtain(name: str, *, accept_license: bool = False) -> Path:
    """The verified file of these weights: downloaded if absent, if the network and the user allow it.

    Raises:
        WeightsError: As ``zoo.weights.ensure`` says.
    """
    from cltdr_cli.zoo import weights

    found = weights.entry(name)
    if weights.state(name) == "absent" and found.url is not None and not weights.is_offline():
        console.notice(f"fetching the weights {name} ({found.licence}) from {found.origin}")

    def ensure(on_progress: Counter) -> Path:
        return weights.ensure(name, allow_download=True, agree=agreement(accept_license), on_progress=on_progress)

    return with_progress(name, ensure)


def download(name: str, *, accept_license: bool) -> Path:
    """Download these weights again, whatever is there.

    Raises:
        WeightsError: As ``zoo.weights.download`` says.
    """
    from cltdr_cli.zoo import weights

    def fetch(on_progress: Counter) -> Path:
        return weights.download(name, agree=agreement(accept_license), on_progress=on_progress)

    return with_progress(name, fetch)


def with_progress(name: str, work: Callable[[Counter], Path]) -> Path:
    """Run a download under a bar that counts megabytes."""
    with console.progress(f"downloading {name}", None, "MB") as bar:
        return work(lambda come, total: bar.update(come / 1e6, total / 1e6 if total else None))


def agreement(accept_license: bool) -> Callable[[WeightsEntry], bool]:
    """Show a licence that excludes uses, also when quiet; yes if accepted by option or on the terminal."""

    def agree(entry: WeightsEntry) -> bool:
        console.warning(f"the weights {entry.name} from {entry.origin} are under {entry.licence}\n{entry.note}")
        return accept_license or console.confirm("Do you agree to this licence?")

    return agree
