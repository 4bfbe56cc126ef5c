"""Read arrays and tensors from published pickles (such as the HACS SlowFast features) without running their code.

Unpickling normally calls whatever function a file names. Here a file may only name what arrays and tensors need
(``_STAND_INS``), and each name leads to a replacement that checks its arguments, which NumPy itself does not.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError

_KINDS = frozenset("fiu")
_TEXT_KINDS = frozenset("SU")


def read_pickled(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a pickled mapping, or a single pickled array under the empty key.

    Raises:
        FeatureError: Unreadable, damaged, or it names anything but plain arrays and tensors, which is never called.
    """
    with _explain_faults(path), path.open("rb") as file:
        content = _ArraysOnly(file, _STAND_INS).load()
        items = content if isinstance(content, Mapping) else {"": content}
        return {str(key): _convert_to_array(value) for key, value in items.items()}


def read_pickled_objects(path: Path, file: IO[bytes]) -> list[Any]:
    """Read a pickled array of objects, the content of a ``.npy`` file of objects after its header.

    It may be as old as Python 2 and name nothing but arrays. Its bytes are kept as they are in the file until
    ``StoredArray.make`` copies one array out, so that no more memory is used than the file is long.

    Args:
        path: Name of the file, for messages.
        file: Stands at the first byte of the pickle.

    Returns:
        The objects in C order: texts, numbers, lists, and ``StoredArray``.

    Raises:
        FeatureError: Unreadable, damaged, or it names anything but arrays, which is never called.
    """
    with _explain_faults(path):
        content = _ArraysOnly(file, _ARRAY_STAND_INS).load()
        if not isinstance(content, StoredArray):
            raise ValueError(f"a {type(content).__name__} where an array should be")
        return content.list_objects()


@contextmanager
def _explain_faults(path: Path) -> Generator[None]:
    """Turn whatever happens while a file is read into a ``FeatureError``."""
    try:
        yield
    except _RefusedError as refused:
        raise FeatureError(
            f"{path}: refused: reading it would call {refused}, and a feature file holds arrays only",
            "load it where you trust it, and save the plain arrays with numpy.savez",
        ) from refused
    except OSError as error:
        raise FeatureError(f"{path}: cannot be read: {error.strerror}", "check the name") from error
    except Exception as error:  # a damaged pickle may fail in any way
        raise FeatureError(f"{path}: damaged, or no pickle of arrays: {error}", "get it again") from error


class _RefusedError(Exception):
    """The file names something that is not needed for arrays."""


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that knows the given names alone; texts of Python 2 are read as Latin-1, byte for letter."""

    def __init__(self, file: IO[bytes], stand_ins: Mapping[tuple[str, str], Callable[[], Any]]) -> None:
        super().__init__(file, encoding="latin1")
        self._stand_ins = stand_ins

    def find_class(self, module: str, name: str) -> Any:
        """Our stand-in for a name of the file."""
        module = module.replace("numpy._core", "numpy.core")
        maker = self._stand_ins.get((module, name))
        if maker is None:
            raise _RefusedError(f"{module}.{name}")
        return maker()


class _Dtype:
    """The type of an array, as a file states it."""

    def __init__(self, name: str, align: bool = False, copy: bool = True) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])

    @property
    def is_object(self) -> bool:
        """Whether it stands for Python objects."""
        return self.name in ("O", "O4", "O8")

    def make(self) -> np.dtype[Any]:
        """The type, if it is one of plain numbers or texts."""
        dtype = np.dtype(self.name)
        if dtype.kind not in _KINDS | _TEXT_KINDS or self.order not in ("=", "<", ">", "|"):
            raise ValueError(f"an array of {self.name}")
        return dtype.newbyteorder(self.order) if self.order in "<>" else dtype


class StoredArray:
    """An array, as a file states it: its shape, type and bytes, which are checked when it is made."""

    def __init__(self, *_: object) -> None:
        self._shape: tuple[int, ...] = (0,)
        self._dtype = _Dtype("f4")
        self._order = "C"
        self._data: Any = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self._shape, self._dtype, is_fortran, self._data = state
        self._order = "F" if is_fortran else "C"

    def make(self) -> NDArray[Any]:
        """The array, of plain numbers or texts.

        Raises:
            ValueError: It is of something else, or its bytes do not fit its shape and type.
        """
        return _build_from_bytes(self._data, self._dtype, self._shape, self._order)

    def to_list(self) -> list[Any]:
        """The items of an array of objects, numbers or texts.

        Raises:
            ValueError: As ``make`` and ``list_objects``.
        """
        return self.list_objects() if self._dtype.is_object else self.make().tolist()

    def list_objects(self) -> list[Any]:
        """The objects of an array of objects, in C order.

        Raises:
            ValueError: It is an array of something else.
        """
        if not (self._dtype.is_object and isinstance(self._data, list)):
            raise ValueError("an array of numbers where one of objects should be")
        if self._order != "C" or math.prod(self._shape) != len(self._data):
            raise ValueError(f"{len(self._data)} objects in an array of {self._shape}")
        return self._data


def _build_from_bytes(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    raw = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(raw, (bytes, bytearray)):
        raise ValueError("an array of objects")
    return np.frombuffer(raw, dtype.make()).reshape(shape, order=order)


def _frombuffer(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> StoredArray:
    """NumPy's form of an array in pickle protocol 5."""
    made = StoredArray()
    made.__setstate__((1, shape, dtype, order == "F", data))
    return made


def _encode(text: str, encoding: str = "utf-8") -> bytes:
    """The form of bytes in old pickle protocols."""
    if encoding != "latin1":
        raise ValueError(f"bytes as {encoding}")
    return text.encode("latin1")


def _load_storage(data: bytes) -> Any:
    """The values of a tensor, which are a ``torch.save`` file inside the pickle."""
    import torch

    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _build_tensor(storage: Any, offset: int, size: Any, stride: Any, *_: object) -> Any:
    """A tensor over stored values.

    Raises:
        ValueError: It reaches beyond the stored values; PyTorch would then read foreign memory.
    """
    import torch

    if not isinstance(storage, torch.storage.TypedStorage):
        raise ValueError("a tensor without numbers")
    untyped: Any = storage._untyped_storage  # pyright: ignore[reportPrivateUsage] # the public name only warns
    empty = torch.empty(0, dtype=storage.dtype)
    there, size, stride = untyped.nbytes() // empty.element_size(), tuple(map(int, size)), tuple(map(int, stride))
    last = offset + sum((count - 1) * step for count, step in zip(size, stride, strict=True))
    if min((offset, *size, *stride)) < 0 or (0 not in size and last >= there):
        raise ValueError(f"a tensor of {list(size)} over {there} numbers")
    return empty.set_(untyped, offset, size, stride)


def _wrap_fresh(function: Callable[..., Any]) -> Callable[[], Any]:
    """A new function each time, so that a file cannot modify ours."""
    return lambda: lambda *words: function(*words)


_ARRAY_STAND_INS: dict[tuple[str, str], Callable[[], Any]] = {
    ("numpy", "ndarray"): lambda: StoredArray,
    ("numpy", "dtype"): lambda: _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): lambda: StoredArray,
    ("numpy.core.numeric", "_frombuffer"): _wrap_fresh(_frombuffer),
    ("_codecs", "encode"): _wrap_fresh(_encode),
}
"""The replacement for each name that a file of arrays may use."""

_STAND_INS: dict[tuple[str, str], Callable[[], Any]] = {
    **_ARRAY_STAND_INS,
    ("collections", "OrderedDict"): lambda: OrderedDict,
    ("torch.storage", "_load_from_bytes"): _wrap_fresh(_load_storage),
    ("torch._utils", "_rebuild_tensor_v2"): _wrap_fresh(_build_tensor),
}
"""The same for a file of arrays and tensors."""


def _convert_to_array(value: Any) -> NDArray[Any]:
    if isinstance(value, StoredArray):
        return value.make()
    import torch

    if not isinstance(value, torch.Tensor):
        raise ValueError(f"a {type(value).__name__} where an array should be")
    return value.detach().float().numpy()
