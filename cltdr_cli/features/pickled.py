"""Read arrays and tensors from published pickles (such as the HACS SlowFast features) without running their code.

Unpickling normally calls whatever function a file names. Here a file may only name what arrays and tensors need
(``_STAND_INS``), and each name leads to a replacement that checks its arguments, which NumPy itself does not.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError

_KINDS = frozenset("fiu")


def read_pickled(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a pickled mapping, or a single pickled array under the empty key.

    Raises:
        FeatureError: Unreadable, damaged, or it names anything but plain arrays and tensors, which is never called.
    """
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file).load()
        items = content if isinstance(content, Mapping) else {"": content}
        return {str(key): _convert_to_array(value) for key, value in items.items()}
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
    """An unpickler that knows the names of ``_STAND_INS`` alone."""

    def find_class(self, module: str, name: str) -> Any:
        """Our stand-in for a name of the file."""
        module = module.replace("numpy._core", "numpy.core")
        maker = _STAND_INS.get((module, name))
        if maker is None:
            raise _RefusedError(f"{module}.{name}")
        return maker()


class _Dtype:
    """The type of an array, as a file states it."""

    def __init__(self, name: str, align: bool = False, copy: bool = True) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])

    def make(self) -> np.dtype[Any]:
        """The type, if it is one of plain numbers."""
        dtype = np.dtype(self.name)
        if dtype.kind not in _KINDS or self.order not in ("=", "<", ">", "|"):
            raise ValueError(f"an array of {self.name}")
        return dtype.newbyteorder(self.order) if self.order in "<>" else dtype


class _Array:
    """An array, as a file states it."""

    def __init__(self, *_: object) -> None:
        self.array: NDArray[Any] = np.zeros(0, np.float32)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        self.array = _build_from_bytes(data, dtype, shape, "F" if is_fortran else "C")


def _build_from_bytes(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: Any) -> NDArray[Any]:
    raw = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(raw, (bytes, bytearray)):
        raise ValueError("an array of objects")
    return np.frombuffer(raw, dtype.make()).reshape(shape, order=order)


def _frombuffer(data: Any, dtype: _Dtype, shape: tuple[int, ...], order: str) -> _Array:
    """NumPy's form of an array in pickle protocol 5."""
    made = _Array()
    made.array = _build_from_bytes(data, dtype, shape, order)
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


_STAND_INS: dict[tuple[str, str], Callable[[], Any]] = {
    ("collections", "OrderedDict"): lambda: OrderedDict,
    ("numpy", "ndarray"): lambda: _Array,
    ("numpy", "dtype"): lambda: _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): lambda: _Array,
    ("numpy.core.numeric", "_frombuffer"): _wrap_fresh(_frombuffer),
    ("_codecs", "encode"): _wrap_fresh(_encode),
    ("torch.storage", "_load_from_bytes"): _wrap_fresh(_load_storage),
    ("torch._utils", "_rebuild_tensor_v2"): _wrap_fresh(_build_tensor),
}
"""The replacement for each name that a file may use."""


def _convert_to_array(value: Any) -> NDArray[Any]:
    if isinstance(value, _Array):
        return value.array
    import torch

    if not isinstance(value, torch.Tensor):
        raise ValueError(f"a {type(value).__name__} where an array should be")
    return value.detach().float().numpy()
