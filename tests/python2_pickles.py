"""Writes pickles and ``.npy`` files of objects as Python 2 wrote them: texts are bytes, in protocol 2."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np


def save_objects(path: Path, items: list[Any]) -> Path:
    """Write ``numpy.array(items, dtype=object)`` as ``numpy.save`` of Python 2 did."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (len(items),)})
        file.write(b"\x80\x02" + _array((len(items),), "O8", "|", _list(items)) + b".")
    return path


def _dump(value: Any) -> bytes:
    if isinstance(value, str):
        return _bytes(value.encode())
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, np.ndarray):
        return _array(value.shape, value.dtype.str[1:], value.dtype.str[0], _bytes(value.tobytes()))
    return _list(value)


def _bytes(data: bytes) -> bytes:
    return (b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data))) + data


def _list(items: list[Any]) -> bytes:
    return b"](" + b"".join(map(_dump, items)) + b"e"


def _tuple(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def _array(shape: tuple[int, ...], name: str, order: str, data: bytes) -> bytes:
    made = b"cnumpy.core.multiarray\n_reconstruct\n"
    made += _tuple(b"cnumpy\nndarray\n", _tuple(b"K\x00"), _bytes(b"b")) + b"R"
    flags = b"K\x3f" if order == "|" else b"K\x00"
    minus_one = b"J\xff\xff\xff\xff"
    dtype = b"cnumpy\ndtype\n" + _tuple(_bytes(name.encode()), b"K\x00", b"K\x01") + b"R"
    dtype += _tuple(b"K\x03", _bytes(order.encode()), b"N", b"N", b"N", minus_one, minus_one, flags) + b"b"
    return made + _tuple(b"K\x01", _tuple(*map(_dump, shape)), dtype, b"\x89", data) + b"b"
