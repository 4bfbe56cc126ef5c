"""Read ``.npy`` files of Python objects, as published beside features of weakly supervised localization.

Such a file holds a pickle after its header; ``pickled`` reads it without running anything that it names.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError
from cltdr_cli.features.pickled import StoredArray, read_pickled_objects


def read_object_array(path: Path) -> list[Any]:
    """Read the objects of a ``.npy`` file: texts, numbers, lists, and arrays as ``pickled.StoredArray``.

    Raises:
        FeatureError: Unreadable, damaged, not of objects, or refused because it names anything but arrays.
    """
    with _open_npy(path) as file:
        shape, dtype = _read_header(path, file)
        if not dtype.hasobject:
            raise FeatureError(f"{path}: is one plain array {list(shape)} of {dtype}, not an array of objects")
        objects = read_pickled_objects(path, file)
    if len(objects) != math.prod(shape):
        raise FeatureError(
            f"{path}: damaged: its header tells of {math.prod(shape)} objects, and it has {len(objects)}"
        )
    return objects


def count_objects(path: Path) -> int:
    """How many objects a ``.npy`` file of objects holds, from its header.

    Raises:
        FeatureError: Unreadable, damaged, or not a list of objects.
    """
    with _open_npy(path) as file:
        shape, dtype = _read_header(path, file)
    if not dtype.hasobject or len(shape) != 1:
        raise FeatureError(
            f"{path}: is an array {list(shape)} of {dtype}; expected one list of arrays, an object for each video"
        )
    return shape[0]


def read_names(path: Path) -> list[str]:
    """Read the texts of a ``.npy`` file, whether stored as an array of texts or of objects.

    Raises:
        FeatureError: Unreadable, damaged, or it holds something else.
    """
    with _open_npy(path) as file:
        shape, dtype = _read_header(path, file)
    if dtype.hasobject:
        return [read_text(item, path) for item in read_object_array(path)]
    if dtype.kind not in "SU":
        raise FeatureError(f"{path}: is an array {list(shape)} of {dtype}, and should be one of texts")
    return [read_text(item, path) for item in read_plain_array(path).ravel().tolist()]


def read_plain_array(path: Path) -> NDArray[Any]:
    """Read a ``.npy`` file of numbers or texts.

    Raises:
        FeatureError: Unreadable, damaged, or of objects.
    """
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FeatureError(f"{path}: cannot be read as a plain array: {error}", "get it again") from error


def read_text(value: Any, path: Path) -> str:
    """A text, which Python 2 stored as bytes.

    Raises:
        FeatureError: It is no text.
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise FeatureError(f"{path}: has a {type(value).__name__} where a text should be")
    return value


def to_plain_list(value: Any, path: Path) -> list[Any]:
    """The items of a list, tuple or stored array.

    Raises:
        FeatureError: It is something else, or a damaged array.
    """
    if isinstance(value, StoredArray):
        try:
            return value.to_list()
        except ValueError as error:
            raise FeatureError(f"{path}: damaged: {error}", "get it again") from error
    if not isinstance(value, (list, tuple)):
        raise FeatureError(f"{path}: has a {type(value).__name__} where a list should be")
    return list(value)


def _open_npy(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise FeatureError(f"{path}: cannot be read: {error.strerror}", "check the name") from error


def _read_header(path: Path, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except (OSError, ValueError, EOFError) as error:
        raise FeatureError(f"{path}: not a .npy file: {error}", "get it again") from error
    return shape, dtype
