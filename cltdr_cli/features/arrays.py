"""Read the array of a feature file of any supported format, without ever running code that the file contains."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError

USUAL_KEYS = ("feats", "features")
"""Names under which published archives store their array."""

FOLDER_SUFFIXES = frozenset({".zarr"})
"""Suffixes of feature files that are folders on the disk."""


def read_array(path: Path, keys: Sequence[str] = ()) -> NDArray[np.float32]:
    """Read features of any format in ``READERS`` as float32 ``[T, C]``.

    Args:
        path: The file.
        keys: Names of the arrays to read, joined along channels; empty takes ``feats``, ``features`` or the only one.

    Raises:
        FeatureError: Unreadable, damaged, not ``[T, C]``, empty, or with values that are not finite; a file that
            contains a pickle is refused.
    """
    return check_features(read_stored_array(path, keys), path)


def read_stored_array(path: Path, keys: Sequence[str] = ()) -> NDArray[Any]:
    """Read the array of a feature file as it was saved, of any shape and type.

    Args:
        path: The file.
        keys: Names of the arrays to read, joined along channels; empty takes ``feats``, ``features`` or the only one.

    Raises:
        FeatureError: Unreadable or damaged, or refused because reading it would run code or open other files.
        UsageError: Its kind needs a package that is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise FeatureError(f"{path}: not a supported feature file", f"the suffixes are {', '.join(READERS)}")
    if not is_feature_file(path):
        raise FeatureError(f"{path}: no such file", "check the name")
    return READERS[suffix](path, keys)


def is_feature_file(path: Path) -> bool:
    """Whether there is a file, or a folder where the kind is one of folders."""
    return path.is_dir() if path.suffix.lower() in FOLDER_SUFFIXES else path.is_file()


def check_features(array: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Check that an array holds features, and convert it to float32.

    Args:
        array: The array as stored.
        path: Its file, for the message.

    Raises:
        FeatureError: Not ``[T, C]``, not floating point, empty, or with values that are not finite.
    """
    check_array_kind(array.shape, array.dtype, path)
    with np.errstate(over="ignore"):  # values too large for float32 become infinite and are reported below
        features = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(features).all():
        wrong = np.argwhere(~np.isfinite(features))
        step, channel = wrong[0]
        raise FeatureError(
            f"{path}: {len(wrong)} of {features.size} values are not finite, the first "
            f"({array[step, channel]}) at step {step}, channel {channel}",
            "extract the features again",
        )
    return features


def check_array_kind(shape: tuple[int, ...], dtype: np.dtype[Any], path: Path) -> None:
    """Check by shape and type alone that an array may hold features.

    Raises:
        FeatureError: Not ``[T, C]``, not floating point, or empty.
    """
    if len(shape) != 2:
        raise FeatureError(
            f"{path}: its array has the shape {list(shape)}, and features are [steps, channels]",
            "save one array of two dimensions",
        )
    if dtype.kind != "f":
        raise FeatureError(f"{path}: its values are {dtype}, and features are float16, float32 or float64")
    if 0 in shape:
        raise FeatureError(f"{path}: is empty: its shape is {list(shape)}", "extract the features again")


def _read_npy(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise FeatureError(f"{path}: not a .npy file", "save it with numpy.save")
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise _explain_unreadable(path, error) from error


def _read_npz(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    if not zipfile.is_zipfile(path):
        raise FeatureError(f"{path}: damaged, or not a .npz archive", "get or extract it again")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _join({key: archive[key] for key in choose_keys(archive.files, keys, path)}, path)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise _explain_unreadable(path, error) from error


def _read_pt(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    import torch

    from cltdr_cli.tensor_files import read_tensors

    content = read_tensors(path, FeatureError)
    tensors = content if isinstance(content, Mapping) else {"": content}
    chosen = {key: tensors[key] for key in choose_keys(list(tensors), keys, path)}
    for key, value in chosen.items():
        if not isinstance(value, torch.Tensor):
            raise FeatureError(f"{path}: {key or 'its content'} is a {type(value).__name__}, not a tensor")
    return _join({key: value.detach().to(_find_numpy_dtype(value)).numpy() for key, value in chosen.items()}, path)


def _read_pickle(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    from cltdr_cli.features.pickled import read_pickled

    arrays = read_pickled(path)
    return _join({key: arrays[key] for key in choose_keys(list(arrays), keys, path)}, path)


def _read_hdf5(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    from cltdr_cli.features.hdf5 import read_hdf5

    return _join(read_hdf5(path, lambda there: choose_keys(there, keys, path)), path)


def _read_zarr(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    from cltdr_cli.features.zarr_store import read_zarr

    return _join(read_zarr(path, lambda there: choose_keys(there, keys, path)), path)


def _find_numpy_dtype(tensor: Any) -> Any:
    """The type a tensor is read as: NumPy has no bfloat16, and float32 holds every bfloat16 value exactly."""
    import torch

    return torch.float32 if tensor.dtype == torch.bfloat16 else tensor.dtype


def choose_keys(there: Sequence[str], keys: Sequence[str], path: Path) -> Sequence[str]:
    """Choose which arrays of a file to read: those named by ``keys``, else the usual name, else the only array.

    Raises:
        FeatureError: A named array is missing, or there are several arrays and no usual name among them.
    """
    missing = [key for key in keys if key not in there]
    if missing:
        raise FeatureError(f"{path}: holds no array {missing[0]!r}; it holds {', '.join(there) or 'none'}")
    usual = [key for key in USUAL_KEYS if key in there]
    found = keys or usual[:1] or (there if len(there) == 1 else ())
    if not found:
        raise FeatureError(
            f"{path}: holds {len(there)} arrays ({', '.join(there)}), none called {' or '.join(USUAL_KEYS)}",
            "save the features alone",
        )
    return found


def _join(arrays: Mapping[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    shapes = {key: array.shape for key, array in arrays.items()}
    if any(len(shape) != 2 for shape in shapes.values()) or len({shape[0] for shape in shapes.values()}) > 1:
        raise FeatureError(f"{path}: its arrays cannot be joined along channels: {shapes}")
    return np.concatenate(list(arrays.values()), axis=1)


def _explain_unreadable(path: Path, error: Exception) -> FeatureError:
    if "allow_pickle" in str(error) or "pickled" in str(error):
        return FeatureError(
            f"{path}: refused: it holds Python objects (a pickle), which could run anything when read",
            "load it where you trust it, and save the plain array with numpy.save",
        )
    return FeatureError(f"{path}: damaged: {error}", "get or extract it again")


READERS: dict[str, Callable[[Path, Sequence[str]], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".pt": _read_pt,
    ".pkl": _read_pickle,
    ".pickle": _read_pickle,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".zarr": _read_zarr,
}
"""The reader of each feature file format, by suffix."""
