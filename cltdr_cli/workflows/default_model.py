"""Which detector is used where none is named: an installed one, one that is downloaded now, or the bundled demo."""

from __future__ import annotations

from cltdr_cli.errors import NoConnectionError, WeightsError
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.zoo import weights
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.load import DEMO, choose_installed

PRESET = "kinetics600-movinet-a2"
WEIGHTS = "movinet-a2-stream"

_CHOOSE = "`cltdr presets list` names other detectors, preset= takes one."


def choose_default_preset(models: ModelSources, download: bool | None, report: Reporter = SILENT) -> str:
    """Name of the preset that is used where none is named.

    Args:
        models: Where its weights come from.
        download: Whether a detector may be downloaded where none is installed. False takes the bundled demo
            instead, as does ``CLTDR_OFFLINE=1``; None is an error that says what to do.
        report: Hears of the download.

    Raises:
        WeightsError: None is installed and ``download`` is None; or the download failed.
    """
    installed = choose_installed(models)
    if installed is not None:
        return installed
    if download is False or weights.is_offline():
        return DEMO
    if download is None:
        raise _explain_nothing_installed()
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


def _explain_nothing_installed() -> WeightsError:
    return WeightsError(
        "No detector of real actions is installed, and without a terminal nothing is downloaded unasked.",
        f"Install one: `cltdr weights download {WEIGHTS}` ({weights.entry(WEIGHTS).megabytes} MB, 600 everyday "
        "actions).\nOr let download= fetch it, or name preset= demo for the bundled model of drawn figures.",
    )
