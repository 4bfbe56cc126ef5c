"""Shape and type of feature files before their numbers are read, and whether all numbers can be there."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cltdr_cli.features.arrays import chosen_keys, is_feature_file, stored_array

Header = tuple[tuple[int, ...], np.dtype[Any]]


def stored_header(path: Path, keys: Sequence[str] = ()) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of ``stored_array``; most kinds tell it without reading the numbers.

    Raises:
        FeatureError: As ``stored_array``.
        UsageError: Its kind needs a package that is not installed.
    """
    reader = _HEADERS.get(path.suffix.lower())
    headers = reader(path, keys) if reader is not None and is_feature_file(path) else []
    if len(headers) == 1:
        return headers[0]
    array = stored_array(path, keys)
    return array.shape, array.dtype


def is_whole(path: Path, shape: tuple[int, int]) -> bool:
    """Whether a ``.npy`` file holds all bytes of a float32 array of that shape, judged by header and size."""
    try:
        with path.open("rb") as file:
            found, fortran_order, dtype = _npy_header(file)
            complete = path.stat().st_size == file.tell() + math.prod(found) * dtype.itemsize
    except (OSError, ValueError, EOFError):
        return False
    return complete and found == shape and dtype == np.dtype("<f4") and not fortran_order


def _header_npy(path: Path, keys: Sequence[str]) -> list[Header]:
    try:
        with path.open("rb") as file:
            shape, _, dtype = _npy_header(file)
            held = path.stat().st_size - file.tell()
    except (OSError, ValueError, EOFError):
        return []  # the whole reader finds the words for it
    return [(shape, dtype)] if held == math.prod(shape) * dtype.itemsize and not dtype.hasobject else []


def _header_npz(path: Path, keys: Sequence[str]) -> list[Header]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            return [_npz_header(archive, f"{name}.npy") for name in chosen_keys(names, keys, path)]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return []


def _npz_header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as member:
        shape, _, dtype = _npy_header(member)
        return shape, dtype


def _header_hdf5(path: Path, keys: Sequence[str]) -> list[Header]:
    from cltdr_cli.features.hdf5 import hdf5_header

    return hdf5_header(path, lambda there: chosen_keys(there, keys, path))


def _header_zarr(path: Path, keys: Sequence[str]) -> list[Header]:
    from cltdr_cli.features.zarr_store import zarr_header

    return zarr_header(path, lambda there: chosen_keys(there, keys, path))


def _npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(file)
    if major == 1:
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


_HEADERS: dict[str, Callable[[Path, Sequence[str]], list[Header]]] = {
    ".npy": _header_npy,
    ".npz": _header_npz,
    ".h5": _header_hdf5,
    ".hdf5": _header_hdf5,
    ".zarr": _header_zarr,
}
"""Kinds whose shape is told before their numbers; an empty list where only reading them all can tell."""
