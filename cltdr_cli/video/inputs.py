"""Find input files: paths, folders, patterns and lists become files with unique ids; failures keep their reason."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import CltdrError, FeatureError, UsageError, VideoError
from cltdr_cli.video.addresses import hide_secrets, is_address
from cltdr_cli.video.named_inputs import (
    FEATURE_SUFFIXES,
    FOLDER_SUFFIXES,
    VIDEO_SUFFIXES,
    FailedInput,
    Found,
    Inputs,
    assign_ids,
)
from cltdr_cli.video.network import Address

LIST_SUFFIX = ".txt"


def find_inputs(
    words: Iterable[str], suffixes: Collection[str] = (), *, take_features: bool = False, addresses: bool = False
) -> Inputs:
    """Find the files that input words stand for: videos, directories, patterns, lists and feature files.

    A directory is searched with all below it for video suffixes; a pattern may hold ``*``, ``?``, ``[...]`` and
    ``**``; a ``.txt`` list names one of these a line, relative to its own folder or else to the working directory,
    with ``#`` before comments. A file named twice counts once.

    Args:
        words: The inputs, as on the command line.
        suffixes: Leaves out all files that end otherwise (``.mp4``); empty takes every kind.
        take_features: Whether a directory without videos stands for the feature files in it and all below it.
        addresses: Whether ``http(s)://`` and ``rtsp://`` addresses of videos are taken, too.

    Returns:
        The files in order (directories and patterns sorted). A word without a file keeps its place, with its error,
        so that the others can go on.

    Raises:
        UsageError: There are no words.
    """
    given = list(words)
    if not given:
        raise UsageError(
            "No input was named.", "Name video files, directories, patterns, a .txt list or feature files."
        )
    take = _Take(take_features, addresses)
    found = list(_drop_repeated(entry for word in given for entry in _resolve(word, Path(), take)))
    kept = [entry for entry in found if not isinstance(entry, Path) or _has_suffix(entry, suffixes)]
    inputs = assign_ids(kept)
    if len(kept) == len(found):
        return inputs
    left_out = f"{len(found) - len(kept)} files that do not end in {' or '.join(suffixes)} are left out."
    return Inputs(inputs.entries, (left_out, *inputs.notices))


def _has_suffix(path: Path, suffixes: Collection[str]) -> bool:
    wanted = {suffix.lower() if suffix.startswith(".") else f".{suffix.lower()}" for suffix in suffixes}
    return not wanted or path.suffix.lower() in wanted


@dataclass(frozen=True)
class _Take:
    """What is taken besides videos: see ``find_inputs``."""

    features: bool
    addresses: bool


def _resolve(word: str, folder: Path, take: _Take, in_list: bool = False) -> Iterator[Found]:
    """Paths or the address that a word stands for, or its failure."""
    if is_address(word) and not _locate(word, folder).exists():
        yield _read_address(word, take.addresses)
        return
    path = _locate(word, folder)
    if path.is_dir() and path.suffix.lower() not in FOLDER_SUFFIXES:
        features = _list_features_below(path) if take.features else []
        yield from _list_videos_below(path) or features or [_explain_no_video(word, path)]
    elif path.suffix.lower() == LIST_SUFFIX and path.exists():
        yield from [_refuse_nested_list(word)] if in_list else _read_list(path, take)
    elif path.exists():
        yield path
    elif glob.has_magic(word):
        yield from _find_matches(path) or [_explain_no_match(word)]
    else:
        yield FailedInput(word, _explain_missing(path))


def _read_address(word: str, addresses: bool) -> Address | FailedInput:
    try:
        address = Address.parse(word)
    except VideoError as error:
        return FailedInput(hide_secrets(word), error)
    if addresses:
        return address
    return FailedInput(str(address), VideoError(f"{address} is an address, and files are needed here.", _FILE_HINT))


_FILE_HINT = "Save the video to a file first."
_SUFFIX_HINT = f"Videos are known by their suffix: {' '.join(sorted(VIDEO_SUFFIXES))}. Name other files one by one."


def _explain_no_video(word: str, folder: Path) -> FailedInput:
    kinds = {path.suffix for path in folder.glob("*") if path.suffix.lower() in FEATURE_SUFFIXES}
    features = " or ".join(f"'{folder / '*'}{kind}'" for kind in sorted(kinds))
    hint = f"It holds feature files: name them with {features}." if kinds else _SUFFIX_HINT
    return FailedInput(word, VideoError(f"The directory {folder} holds no video.", hint))


def _locate(word: str, folder: Path) -> Path:
    """The path of a word: relative to the list that names it if there is such a file, else to the working directory."""
    path = Path(word).expanduser()
    beside = folder / path
    there = beside.exists() or (glob.has_magic(word) and bool(_glob(beside)))
    return beside if there else path


def _explain_missing(path: Path) -> CltdrError:
    kind = FeatureError if path.suffix.lower() in FEATURE_SUFFIXES else VideoError
    return kind(f"{path} does not exist.", "Check the spelling, and quote names that hold spaces or brackets.")


def _refuse_nested_list(word: str) -> FailedInput:
    return FailedInput(word, VideoError(f"The list names another list, {word}.", "Name that one on the command line."))


def _explain_no_match(word: str) -> FailedInput:
    message = f"The pattern {word} matches no video and no feature file."
    return FailedInput(word, VideoError(message, "Try the pattern with ls; ** stands for folders at any depth."))


def _list_videos_below(folder: Path) -> list[Path]:
    """Video files of a directory and all below it, sorted; hidden files and folders are left out."""
    return sorted(path for path in _walk(folder) if path.suffix.lower() in VIDEO_SUFFIXES)


def _list_features_below(folder: Path) -> list[Path]:
    """Feature files of a directory and all below it, sorted, as ``_list_videos_below``."""
    return sorted(path for path in _walk(folder) if path.suffix.lower() in FEATURE_SUFFIXES)


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, and folders that are feature files, which are not entered."""
    for parent, folders, names in os.walk(folder):
        stored = [name for name in folders if Path(name).suffix.lower() in FOLDER_SUFFIXES]
        folders[:] = [name for name in folders if name not in stored and not name.startswith(".")]
        yield from (Path(parent, name) for name in (*stored, *names) if not name.startswith("."))


def _find_matches(pattern: Path) -> list[Path]:
    """Files that a pattern matches, and the videos of directories that it matches, sorted."""
    found: list[Path] = []
    for path in _glob(pattern):
        if path.is_dir() and path.suffix.lower() not in FOLDER_SUFFIXES:
            found += _list_videos_below(path)
        elif path.suffix.lower() in VIDEO_SUFFIXES | FEATURE_SUFFIXES:
            found.append(path)
    return found


def _glob(pattern: Path) -> list[Path]:
    names = glob.glob(str(pattern), recursive=True)  # noqa: PTH207  # Path.glob takes no absolute pattern
    return [Path(name) for name in sorted(names)]


def _read_list(path: Path, take: _Take) -> Iterator[Found]:
    """Files and addresses named by the lines of a list."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        yield FailedInput(str(path), VideoError(f"The list {path} cannot be read: {reason}.", _LIST_HINT))
        return
    words = [word for line in lines if (word := _strip_comment(line))]
    if not words:
        yield FailedInput(str(path), VideoError(f"The list {path} names no file.", _LIST_HINT))
    for word in words:
        yield from _resolve(word, path.parent, take, in_list=True)


_LIST_HINT = "A list is a text file with one path a line; # begins a comment."


def _strip_comment(line: str) -> str:
    """A line of a list without its comment: ``#`` at the beginning or after a blank."""
    kept, _, _ = f" {line}".replace("\t", " ").partition(" #")
    return kept.strip()


def _drop_repeated(found: Iterable[Found]) -> Iterator[Found]:
    """Drop files and addresses that are named again."""
    seen: set[Path | Address] = set()
    for entry in found:
        if not isinstance(entry, FailedInput):
            place = entry.resolve() if isinstance(entry, Path) else entry
            if place in seen:
                continue
            seen.add(place)
        yield entry
