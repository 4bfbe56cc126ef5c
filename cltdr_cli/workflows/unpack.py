"""Unpacking of features of many videos that were published in one file: the function of ``cltdr features unpack``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cltdr_cli.errors import FeatureError, UsageError
from cltdr_cli.features.packed import (
    PackedGrid,
    describe_packed,
    find_odd_lengths,
    make_packed_recipe,
    read_packed_arrays,
    read_packed_durations,
    read_packed_names,
    unpack_array,
)
from cltdr_cli.features.store import explain_unfinished, save_features
from cltdr_cli.files import check_writable_folder
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.named_inputs import FailedInput


@dataclass(frozen=True)
class UnpackSummary:
    """What became of the videos.

    Attributes:
        made: Ids of the videos that were written now.
        kept: Ids of those that were finished before.
        failures: Videos whose array is not features, each with its error.
        odd_lengths: Ids of videos written now whose features do not fit their duration.
    """

    made: tuple[str, ...]
    kept: tuple[str, ...]
    failures: tuple[FailedInput, ...]
    odd_lengths: tuple[str, ...]


def unpack_features(
    file: str | Path,
    names: str | Path,
    out: str | Path,
    *,
    extractor: str = "i3d",
    fps: float = 25.0,
    stride: int = 16,
    window: int = 16,
    report: Reporter = SILENT,
) -> UnpackSummary:
    """Write the features of each video of a packed file as ``<video_id>.npy`` with a sidecar.

    The packed file is a ``.npy`` file of objects, pickled by Python 2 or 3; it is read without running anything that
    it names, and takes no more memory than it is long. Finished files that match are kept, so the same call continues
    a stopped one. Durations come from ``duration.npy`` beside the names, where there is one.

    Args:
        file: The packed file: an array of float arrays ``[T, C]``.
        names: ``.npy`` file of the video ids, in the same order.
        out: Folder of the feature files.
        extractor: Name of the extractor, for the sidecars; so are the next three.
        fps: Frames per second that the videos were resampled to.
        stride: Frames between two steps.
        window: Frames of one step.
        report: Hears of progress, and of videos that fail.

    Raises:
        FeatureError: The files cannot be read, or do not belong together.
        UsageError: The rate, stride or window is not above 0.
        OutputError: The folder cannot be written.
    """
    grid = _check_grid(PackedGrid(extractor, fps, stride, window))
    path, folder = Path(file), Path(out)
    ids = read_packed_names(path, Path(names))
    durations = dict(zip(ids, read_packed_durations(Path(names), len(ids)), strict=True))
    check_writable_folder(folder)
    recipe = make_packed_recipe(path, grid)
    kept = {video_id for video_id in ids if not explain_unfinished(folder, video_id, recipe)}
    steps: dict[str, int] = {}
    failures: list[FailedInput] = []
    for video_id, stored in _iterate(path, ids, kept, report):
        try:
            features = unpack_array(stored, path / video_id)
            save_features(folder, *describe_packed(video_id, features, recipe, grid, durations[video_id]))
            steps[video_id] = len(features)
        except FeatureError as error:
            failures.append(FailedInput(video_id, error))
            report.failure(video_id, error)
    odd = find_odd_lengths(steps, durations, grid)
    return UnpackSummary(tuple(steps), tuple(kept), tuple(failures), tuple(odd))


def _iterate(path: Path, ids: list[str], kept: set[str], report: Reporter) -> Iterator[tuple[str, Any]]:
    """The arrays that are still to be written; the file is not read where there is none."""
    if len(kept) == len(ids):
        return
    with report.progress(f"unpacking {path.name}", len(ids), "videos") as bar:
        for done, (video_id, stored) in enumerate(zip(ids, read_packed_arrays(path), strict=True), 1):
            if video_id not in kept:
                yield video_id, stored
            bar.update(done)


def _check_grid(grid: PackedGrid) -> PackedGrid:
    if not (math.isfinite(grid.fps) and grid.fps > 0 and grid.stride_frames > 0 and grid.window_frames > 0):
        raise UsageError(
            "fps=, stride= and window= must be above 0", "Those of the published I3D features are 25, 16 and 16."
        )
    return grid
