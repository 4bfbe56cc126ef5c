"""List a folder of features: its feature files, their videos, and what stopped runs left behind."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import FeatureError
from cltdr_cli.features.arrays import FOLDER_SUFFIXES, READERS, is_feature_file
from cltdr_cli.files import PARTIAL_SUFFIX
from cltdr_cli.plain_text import as_utf8


@dataclass(frozen=True)
class FeatureEntry:
    """One feature file.

    Attributes:
        path: The file, or the folder of a format that uses folders.
        video_id: Its name without the usual prefix and suffix of the folder's files.
    """

    path: Path
    video_id: str

    @property
    def bytes(self) -> int:
        """Size on the disk; of a folder that of all its files."""
        files = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files if file.is_file())


@dataclass(frozen=True)
class FolderListing:
    """The feature files of a folder, and what belongs to them.

    Attributes:
        folder: The folder itself; folders in it are not searched.
        entries: Feature files by name.
        leftovers: Unfinished files of stopped runs; nothing uses them.
        failed: Videos that ``failed.csv`` and the shards' ``failed-I-of-N.csv`` name.
    """

    folder: Path
    entries: tuple[FeatureEntry, ...]
    leftovers: tuple[Path, ...]
    failed: tuple[str, ...]


def list_features(folder: Path, prefix: str = "", suffix: str = "") -> FolderListing:
    """List the feature files of a folder.

    Args:
        folder: Written by ``cltdr extract-features``, or as published.
        prefix: Text before the video id in published names; names without it are accepted, too.
        suffix: Text after the video id, extension included; empty for the extension alone.

    Raises:
        FeatureError: No such folder, or no feature file in it.
    """
    if not folder.is_dir():
        raise FeatureError(f"{folder}: no such folder", "check the name")
    paths = sorted(folder.iterdir())
    files = [path for path in paths if path.suffix.lower() in READERS and is_feature_file(path)]
    leftovers = tuple(path for path in paths if path.name.endswith(PARTIAL_SUFFIX))
    files = [path for path in files if not path.name.startswith(".")]
    if not files:
        raise FeatureError(f"{folder}: no feature file there", _suggest_folder(paths))
    entries = tuple(FeatureEntry(path, _derive_video_id(path, prefix, suffix)) for path in files)
    return FolderListing(folder, entries, leftovers, tuple(_read_failed(paths)))


def _derive_video_id(path: Path, prefix: str, suffix: str) -> str:
    if suffix and path.name.endswith(suffix):
        return as_utf8(path.name).removesuffix(suffix).removeprefix(prefix)
    return as_utf8(path.stem)


def _suggest_folder(paths: Iterable[Path]) -> str:
    folders = [path for path in paths if path.is_dir() and path.suffix.lower() not in FOLDER_SUFFIXES]
    if not folders:
        return f"feature files end in {', '.join(READERS)}"
    names = ", ".join(path.name for path in folders[:5]) + (", …" if len(folders) > 5 else "")
    return f"name one of the folders in it: {names}"


def _read_failed(paths: Iterable[Path]) -> list[str]:
    """Videos that failed in ``cltdr extract-features``; each shard has a list of its own."""
    lists = [path for path in paths if path.name == "failed.csv" or path.match("failed-*-of-*.csv")]
    names: list[str] = []
    for path in lists:
        try:
            with path.open(newline="", encoding="utf-8", errors="replace") as file:
                names += [row.get("input") or "" for row in csv.DictReader(file)]
        except (OSError, csv.Error) as error:
            raise FeatureError(f"{path}: cannot be read: {error}", "remove it, or extract again") from error
    return names
