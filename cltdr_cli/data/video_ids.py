"""One video under several spellings of its id."""

from __future__ import annotations

from pathlib import PurePosixPath

_FILE_SUFFIXES = {".npy", ".npz", ".pt", ".pkl", ".h5", ".hdf5", ".zarr", ".mp4", ".avi", ".mkv", ".webm", ".mov"}


def core_id(video_id: str) -> str:
    """A video id without the ``v_`` of ActivityNet's files and without the suffix of a feature or video file."""
    suffix = PurePosixPath(video_id).suffix
    stem = video_id[: -len(suffix)] if suffix in _FILE_SUFFIXES else video_id
    return stem.removeprefix("v_")
