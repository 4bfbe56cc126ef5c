"""``cltdr doctor``: what this machine can do."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys

from cltdr_cli import __version__, console
from cltdr_cli.commands.options import Debug, Device, Quiet

_PACKAGES = ("torch", "torchvision", "transformers", "numpy", "pandas", "av", "decord", "openvino", "ray")


def doctor(device: Device = "auto", quiet: Quiet = False, debug: Debug = False) -> None:
    """Say what this machine can do: versions, readers, devices, backends, cached weights."""
    parts = [*_software(), *_readers(), *_devices(), *_backends(), *_cache()]
    console.table("this machine", ("part", "finding"), parts)
    here = _weights()
    console.table("weights that are here" + ("" if here else ": none"), ("name", "state", "file"), here)


def _software() -> list[tuple[str, str]]:
    system = f"{platform.system()} {platform.machine()}"
    rows = [("cltdr", __version__), ("Python", f"{platform.python_version()} on {system} ({sys.executable})")]
    return [*rows, *((name, _version(name)) for name in _PACKAGES)]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _readers() -> list[tuple[str, str]]:
    needed = {"pyav": "av", "decord": "decord"}
    return [(f"reader {reader}", _importable(module)) for reader, module in needed.items()]


def _backends() -> list[tuple[str, str]]:
    return [("backend torch", _importable("torch")), ("backend openvino", _importable("openvino"))]


def _importable(module: str) -> str:
    """Whether importing works; a compiled package can be installed and still not load."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken package may raise anything, and the doctor must go on
        return f"no: {type(error).__name__}: {error}"
    return "yes"


def _devices() -> list[tuple[str, str]]:
    try:
        import torch
    except Exception as error:  # as above
        return [("device", f"torch does not load: {error}")]
    rows = [("device cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads")]
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        rows.append((f"device cuda:{index}", f"{facts.name}, {facts.total_memory / 1e9:.1f} GB"))
    return rows if len(rows) > 1 else [*rows, ("device cuda", "none that PyTorch sees")]


def _cache() -> list[tuple[str, str]]:
    from cltdr_cli.zoo.weights import cache_folder, is_offline

    offline = "set: the network is never touched" if is_offline() else "not set"
    return [("cache folder (CLTDR_HOME)", str(cache_folder())), ("CLTDR_OFFLINE", offline)]


def _weights() -> list[tuple[str, str, str]]:
    from cltdr_cli.zoo.weights import manifest, state, weights_path

    here = [name for name in manifest() if state(name) != "absent"]
    return [(name, state(name), str(weights_path(name))) for name in here]
