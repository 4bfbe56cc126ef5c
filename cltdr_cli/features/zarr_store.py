"""Read and write features in zarr stores (a folder per video). Codecs that would load plug-ins are refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError, UsageError
from cltdr_cli.features.hdf5 import MOST_COMPRESSED, Choose, select_plain_facts

ARRAY_NAME = "feats"

_CHUNK_STEPS = 1024
_METADATA = (".zarray", "zarr.json")
"""Files that mark a folder as an array, in version 2 and 3 of the format."""

_LARGEST_METADATA_BYTES = 1_000_000
_COMPRESSORS = ("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd")
_CODECS = frozenset({*_COMPRESSORS, "bytes", "crc32", "crc32c", "delta", "shuffle", "transpose"})
"""Codecs that only turn bytes into bytes. ``pickle``, ``json2``, ``vlen-…`` make objects; others are plug-ins."""

_NUMBER_TYPES = re.compile(r"[<>|][fiuc]\d+|u?int(8|16|32|64)|float(16|32|64)")


def write_zarr(folder: Path, features: NDArray[np.float32], facts: Mapping[str, Any]) -> None:
    """Write one uncompressed array ``feats`` ``[T, C]`` of format 2, in chunks of whole steps.

    Missing chunks read as NaN, which no feature is, so that a lost chunk is noticed.

    Args:
        folder: An empty folder.
        features: float32 ``[T, C]``.
        facts: Texts and numbers become attributes.

    Raises:
        UsageError: zarr is not installed.
        OSError: The disk does not take it.
    """
    zarr = require_zarr()
    version: dict[str, Any] = {"zarr_format": 2} if int(zarr.__version__.split(".")[0]) >= 3 else {}
    zarr.open_group(str(folder), mode="w", **version)
    array = zarr.open_array(
        str(folder), path=ARRAY_NAME, mode="w", shape=features.shape, chunks=_choose_chunks(features.shape),
        dtype="<f4", compressor=None, fill_value=math.nan, **version,
    )  # fmt: skip
    array[:] = features
    array.attrs.update(select_plain_facts(facts))


def read_zarr(folder: Path, choose: Choose) -> dict[str, NDArray[Any]]:
    """Read arrays of a store, which is an array itself or a group of arrays.

    Args:
        folder: The store.
        choose: Chooses the names to read; a store that is an array itself has the name ''.

    Raises:
        FeatureError: Damaged, or an array holds objects or needs a foreign codec.
        UsageError: zarr is not installed.
    """
    zarr = require_zarr()
    found: dict[str, NDArray[Any]] = {}
    for name in choose(list_array_names(folder)):
        _check_array(folder / name)
        try:
            found[name] = np.asarray(zarr.open_array(str(folder / name), mode="r")[...])
        except Exception as error:  # each codec raises errors of its own
            said = " ".join(str(error).split())
            raise FeatureError(f"{folder}: damaged: {said}", "get or extract it again") from error
    return found


def read_zarr_header(folder: Path, choose: Choose) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shapes and types of the chosen arrays.

    Raises:
        FeatureError: As ``read_zarr``.
    """
    facts = [_check_array(folder / name) for name in choose(list_array_names(folder))]
    return [(tuple(fact["shape"]), np.dtype(fact.get("dtype") or fact["data_type"])) for fact in facts]


def zarr_is_whole(folder: Path, shape: tuple[int, int]) -> bool:
    """Whether a store written by ``write_zarr`` has all its chunks, judged by their names and sizes."""
    try:
        facts = _check_array(folder / ARRAY_NAME)
        sizes = {path.name: path.stat().st_size for path in (folder / ARRAY_NAME).iterdir()}
    except (FeatureError, OSError):
        return False
    rows, width = _choose_chunks(shape)
    wanted = {f"{place}.0" for place in range(math.ceil(shape[0] / rows))}
    written = (tuple(facts["shape"]), facts.get("dtype"), tuple(facts.get("chunks", ())), facts.get("compressor"))
    return written == (shape, "<f4", (rows, width), None) and all(
        sizes.get(name) == rows * width * 4 for name in wanted
    )


def list_array_names(folder: Path) -> list[str]:
    """Names of the arrays of a store; '' for a store that is an array itself."""
    if _is_array(folder):
        return [""]
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and _is_array(path))


def require_zarr() -> Any:
    """The package zarr.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        raise UsageError(
            "zarr stores need the package zarr, which is not installed", "pip install 'cltdr-cli[formats]'"
        ) from error
    return zarr


def _choose_chunks(shape: tuple[int, ...]) -> tuple[int, int]:
    return min(_CHUNK_STEPS, shape[0]), shape[1]


def _is_array(folder: Path) -> bool:
    path = folder / "zarr.json"
    return (folder / ".zarray").is_file() or (path.is_file() and _read_metadata(path).get("node_type") == "array")


def _read_metadata(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_METADATA_BYTES:
            raise ValueError("too long")
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            raise ValueError("no object")
    except (OSError, ValueError) as error:
        raise FeatureError(f"{path}: damaged: {error}", "get or extract it again") from error
    return content


def _check_array(folder: Path) -> dict[str, Any]:
    """Read the metadata of an array and refuse whatever holds more than numbers.

    zarr itself would load any codec that a file names from the installed packages.
    """
    if any(path.is_symlink() for path in [folder, *folder.rglob("*")]):
        raise _refuse(folder, "it holds a link, which may lead to any file")
    facts: dict[str, Any] = {}
    for path in (folder / name for name in _METADATA):
        if path.is_file():
            facts = _read_metadata(path)
            _check_kind(facts, path)
    if not facts:
        raise FeatureError(f"{folder}: damaged: it lacks {_METADATA[0]}", "get or extract it again")
    _check_size(folder, facts)
    return facts


def _check_kind(facts: dict[str, Any], path: Path) -> None:
    kind = facts.get("dtype") or facts.get("data_type")
    if not isinstance(kind, str) or not _NUMBER_TYPES.fullmatch(kind):
        raise _refuse(path, f"it holds {kind}, not numbers")
    strange = sorted({name for name in _list_codec_names(facts) if name not in _CODECS})
    if strange or facts.get("storage_transformers"):
        raise _refuse(path, f"it needs {', '.join(strange) or 'a storage transformer'} to be read")


def _list_codec_names(facts: dict[str, Any]) -> list[str]:
    """Codecs of an array: ``compressor`` and ``filters`` in version 2, ``codecs`` in version 3."""
    listed = [facts.get("compressor"), *(facts.get("filters") or []), *(facts.get("codecs") or [])]
    named = [codec.get("id") or codec.get("name") if isinstance(codec, dict) else codec for codec in listed]
    return [str(name) for name, codec in zip(named, listed, strict=True) if codec is not None]


def _check_size(folder: Path, facts: dict[str, Any]) -> None:
    shape = facts.get("shape")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise FeatureError(f"{folder}: damaged: its shape is {shape}", "get or extract it again")
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.name not in _METADATA)
    if math.prod(shape) > MOST_COMPRESSED * stored:
        raise FeatureError(f"{folder}: damaged: it lacks its numbers", "get or extract it again")


def _refuse(path: Path, reason: str) -> FeatureError:
    return FeatureError(f"{path}: refused: {reason}", "save the plain array with numpy.save")
