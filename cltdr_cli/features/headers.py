"""Shape and type of a feature file from its header, and whether the file is complete."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cltdr_cli.features.arrays import choose_keys, is_feature_file, read_stored_array

Header = tuple[tuple[int, ...], np.dtype[Any]]


def read_stored_header(path: Path, keys: Sequence[str] = ()) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array that ``read_stored_array`` would return; most formats tell them in a header.

    Raises:
        FeatureError: As ``read_stored_array``.
        UsageError: Its kind needs a package that is not installed.
    """
    reader = _HEADERS.get(path.suffix.lower())
    headers = reader(path, keys) if reader is not None and is_feature_file(path) else []
    if len(headers) == 1:
        return headers[0]
    array = read_stored_array(path, keys)
    return array.shape, array.dtype


def read_header_shape(path: Path, keys: Sequence[str] = ()) -> tuple[int, int] | None:
    """Steps and channels of a feature file from its header alone; None where only the whole file tells them.

    Raises:
        FeatureError: As ``read_stored_array``.
        UsageError: Its kind needs a package that is not installed.
    """
    reader = _HEADERS.get(path.suffix.lower())
    shapes = [shape for shape, _ in (reader(path, keys) if reader is not None and is_feature_file(path) else [])]
    if not shapes or any(len(shape) != 2 for shape in shapes):
        return None
    return min(shape[0] for shape in shapes), sum(shape[1] for shape in shapes)


def is_npy_whole(path: Path, shape: tuple[int, int]) -> bool:
    """Whether a ``.npy`` file holds all bytes of a float32 array of that shape, judged by header and size."""
    try:
        with path.open("rb") as file:
            found, fortran_order, dtype = _parse_npy_header(file)
            complete = path.stat().st_size == file.tell() + math.prod(found) * dtype.itemsize
    except (OSError, ValueError, EOFError):
        return False
    return complete and found == shape and dtype == np.dtype("<f4") and not fortran_order


def _read_npy_header(path: Path, keys: Sequence[str]) -> list[Header]:
    try:
        with path.open("rb") as file:
            shape, _, dtype = _parse_npy_header(file)
            held = path.stat().st_size - file.tell()
    except (OSError, ValueError, EOFError):
        return []  # reading the whole file gives the error message
    return [(shape, dtype)] if held == math.prod(shape) * dtype.itemsize and not dtype.hasobject else []


def _read_npz_header(path: Path, keys: Sequence[str]) -> list[Header]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            return [_read_npz_member_header(archive, f"{name}.npy") for name in choose_keys(names, keys, path)]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return []


def _read_npz_member_header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as member:
        shape, _, dtype = _parse_npy_header(member)
        return shape, dtype


def _read_hdf5_header(path: Path, keys: Sequence[str]) -> list[Header]:
    from cltdr_cli.features.hdf5 import read_hdf5_header

    return read_hdf5_header(path, lambda there: choose_keys(there, keys, path))


def _read_zarr_header(path: Path, keys: Sequence[str]) -> list[Header]:
    from cltdr_cli.features.zarr_store import read_zarr_header

    return read_zarr_header(path, lambda there: choose_keys(there, keys, path))


def _parse_npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(file)
    if major == 1:
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


_HEADERS: dict[str, Callable[[Path, Sequence[str]], list[Header]]] = {
    ".npy": _read_npy_header,
    ".npz": _read_npz_header,
    ".h5": _read_hdf5_header,
    ".hdf5": _read_hdf5_header,
    ".zarr": _read_zarr_header,
}
"""Readers of headers, by suffix. They return an empty list where the whole file must be read to know."""
