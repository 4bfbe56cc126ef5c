"""The formats in which features are written: how to write each, and how to tell quickly that a file is complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError, UsageError
from cltdr_cli.features.arrays import read_stored_array
from cltdr_cli.features.hdf5 import require_h5py, write_hdf5
from cltdr_cli.features.headers import is_npy_whole, read_stored_header
from cltdr_cli.features.sidecar import Sidecar
from cltdr_cli.features.zarr_store import require_zarr, write_zarr, zarr_is_whole
from cltdr_cli.files import replacing, replacing_folder

ARRAY_NAME = "feats"
"""Name of the array in formats that name arrays, as in the published EPIC-KITCHENS files."""


@dataclass(frozen=True)
class FeatureFormat:
    """One way to store features.

    Attributes:
        suffix: Suffix of its files.
        write: Writes float32 ``[T, C]`` to a path, with the sidecar's facts where the format can hold them.
        is_whole: Whether a path holds a complete float32 array of that shape, judged quickly.
        replacing: Gives a temporary path to write to and renames it at the end.
        require: Raises UsageError if a package that the format needs is not installed.
    """

    suffix: str
    write: Callable[[Path, NDArray[np.float32], Sidecar], None]
    is_whole: Callable[[Path, tuple[int, int]], bool]
    replacing: Callable[[Path], AbstractContextManager[Path]] = replacing
    require: Callable[[], object] = lambda: None


def find_format(name: str) -> FeatureFormat:
    """Find a format by name and check that its package is installed.

    Raises:
        UsageError: There is no such format, or a package that it needs is not installed.
    """
    if name not in WRITERS:
        raise UsageError(f"There is no feature format named {name!r}.", f"Choose one of {', '.join(WRITERS)}.")
    WRITERS[name].require()
    return WRITERS[name]


def digest_array(features: NDArray[np.float32]) -> str:
    """SHA-256 of the values as little-endian float32, row by row; the same in every file format."""
    return hashlib.sha256(np.ascontiguousarray(features, "<f4").data).hexdigest()


class _WriteOnly:
    """A file with ``write`` alone: given a real file, numpy writes past Python, and a full disk has no errno."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def _write_npy(path: Path, features: NDArray[np.float32], sidecar: Sidecar) -> None:
    with path.open("wb") as file:
        np.save(_WriteOnly(file), features, allow_pickle=False)


def _write_npz(path: Path, features: NDArray[np.float32], sidecar: Sidecar) -> None:
    """The array alone: programs that take the first or only array of an archive get it whatever it is called."""
    with path.open("wb") as file:
        np.savez(file, feats=features)


def _write_pt(path: Path, features: NDArray[np.float32], sidecar: Sidecar) -> None:
    """A plain tensor ``[T, C]``, as the published InternVideo2 files."""
    import torch

    with path.open("wb") as file:
        try:
            torch.save(torch.from_numpy(features), file)
        except RuntimeError as error:  # closing the archive fails, too, and masks what the disk said
            raise error.__context__ if isinstance(error.__context__, OSError) else error  # noqa: B904


def _write_hdf5(path: Path, features: NDArray[np.float32], sidecar: Sidecar) -> None:
    write_hdf5(path, features, json.loads(sidecar.to_json()))


def _write_zarr(path: Path, features: NDArray[np.float32], sidecar: Sidecar) -> None:
    write_zarr(path, features, json.loads(sidecar.to_json()))


def _is_whole_by_header(path: Path, shape: tuple[int, int]) -> bool:
    """For formats in which a truncated file cannot be opened."""
    try:
        return read_stored_header(path, (ARRAY_NAME,)) == (shape, np.dtype("<f4"))
    except FeatureError:
        return False


def _is_whole_by_reading(path: Path, shape: tuple[int, int]) -> bool:
    """For formats without a header: the whole file is read."""
    try:
        array = read_stored_array(path)
    except FeatureError:
        return False
    return array.shape == shape and array.dtype == np.dtype("<f4")


WRITERS: dict[str, FeatureFormat] = {
    "npy": FeatureFormat(".npy", _write_npy, is_npy_whole),
    "npz": FeatureFormat(".npz", _write_npz, _is_whole_by_header),
    "pt": FeatureFormat(".pt", _write_pt, _is_whole_by_reading),
    "hdf5": FeatureFormat(".h5", _write_hdf5, _is_whole_by_header, require=require_h5py),
    "zarr": FeatureFormat(".zarr", _write_zarr, zarr_is_whole, replacing_folder, require_zarr),
}
"""The formats in which features are written, by name."""
