"""Save and load feature files: one array and one sidecar per video, written completely or not at all."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cltdr_cli import __version__
from cltdr_cli.errors import FeatureError
from cltdr_cli.features.arrays import is_feature_file, read_array
from cltdr_cli.features.formats import WRITERS, digest_array, find_format
from cltdr_cli.features.kinds import ExpectedKind, find_kind_difference
from cltdr_cli.features.sidecar import Recipe, Sidecar, read_sidecar, sidecar_path
from cltdr_cli.files import explain_disk_errors, write_text
from cltdr_cli.plain_text import as_utf8, safe_file_name
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.video.frames import FrameTiming

_RATE_TOLERANCE = 0.005
"""Relative; 29.97 counts as 30, as in the published files, and 25 does not."""

NOT_THERE = "not there yet"
"""The reason for features that were never made; every other reason means making them again."""


class ExpectedFeatures(ExpectedKind, Protocol):
    """The features that a model was trained on; ``zoo.preset.FeatureConfig`` says it."""

    @property
    def width(self) -> int:
        """Channels."""
        ...

    @property
    def first_channels(self) -> int | None:
        """How many of a wider file's channels are used, from the first on; None if files have exactly the width."""
        ...

    @property
    def stride_frames(self) -> int:
        """Frames between two steps."""
        ...

    @property
    def window_frames(self) -> int:
        """Frames of one step."""
        ...

    @property
    def rate(self) -> float | None:
        """Frames per second of the sampled video; None for the rate of each file."""
        ...

    @property
    def file_keys(self) -> tuple[str, ...]:
        """Names of the arrays inside one file, which are joined along channels."""
        ...


def feature_path(folder: Path, video_id: str, format: str = "npy") -> Path:
    """Path of a video's feature file in a format of ``formats.WRITERS``."""
    return folder / f"{safe_file_name(video_id)}{WRITERS[format].suffix}"


def make_sidecar(sequence: FeatureSequence, recipe: Recipe, timing: FrameTiming, reader: str) -> Sidecar:
    """Make the sidecar of newly extracted features.

    Args:
        sequence: The features.
        recipe: How they were made.
        timing: Measured timing of the frames.
        reader: Video decoder.
    """
    steps, width = sequence.features.shape
    return Sidecar(
        recipe=recipe,
        fps=timing.rate,
        frame_count=timing.frame_count,
        duration_seconds=sequence.duration_seconds,
        steps=steps,
        width=width,
        cltdr_version=__version__,
        start_seconds=timing.start_seconds,
        time_knots=timing.knots,
        reader=reader,
        broken_seconds=timing.broken_seconds,
    )


def save_features(folder: Path, sequence: FeatureSequence, sidecar: Sidecar, format: str = "npy") -> Path:
    """Store features and their sidecar; returns the feature file.

    The sidecar marks the file as finished: an old sidecar is removed first and the new one is written last, so that
    a stop at any moment never leaves a sidecar beside another file's array. Digest and format are filled in here.

    Args:
        folder: Folder of the feature files.
        sequence: The features.
        sidecar: Their sidecar.
        format: Name in ``formats.WRITERS``.

    Raises:
        OutputError: The folder or disk cannot be written.
        UsageError: There is no such format, or it needs a package that is not installed.
        ValueError: The sidecar describes other features.
    """
    if (sidecar.steps, sidecar.width) != sequence.features.shape:
        raise ValueError(f"sidecar of [{sidecar.steps}, {sidecar.width}] for features {sequence.features.shape}")
    form, path = find_format(format), feature_path(folder, sequence.video_id, format)
    features = np.ascontiguousarray(sequence.features, "<f4")
    sidecar = replace(sidecar, array_sha256=digest_array(features), file_format=format)
    with explain_disk_errors(path), form.replacing(path) as partial:
        form.write(partial, features, sidecar)
        sidecar_path(path).unlink(missing_ok=True)
    write_text(sidecar_path(path), sidecar.to_json())
    return path


def explain_unfinished(
    folder: Path, video_id: str, wanted: Recipe, format: str = "npy", *, strict: bool = False
) -> str:
    """Why the features of a video must be extracted (again); empty if they are complete and as wanted.

    Args:
        folder: Folder of the feature files.
        video_id: Id of the video.
        wanted: How they are to be made.
        format: Name in ``formats.WRITERS``.
        strict: Whether features of a video that breaks off are rejected.

    Raises:
        UsageError: There is no such format, or it needs a package that is not installed.
    """
    form, path = find_format(format), feature_path(folder, video_id, format)
    if not is_feature_file(path):
        return NOT_THERE
    try:
        found = read_sidecar(sidecar_path(path))
    except FeatureError as error:
        return error.message
    if found is None:
        return "there is no sidecar, the mark of a finished file"
    if found.file_format != format:
        return f"the sidecar is that of the {found.file_format} file"
    if not form.is_whole(path, (found.steps, found.width)):
        return f"{path.name} is not whole"
    if strict and found.broken_seconds is not None:
        return f"the video breaks off at {found.broken_seconds:.2f} s, and strict= asks for whole videos"
    return found.recipe.describe_difference(wanted)


def load_features(
    path: Path,
    expected: ExpectedFeatures | None = None,
    *,
    fps: float | None = None,
    duration_seconds: float | None = None,
    video_id: str | None = None,
) -> FeatureSequence:
    """Load features with their times, from the sidecar or from the arguments.

    Args:
        path: Float ``[T, C]`` in any format of ``arrays.READERS``.
        expected: The features that the model was trained on; without it a sidecar is needed.
        fps: Frames per second of the sampled video; overrides the sidecar's.
        duration_seconds: End of the video; overrides the sidecar's.
        video_id: Id of the video; the file's stem by default.

    Raises:
        FeatureError: Unreadable, damaged, of the wrong width, in contradiction to its sidecar, or without times.
    """
    for name, value in (("fps", fps), ("duration", duration_seconds)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise FeatureError(f"{path}: {name} is {value}, and must be above 0")
    features = read_array(path, expected.file_keys if expected is not None else ())
    sidecar = read_sidecar(sidecar_path(path))
    if sidecar is not None:
        check_pair(features.shape, sidecar, path)
    if expected is not None:
        features = _take_first_channels(features, expected.first_channels)
        check_width(features.shape, expected, path)
        if sidecar is not None:
            check_sidecar(sidecar, expected, path)
    grid = _choose_grid(sidecar, expected, fps, path)
    duration = duration_seconds or (sidecar.duration_seconds if sidecar is not None else None)
    if grid is None or duration is None:
        raise _explain_unknown_times(path, features, grid, expected)
    name = video_id if video_id is not None else as_utf8(path.stem)
    return FeatureSequence(features, grid, duration, name, sidecar.recipe.extractor if sidecar else None)


def _choose_grid(
    sidecar: Sidecar | None, expected: ExpectedFeatures | None, fps: float | None, path: Path
) -> FeatureGrid | None:
    """The sidecar's measured times, unless a rate other than the model's is given."""
    usual = expected.rate if expected is not None else None
    if sidecar is not None:
        return sidecar.grid if fps in (None, usual) else replace(sidecar.grid, rate=fps, knots=())
    rate = fps or usual
    if expected is None or rate is None:
        return None
    return FeatureGrid(rate, expected.stride_frames, expected.window_frames)


def _take_first_channels(features: NDArray[np.float32], channels: int | None) -> NDArray[np.float32]:
    """``[T, C]`` -> ``[T, channels]``, where there are more; a copy, so that the rest need not be kept in memory."""
    if channels is None or features.shape[1] <= channels:
        return features
    return np.ascontiguousarray(features[:, :channels])


def check_width(shape: tuple[int, ...], expected: ExpectedFeatures, path: Path) -> None:
    """Check the number of channels of ``[T, C]``.

    Raises:
        FeatureError: It is not the model's.
    """
    rows, columns = shape
    if columns == expected.width or (expected.first_channels is not None and columns > expected.first_channels):
        return
    if rows == expected.width:
        raise FeatureError(
            f"{path}: is [{rows}, {columns}], channels first; features are [steps, channels], here [T, {rows}]",
            "turn it over and save it again: numpy.save(FILE, numpy.load(FILE).T)",
        )
    raise FeatureError(
        f"{path}: has {columns} channels, and the model takes {expected.width} ({expected.extractor})",
        "choose the preset of these features, or extract them with the model's extractor",
    )


def check_pair(shape: tuple[int, ...], sidecar: Sidecar, path: Path) -> None:
    """Check that an array and a sidecar belong together.

    Raises:
        FeatureError: They are of different shapes.
    """
    if shape != (sidecar.steps, sidecar.width):
        raise FeatureError(
            f"{path}: is {list(shape)}, and its sidecar speaks of [{sidecar.steps}, {sidecar.width}]: "
            "they do not belong together",
            "extract the features again",
        )


def check_sidecar(sidecar: Sidecar, expected: ExpectedFeatures, path: Path) -> None:
    """Check that a sidecar fits the model: features of another kind or grid would silently give wrong segments.

    Raises:
        FeatureError: The sidecar of ``path`` contradicts what the model expects.
    """
    recipe = sidecar.recipe
    pairs = (
        ("stride", recipe.stride_frames, expected.stride_frames),
        ("window", recipe.window_frames, expected.window_frames),
    )
    for name, found, wanted in pairs:
        if found != wanted:
            raise _explain_contradiction(path, name, found, wanted)
    other = find_kind_difference(recipe, expected)
    if other is not None:
        raise _explain_contradiction(
            path, *other, more="\nforce= uses them all the same, and the scores may mean little"
        )
    if expected.rate is not None and abs(sidecar.fps / expected.rate - 1) > _RATE_TOLERANCE:
        raise _explain_contradiction(path, "fps", f"{sidecar.fps:g}", f"{expected.rate:g}")


def _explain_contradiction(path: Path, name: str, found: object, wanted: object, more: str = "") -> FeatureError:
    return FeatureError(
        f"{path}: was made with {name} {found} (says {sidecar_path(path).name}), the model needs {name} {wanted}",
        "extract the features again as the model needs them, or choose the preset that fits them" + more,
    )


def _explain_unknown_times(
    path: Path, features: NDArray[np.float32], grid: FeatureGrid | None, expected: ExpectedFeatures | None
) -> FeatureError:
    if expected is None:
        return FeatureError(f"{path}: has no sidecar, so its stride and window are unknown", "name a preset")
    frames = (len(features) - 1) * expected.stride_frames + expected.window_frames
    missing = "duration= SECONDS" if grid is not None else "fps= FRAMES_PER_SECOND and duration= SECONDS"
    covered = f", {frames / grid.rate:.2f} seconds" if grid is not None else ""
    return FeatureError(
        f"{path}: nothing says when its steps are: there is no sidecar {sidecar_path(path).name}",
        f"add {missing} of the video (its {len(features)} steps cover {frames} frames{covered})",
    )
