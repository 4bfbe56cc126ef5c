"""Read and write features in HDF5 files. Links to other files are refused, for safety."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError, UsageError

Choose = Callable[[Sequence[str]], Sequence[str]]
"""Chooses the names of the arrays to read from all names in a file."""

MOST_COMPRESSED = 1100
"""Largest compression factor of these formats; a file that claims more is damaged or made to fill the memory."""

_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError)
"""Errors that h5py raises for damaged files."""

_OWN_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""Deflate, shuffle, fletcher32, szip, nbit, scale-offset, LZF: they come with h5py. For any other number the
library would look for a plug-in and load it."""


def write_hdf5(path: Path, features: NDArray[np.float32], facts: Mapping[str, Any]) -> None:
    """Write one contiguous dataset ``feats`` ``[T, C]`` with facts as its attributes.

    Args:
        path: The file to write.
        features: float32 ``[T, C]``.
        facts: Texts and numbers; anything else (the times of variable rates) stays in the sidecar.

    Raises:
        UsageError: h5py is not installed.
        OSError: The disk does not take it.
    """
    h5py = require_h5py()
    try:
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset("feats", data=features)
            dataset.attrs.update(select_plain_facts(facts))
    except (OSError, RuntimeError) as error:
        raise _find_disk_error(error) from error


def select_plain_facts(facts: Mapping[str, Any]) -> dict[str, str | int | float]:
    """The texts and numbers among facts; characters that are not valid UTF-8 are escaped."""
    texts = {k: v.encode("utf-8", "backslashreplace").decode() for k, v in facts.items() if isinstance(v, str)}
    numbers = {k: v for k, v in facts.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return {**texts, **numbers}


def read_hdf5(path: Path, choose: Choose) -> dict[str, NDArray[Any]]:
    """Read datasets at the root of a file.

    Args:
        path: The file.
        choose: Chooses the names to read.

    Raises:
        FeatureError: Damaged, or a dataset holds objects, lies in another file, or needs a foreign filter.
        UsageError: h5py is not installed.
    """
    with _open(path) as file:
        names = choose(_list_datasets(file, path))
        return {name: _check_dataset(file[name], name, path)[()] for name in names}


def read_hdf5_header(path: Path, choose: Choose) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shapes and types of the chosen datasets; a truncated file does not even open.

    Raises:
        FeatureError: As ``read_hdf5``.
    """
    with _open(path) as file:
        chosen = [_check_dataset(file[name], name, path) for name in choose(_list_datasets(file, path))]
        return [(dataset.shape, dataset.dtype) for dataset in chosen]


def require_h5py() -> Any:
    """The package h5py.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise UsageError(
            "HDF5 files need the package h5py, which is not installed", "pip install 'cltdr-cli[formats]'"
        ) from error
    return h5py


@contextmanager
def _open(path: Path) -> Generator[Any]:
    h5py = require_h5py()
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except _DAMAGE as error:
        said = " ".join(str(error).split())
        raise FeatureError(f"{path}: damaged, or no HDF5 file: {said}", "get or extract it again") from error


def _list_datasets(file: Any, path: Path) -> list[str]:
    """Names of the datasets at the root; a link to another place is refused."""
    import h5py

    links = {name: file.get(name, getlink=True) for name in file}
    for name, link in links.items():
        if not isinstance(link, h5py.HardLink):
            raise _refuse(path, f"{name!r} is a link ({type(link).__name__}), which may lead to any file")
    return [name for name in links if isinstance(file[name], h5py.Dataset)]


def _check_dataset(dataset: Any, name: str, path: Path) -> Any:
    if dataset.is_virtual or dataset.external:
        raise _refuse(path, f"the numbers of {name!r} lie in other files")
    if dataset.dtype.kind not in "fiuc":
        raise _refuse(path, f"{name!r} holds {dataset.dtype}, not numbers")
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(place)[0] for place in range(properties.get_nfilters())]
    foreign = [number for number in filters if number not in _OWN_FILTERS]
    if foreign:
        raise _refuse(path, f"{name!r} needs the filter {foreign[0]}, a plug-in")
    if dataset.nbytes > MOST_COMPRESSED * dataset.id.get_storage_size():
        raise FeatureError(f"{path}: damaged: {name!r} lacks its numbers", "get or extract it again")
    return dataset


def _refuse(path: Path, reason: str) -> FeatureError:
    return FeatureError(f"{path}: refused: {reason}", "save the plain array in a file of its own")


def _find_disk_error(error: Exception) -> OSError:
    """The system error behind an HDF5 error, which gives its number only in the message."""
    number = getattr(error, "errno", None)
    told = re.search(r"errno = (\d+)", str(error))
    number = number or (int(told[1]) if told else errno.EIO)
    return OSError(number, os.strerror(number))
