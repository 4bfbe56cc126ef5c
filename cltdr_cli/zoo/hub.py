"""Weights of timm's networks from the Hugging Face hub, which keeps them in our cache folder and checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cltdr_cli.errors import UsageError, WeightsError
from cltdr_cli.zoo.manifest import cache_folder

PREFIX = "timm:"
FILE = "model.safetensors"


def is_hub_name(name: str) -> bool:
    """Whether weights are of a network of timm, by the name of its extractor."""
    return name.startswith(PREFIX)


def describe_hub_weights(name: str) -> tuple[str, str]:
    """Where the weights lie, and their licence.

    Raises:
        WeightsError: timm names no place.
    """
    config = _read_config(name)
    if not config.hf_hub_id:
        raise WeightsError(
            f"timm names no place on the Hugging Face hub for the weights of {name}.", "Give a file as weights=."
        )
    return f"huggingface.co/{config.hf_hub_id}", config.license or "unknown licence"


def ensure_hub_weights(name: str, *, allow_download: bool) -> Path:
    """The file of a network's weights, downloaded if need be and allowed.

    Args:
        name: ``timm:`` and a name of timm.
        allow_download: False never touches the network.

    Raises:
        WeightsError: It is not here and not to be downloaded, or the download failed.
        UsageError: timm is not installed, or has no such network.
    """
    import huggingface_hub

    place, licence = describe_hub_weights(name)
    repository = place.removeprefix("huggingface.co/")
    try:
        found = huggingface_hub.hf_hub_download(
            repository, FILE, cache_dir=cache_folder() / "hub", local_files_only=not allow_download
        )
    except Exception as error:  # the hub's client raises errors of its own, of its web client, and of the system
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        reason = f"the download failed: {said}" if allow_download else "and nothing may be downloaded now"
        raise WeightsError(
            f"The weights of {name} ({licence}) are not here, {reason}.",
            f"Fetch {FILE} from https://{place} by hand and give it as weights=, or try again with the network.",
        ) from error
    return Path(found)


def _read_config(name: str) -> Any:
    from extractors.timm_networks import TimmMissingError, read_config

    try:
        return read_config(name)
    except TimmMissingError as error:
        raise explain_missing_timm() from error
    except ValueError as error:
        raise UsageError(f"{error}.", "https://huggingface.co/timm lists the networks.") from error


def explain_missing_timm() -> UsageError:
    """The error where timm is not installed."""
    return UsageError(
        "Extractors timm:NAME need the package timm, which is not installed.", "pip install 'cltdr-cli[frames]'"
    )
