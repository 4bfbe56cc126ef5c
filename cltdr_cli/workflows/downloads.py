"""Weights that are missing on this machine: the licence is shown, the download reports its progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cltdr_cli.errors import WeightsError
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.zoo import weights
from cltdr_cli.zoo.hub import describe_hub_weights, is_hub_name
from cltdr_cli.zoo.manifest import WeightsEntry


def fetch_weights(name: str, *, accept_license: bool = False, report: Reporter = SILENT) -> Path:
    """The verified file of these weights, downloaded if it is missing and the network and the licence allow it.

    Args:
        name: Key in the weights manifest.
        accept_license: Whether licences that exclude uses are agreed to; otherwise ``report`` asks.
        report: Hears of the download.

    Raises:
        WeightsError: As ``zoo.weights.ensure``.
    """
    if is_hub_name(name):
        return _fetch_from_hub(name, report)
    found = weights.entry(name)
    is_missing = weights.state(name) == "absent" and found.url is not None and not weights.is_offline()
    if is_missing:
        report.notice(f"fetching the weights {name} ({found.licence}) from {found.origin}")
    with report.progress(f"downloading {name}", None, "MB") as bar:
        path = weights.ensure(
            name,
            allow_download=True,
            agree=make_agreement(accept_license, report),
            on_progress=lambda done, total: bar.update(done / 1e6, total / 1e6 if total else None),
        )
    if is_missing and found.is_pinned:
        report.notice(f"{name}: the right file, {found.expected}")
    return path


def _fetch_from_hub(name: str, report: Reporter) -> Path:
    try:
        return weights.ensure(name, allow_download=False)
    except WeightsError:
        if weights.is_offline():
            raise
    place, licence = describe_hub_weights(name)
    report.notice(f"fetching the weights of {name} ({licence}) from {place}")
    return weights.ensure(name, allow_download=True)


def download_weights(name: str, *, accept_license: bool = False, report: Reporter = SILENT) -> Path:
    """Download these weights even if there is a file of them already; arguments as ``fetch_weights``.

    Raises:
        WeightsError: As ``zoo.weights.download``.
    """
    with report.progress(f"downloading {name}", None, "MB") as bar:
        return weights.download(
            name,
            agree=make_agreement(accept_license, report),
            on_progress=lambda done, total: bar.update(done / 1e6, total / 1e6 if total else None),
        )


def make_agreement(accept_license: bool, report: Reporter) -> Callable[[WeightsEntry], bool]:
    """Shows a licence that excludes uses, and says whether the user agrees: beforehand, or when asked."""

    def agree(entry: WeightsEntry) -> bool:
        report.warning(f"the weights {entry.name} from {entry.origin} are under {entry.licence}\n{entry.note}")
        return accept_license or report.confirm("Do you agree to this licence?")

    return agree
