"""What a file is, told by its first bytes: for files that were given where weights are expected."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SNIFFED_BYTES = 1024


@dataclass(frozen=True)
class FileKind:
    """A kind of file that holds no weights that can be read.

    Attributes:
        name: With its article, to stand after "is".
        advice: What to do with such a file.
    """

    name: str
    advice: str


LFS_POINTER = FileKind(
    "a Git LFS pointer: a note of where the file lies, not the file", "fetch the file itself: git lfs pull"
)
HTML_PAGE = FileKind(
    "a web page (HTML), not the file", "the link leads to a page: open it in a browser and download the file itself"
)
TORCHSCRIPT = FileKind(
    "a TorchScript program: it holds code beside its weights, and cltdr runs no code from files",
    "ask its maker for the state dict (torch.save of model.state_dict())",
)
NUMPY_ARRAY = FileKind("a numpy array (.npy)", "weights are another file; for features the suffix must be .npy")
NUMPY_ARCHIVE = FileKind("numpy arrays (.npz)", "weights are another file; for features the suffix must be .npz")
TAR_ARCHIVE = FileKind(
    "a tar archive", "unpack it first (tar xf FILE) and name the weights in it; published .pth.tar files are no tar"
)
ZIP_ARCHIVE = FileKind("a zip archive without tensors of PyTorch", "unpack it first and name the weights in it")

_STARTS: tuple[tuple[bytes, FileKind], ...] = (
    (b"version https://git-lfs", LFS_POINTER),
    (b"\x93NUMPY", NUMPY_ARRAY),
    (b"\x1f\x8b", FileKind("compressed with gzip", "unpack it first: gunzip FILE, or tar xzf FILE for a .tar.gz")),
    (b"\xfd7zXZ\0", FileKind("compressed with xz", "unpack it first: unxz FILE, or tar xJf FILE for a .tar.xz")),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", "unpack it first and name the weights in it")),
    (b"Rar!", FileKind("a RAR archive", "unpack it first and name the weights in it")),
    (b"\x89HDF\r\n", FileKind("an HDF5 file, of Keras or of features", "cltdr reads weights of PyTorch only")),
)
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?xml")


def is_safetensors(path: Path) -> bool:
    """Whether a file begins like safetensors: eight bytes of header length, then JSON; False where it is not there."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError:
        return False
    is_text = start[:8].isascii() and start[:8].decode().isprintable()  # as of YAML with a brace in ninth place
    return start[8:] == b"{" and not is_text


def recognise_foreign_file(path: Path) -> FileKind | None:
    """The kind of a file that is not weights but often taken for some; None for any other.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_SNIFFED_BYTES)
    for magic, kind in _STARTS:
        if start.startswith(magic):
            return kind
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML_STARTS):
        return HTML_PAGE
    if start.startswith(b"PK"):
        return _recognise_zip(path)
    return TAR_ARCHIVE if start[257:262] == b"ustar" and tarfile.is_tarfile(path) else None


def _recognise_zip(path: Path) -> FileKind | None:
    """Which zip file this is; None for what ``torch.save`` writes, and for damaged ones."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # a damaged file may fail in any way
        return None
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        return TORCHSCRIPT
    if any(name.endswith("data.pkl") for name in names):
        return None
    return NUMPY_ARCHIVE if _are_arrays(names) else ZIP_ARCHIVE


def _are_arrays(names: Iterable[str]) -> bool:
    return bool(names) and all(name.endswith(".npy") for name in names)
