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
from cltdr_cli.file_kinds import is_safetensors, recognise_foreign_file

_LEGACY_PICKLES = 4
"""Before PyTorch 1.6 a file was four pickles (a magic number, a version, facts of the system, the content)."""

_CONVERT_HINT = "get a file of plain tensors (safetensors, or a state dict) from its maker"


def read_tensors(path: Path, error: type[CltdrError]) -> Any:
    """Read the content of a file of tensors, mostly a mapping, to the CPU.

    Reads safetensors and both formats of ``torch.save`` (zip files, and those from before PyTorch 1.6). Training
    programs also save numpy arrays and ``argparse.Namespace`` beside the tensors: these become ``Unread`` objects.

    Args:
        path: The file; its suffix does not matter.
        error: Type of the error to raise.

    Raises:
        CltdrError: Of the type ``error``: the file is missing, damaged or no file of tensors; or reading it would
            call a function or class, which the message names and which is never called.
    """
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except OSError as reason:
        raise error(f"{path}: cannot be read: {reason.strerror}", "check the name") from reason
    if is_empty:
        raise error(f"{path}: is empty", "get it again")
    kind = recognise_foreign_file(path)
    if kind is not None:
        raise error(f"{path}: is {kind.name}", kind.advice)
    try:
        return _load_safetensors(path) if is_safetensors(path) else _load_pickled(path)
    except _RefusedError as refused:
        raise error(f"{path}: {refused}", _CONVERT_HINT) from refused
    except _DamagedError as damaged:
        raise error(f"{path}: {damaged}", "get it again") from damaged


class _RefusedError(Exception):
    """Reading the file would call something, or it is no file of tensors."""


class _DamagedError(Exception):
    """The file is incomplete or its content makes no sense."""


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
        raise _explain_refusal(path, str(error)) from error
    except Exception as error:  # torch checks little: a damaged file may fail in any way
        said = str(error).splitlines()[:1]
        reason = said[0] if said and " " in said[0] else type(error).__name__
        raise _DamagedError(f"damaged, or no file of tensors: {reason}") from error


class Unread:
    """Replaces a numpy object or a training program's options in what was read.

    numpy's own constructors trust the bytes of a file; this one ignores them.
    """

    def __new__(cls, *args: object) -> Unread:
        """Ignore the arguments in the file."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Ignore the state in the file."""


_UNREAD_TYPES = (
    "argparse.Namespace", "numpy.dtype", "numpy.ndarray", "_codecs.encode",
    "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint", "pytorch_lightning.utilities.parsing.AttributeDict",
)  # fmt: skip
"""Types that training programs save beside the tensors (best mAP, options, callbacks); torch would refuse the file."""


def _explain_refusal(path: Path, message: str) -> _RefusedError:
    """Name the function or class that torch refuses to call.

    torch names it for pickle protocol 2 alone (``get_unsafe_globals_in_checkpoint``: for zip files of it), so that in
    all other files it is looked up in the text of the pickle.
    """
    named = re.search(r"GLOBAL (\S+)", message)
    name = named[1].strip("`'\"") if named else _find_foreign_name(path)
    if name:
        return _RefusedError(f"refused: reading it would call {name}, and such a file must hold tensors only")
    return _RefusedError("refused: not a file of tensors that can be read safely")


_OWN_NAME = re.compile(r"torch\.((_utils|_tensor|storage|nn\.parameter)\.)?\w+|collections\.OrderedDict")
"""Names that occur in every file of tensors."""


def _find_foreign_name(path: Path) -> str | None:
    """The first name in a file that tensors do not need; None if there is none."""
    try:
        for stream in _open_pickles(path):
            for name in _read_names(stream):
                if not _OWN_NAME.fullmatch(name) and name not in _UNREAD_TYPES:
                    return name
    except Exception:  # a damaged file may fail in any way
        return None
    return None


def _open_pickles(path: Path) -> Iterator[IO[bytes]]:
    """A stream at the start of each pickle in a file."""
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    if name.endswith("data.pkl"):
                        yield io.BytesIO(archive.read(name))
            return
        file.seek(0)
        for _ in range(_LEGACY_PICKLES):
            yield file


def _read_names(stream: IO[bytes]) -> Iterator[str]:
    """The functions and classes that a pickle names; its text is read, and nothing in it runs."""
    memo: dict[int, object] = {}
    latest: object = None
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif opcode.name == "MEMOIZE" or "PUT" in opcode.name:
            memo[len(memo) if argument is None else int(str(argument))] = latest
            continue
        latest = memo.get(int(str(argument))) if opcode.name.endswith("GET") else argument
        if isinstance(latest, str):
            strings.append(latest)
