"""Reading files of tensors (weights, checkpoints, features) without running anything in them."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cltdr_cli.errors import CltdrError

_LEGACY_PICKLES = 4
"""Before PyTorch 1.6 a file was four pickles (a magic number, a version, facts of the system, the content)."""

_CONVERT_HINT = "get a file of plain tensors (safetensors, or a state dict) from its maker"


def read_tensors(path: Path, error: type[CltdrError]) -> Any:
    """What a file of tensors holds, on the CPU, as it was saved: a mapping, mostly.

    Reads safetensors, and what ``torch.save`` writes now and wrote before PyTorch 1.6. Numbers and arrays of numpy
    and ``argparse.Namespace``, which training programs leave beside the tensors, are not read: an ``Unread``
    stands in their place.

    Args:
        path: The file; its suffix does not matter.
        error: What to raise.

    Raises:
        CltdrError: Of the type ``error``: no such file; not a file of tensors; damaged; or it names a function or
            class to be called, which is told and never done.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as reason:
        raise error(f"{path}: cannot be read: {reason.strerror}", "check the name") from reason
    if not start:
        raise error(f"{path}: is empty", "get it again")
    try:
        return _load_safetensors(path) if _is_safetensors(start) else _load_pickled(path)
    except _RefusedError as refused:
        raise error(f"{path}: {refused}", _CONVERT_HINT) from refused
    except _DamagedError as damaged:
        raise error(f"{path}: {damaged}", "get it again") from damaged


class _RefusedError(Exception):
    """The file would run something, or is none of tensors."""


class _DamagedError(Exception):
    """The file cannot be read to its end."""


def _is_safetensors(start: bytes) -> bool:
    """Eight bytes of header length, then JSON; the suffix says nothing for sure."""
    return start[8:9] == b"{"


def _load_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise _DamagedError(f"damaged safetensors file: {error}") from error


def _load_pickled(path: Path) -> Any:
    import torch

    stand_ins: list[Any] = [(Unread, name) for name in _UNREAD_TYPES]
    try:
        with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols; what cannot be read is an error anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        said = str(error).splitlines()[:1]
        reason = said[0] if said and " " in said[0] else type(error).__name__
        raise _DamagedError(f"damaged, or no file of tensors: {reason}") from error


class Unread:
    """Stands where a checkpoint held a numpy number or a training program's options.

    Their real constructors take bytes on trust; this one takes anything and does nothing with it.
    """

    def __new__(cls, *args: object) -> Unread:
        """Take no notice of what the file passes."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Take no notice of it either."""


_UNREAD_TYPES = (
    "argparse.Namespace", "numpy.dtype", "numpy.ndarray", "_codecs.encode",
    "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
)  # fmt: skip
"""What training programs leave beside the tensors (best mAP, options); torch refuses the whole file for it."""


def _refusal(path: Path, message: str) -> _RefusedError:
    named = re.search(r"GLOBAL (\S+)", message)
    called = [named[1].strip("`'\"")] if named else _called_names(path)
    if called:
        return _RefusedError(f"refused: reading it would call {called[0]}, and such a file must hold tensors only")
    return _RefusedError("refused: not a file of tensors that can be read safely")


def _called_names(path: Path) -> list[str]:
    """What a pickle would look up besides PyTorch's own; found by reading its text, not by running it."""
    names: list[str] = []
    strings: list[str] = []
    try:
        for opcode, argument in _pickle_operations(path):
            if opcode == "GLOBAL":
                names.append(str(argument).replace(" ", "."))
            elif opcode == "STACK_GLOBAL":
                names.append(".".join(strings[-2:]))
            elif isinstance(argument, str):
                strings.append(argument)
    except (ValueError, EOFError, zipfile.BadZipFile):
        pass  # what was found before the damage is all there is to tell
    own = ("torch.", "collections.")
    return [name for name in names if not name.startswith(own) and name not in _UNREAD_TYPES]


def _pickle_operations(path: Path) -> Iterator[tuple[str, object]]:
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for name in (name for name in archive.namelist() if name.endswith("data.pkl")):
                    yield from _operations(io.BytesIO(archive.read(name)))
            return
        file.seek(0)
        for _ in range(_LEGACY_PICKLES):
            yield from _operations(file)


def _operations(stream: IO[bytes]) -> Iterator[tuple[str, object]]:
    for opcode, argument, _ in pickletools.genops(stream):
        yield opcode.name, argument
