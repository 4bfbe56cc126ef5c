"""Inputs with an id each: files, and addresses of videos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cltdr_cli.errors import CltdrError
from cltdr_cli.plain_text import as_utf8, safe_file_name
from cltdr_cli.video.network import Address

VIDEO_SUFFIXES = frozenset(
    {
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
    }
    | {".ts", ".vob", ".webm", ".wmv", ".y4m"}
)
FEATURE_SUFFIXES = frozenset({".h5", ".hdf5", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".zarr"})
FOLDER_SUFFIXES = frozenset({".zarr"})
"""Kinds of feature files that are folders."""


@dataclass(frozen=True)
class Input:
    """One file to work on.

    Attributes:
        path: The file, as it was named; of an address the last part alone.
        video_id: Its stem as UTF-8, made unique among the inputs.
        is_features: Whether it holds features rather than a video.
        address: Where the video is, if not in a file.
    """

    path: Path
    video_id: str
    is_features: bool
    address: Address | None = None

    @property
    def source(self) -> Path | Address:
        """What is read: the address, or the file."""
        return self.path if self.address is None else self.address


@dataclass(frozen=True)
class FailedInput:
    """An input word for which no file was found.

    Attributes:
        word: As it was given, or the line of a list.
        error: Why not.
    """

    word: str
    error: CltdrError


Found: TypeAlias = "Path | Address | FailedInput"


@dataclass(frozen=True)
class Inputs:
    """The files that input words stand for, in their order.

    Attributes:
        entries: Files, and words without a file.
        notices: What the user should know, such as ids that had to change.
    """

    entries: tuple[Input | FailedInput, ...]
    notices: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Input, ...]:
        """The files alone."""
        return tuple(entry for entry in self.entries if isinstance(entry, Input))

    @property
    def failures(self) -> tuple[FailedInput, ...]:
        """The words without a file."""
        return tuple(entry for entry in self.entries if isinstance(entry, FailedInput))


def assign_ids(found: Iterable[Found]) -> Inputs:
    """Files and addresses as inputs, each with an id of its own, and what is named otherwise than its file."""
    entries: list[Input | FailedInput] = []
    notices: list[str] = []
    owners: dict[str, Path | Address] = {}
    for entry in found:
        if isinstance(entry, FailedInput):
            entries.append(entry)
            continue
        path = entry if isinstance(entry, Path) else Path(entry.name)
        video_id = _find_free_id(path, owners)
        if as_utf8(path.stem) != path.stem:
            notices.append(f"{as_utf8(str(entry))}: the file's name is not UTF-8; its results are named {video_id}.")
        elif video_id != path.stem:
            owner = owners[_make_file_key(path.stem)]
            notices.append(f"{entry} and {owner} share a name; results of {entry} are named {video_id}.")
        owners[_make_file_key(video_id)] = entry
        entries.append(make_input(entry, video_id))
    return Inputs(tuple(entries), tuple(notices))


def make_input(source: Path | Address, video_id: str | None = None) -> Input:
    """A file or address as an input; its stem is its id where none is given."""
    if isinstance(source, Path):
        return Input(
            source, as_utf8(source.stem) if video_id is None else video_id, source.suffix.lower() in FEATURE_SUFFIXES
        )
    path = Path(source.name)
    return Input(path, path.stem if video_id is None else video_id, False, source)


def _find_free_id(path: Path, owners: dict[str, Path | Address]) -> str:
    """The file's stem; if that is taken, with the folder's name before it or a number after it."""
    stem = as_utf8(path.stem)
    named = [stem, f"{as_utf8(path.resolve().parent.name)}_{stem}"]
    numbers = range(2, len(owners) + 3)
    numbered = [f"{begin}_{number}" for begin in (stem, stem[:40]) for number in numbers]
    return next(name for name in (*named, *numbered) if _make_file_key(name) not in owners)


def _make_file_key(video_id: str) -> str:
    """The same key for ids whose results would go into the same file (case and special characters do not count)."""
    return safe_file_name(video_id).casefold()
