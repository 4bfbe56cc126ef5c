"""Features of many videos packed into one ``.npy`` file of objects, as published for weakly supervised localization."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli import __version__
from cltdr_cli.errors import FeatureError
from cltdr_cli.features.arrays import check_features
from cltdr_cli.features.object_arrays import count_objects, read_names, read_object_array, read_plain_array
from cltdr_cli.features.pickled import StoredArray
from cltdr_cli.features.sidecar import Recipe, Sidecar
from cltdr_cli.plain_text import safe_file_name
from cltdr_cli.timeline import FeatureSequence

_UNKNOWN = "unknown: published features"
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class PackedGrid:
    """How the features of a packed file were made, which the file does not say.

    Attributes:
        extractor: Name of the extractor.
        fps: Frames per second that the videos were resampled to.
        stride_frames: Frames between two steps.
        window_frames: Frames of one step.
    """

    extractor: str = "i3d"
    fps: float = 25.0
    stride_frames: int = 16
    window_frames: int = 16

    def count_frames(self, steps: int) -> int:
        """Frames that so many steps look at."""
        return (steps - 1) * self.stride_frames + self.window_frames


def read_packed_names(path: Path, names: Path) -> list[str]:
    """Read the video ids of a packed file, one for each of its arrays.

    Args:
        path: The packed file.
        names: ``.npy`` file of the ids, in the same order.

    Raises:
        FeatureError: Either cannot be read, they do not have equally many items, or two videos would share a file.
    """
    ids, count = read_names(names), count_objects(path)
    if len(ids) != count:
        raise FeatureError(
            f"{path} holds {count} arrays, and {names} names {len(ids)} videos: they do not belong together",
            "Give the names that were published with these features.",
        )
    owners: dict[str, str] = {}
    for video_id in ids:
        name = safe_file_name(video_id).casefold()
        if name in owners:
            raise FeatureError(f"{names}: {owners[name]!r} and {video_id!r} would be written to the same file")
        owners[name] = video_id
    return ids


def read_packed_durations(names: Path, count: int) -> list[float | None]:
    """Read the durations in seconds from ``duration.npy`` beside the names; None for all where it is not there."""
    path = names.with_name("duration.npy")
    if not path.is_file():
        return [None] * count
    values = read_plain_array(path).ravel()
    if values.dtype.kind not in "fiu" or len(values) != count:
        return [None] * count
    return [float(value) if 0 < value < np.inf else None for value in values]


def make_packed_recipe(path: Path, grid: PackedGrid) -> Recipe:
    """How all files of a packed file are made; the packed file is read once for its digest."""
    facts, digest = path.stat(), hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return Recipe(
        extractor=grid.extractor,
        weights_digest=None,
        transform=_UNKNOWN,
        layer=_UNKNOWN,
        precision="fp32",
        backend="unknown",
        stride_frames=grid.stride_frames,
        window_frames=grid.window_frames,
        requested_fps=grid.fps,
        source=path.name,
        source_size=facts.st_size,
        source_mtime=facts.st_mtime,
        source_sha256=digest.hexdigest(),
    )


def read_packed_arrays(path: Path) -> Iterator[Any]:
    """Read the arrays of a packed file, each as the file states it; what was given out is no longer held.

    Raises:
        FeatureError: Damaged, or refused because it names anything but arrays.
    """
    arrays = read_object_array(path)
    arrays.reverse()
    while arrays:
        yield arrays.pop()


def unpack_array(value: Any, path: Path) -> NDArray[np.float32]:
    """Turn an item of a packed file into features, float32 ``[T, C]``.

    Raises:
        FeatureError: It is not an array of features.
    """
    if not isinstance(value, StoredArray):
        raise FeatureError(f"{path}: is a {type(value).__name__}, and should be an array")
    try:
        array = value.make()
    except (TypeError, ValueError) as error:
        raise FeatureError(f"{path}: damaged: {error}", "get the packed file again") from error
    return check_features(array, path)


def describe_packed(
    video_id: str, features: NDArray[np.float32], recipe: Recipe, grid: PackedGrid, duration_seconds: float | None
) -> tuple[FeatureSequence, Sidecar]:
    """The features of one video on their grid, and the sidecar that tells of it.

    Without a duration the video is taken to end with the frames of the last step.
    """
    steps, width = features.shape
    covered = grid.count_frames(steps)
    duration = duration_seconds if duration_seconds is not None else covered / grid.fps
    frame_count = max(covered, int(duration * grid.fps))
    sidecar = Sidecar(recipe, grid.fps, frame_count, duration, steps, width, __version__)
    return FeatureSequence(features, sidecar.grid, duration, video_id, grid.extractor), sidecar


def find_odd_lengths(steps: Mapping[str, int], durations: Mapping[str, float | None], grid: PackedGrid) -> list[str]:
    """Ids of videos whose steps cover clearly more or less than their duration: probably the names are of others."""
    tolerance = 2.0 + (grid.stride_frames + grid.window_frames) / grid.fps
    return [
        video_id
        for video_id, count in steps.items()
        if (seconds := durations[video_id]) is not None
        and abs(grid.count_frames(count) / grid.fps - seconds) > tolerance
    ]
