"""Which detector is used where none is named: an installed one, one that is downloaded now, or the bundled demo."""

from __future__ import annotations

from cltdr_cli.errors import NoConnectionError
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.zoo import weights
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.load import DEMO, choose_installed

PRESET = "kinetics600-movinet-a2"
WEIGHTS = "movinet-a2-stream"

_CHOOSE = "`cltdr presets list` names other detectors, preset= takes one."


def choose_default_preset(models: ModelSources, download: bool, report: Reporter = SILENT) -> str:
    """Name of the preset that is used where none is named.

    Args:
        models: Where its weights come from.
        download: Whether a detector may be downloaded where none is installed; else the bundled demo is taken, as it
            is with ``CLTDR_OFFLINE=1``. It says itself how to get a detector of real actions.
        report: Hears of the download.

    Raises:
        WeightsError: The download failed.
    """
    installed = choose_installed(models)
    if installed is not None:
        return installed
    if not download:
        return DEMO
    if weights.is_offline():
        report.notice("CLTDR_OFFLINE is set, so no detector of real actions is downloaded.")
        return DEMO
    try:
        _download(models, report)
    except NoConnectionError as error:
        report.warning(f"{error.message}\nthe bundled demo model is used instead")
        return DEMO
    return PRESET


def _download(models: ModelSources, report: Reporter) -> None:
    report.notice(
        f"no detector is installed: taking {PRESET}, which names 600 everyday actions "
        f"({weights.entry(WEIGHTS).megabytes} MB, downloaded once). {_CHOOSE}"
    )
    models.fetch(WEIGHTS)
