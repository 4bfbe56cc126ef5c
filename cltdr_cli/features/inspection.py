"""Inspect single feature files: shape, type and sidecar, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError
from cltdr_cli.features.arrays import read_stored_array
from cltdr_cli.features.formats import digest_array
from cltdr_cli.features.headers import read_stored_header
from cltdr_cli.features.listing import FeatureEntry
from cltdr_cli.features.sidecar import Sidecar, read_sidecar, sidecar_path
from cltdr_cli.features.store import ExpectedFeatures, check_sidecar

DURATION_TOLERANCE_SECONDS = 1.0
"""Largest accepted difference between a sidecar's duration and the end of its frames, or the annotation."""


class Defect(NamedTuple):
    """One thing that is wrong: a short, stable name of its kind, and where it is."""

    kind: str
    place: str


@dataclass(frozen=True)
class FileReport:
    """The result of inspecting one feature file.

    Attributes:
        entry: The file.
        size_bytes: Size on the disk.
        shape: Shape of the stored array; None if it cannot be read.
        dtype: Type of its values, such as ``float32``; empty if it cannot be read.
        sidecar: None if there is none, or it cannot be read.
        digest: ``formats.digest_array``; empty if the values were not read or are not features.
        defects: What is wrong with it.
    """

    entry: FeatureEntry
    size_bytes: int
    shape: tuple[int, ...] | None
    dtype: str
    sidecar: Sidecar | None
    digest: str
    defects: tuple[Defect, ...]

    @property
    def name(self) -> str:
        """Name of the file, without its folder."""
        return self.entry.path.name

    @property
    def kind(self) -> str:
        """Suffix of the file without the dot, such as ``npy``."""
        return self.entry.path.suffix.lower().removeprefix(".")

    @property
    def width(self) -> int | None:
        """Channels; None if the array is not two-dimensional."""
        return self.shape[1] if self.shape is not None and len(self.shape) == 2 else None

    @property
    def steps(self) -> int | None:
        """Steps; None if the array is not two-dimensional."""
        return self.shape[0] if self.shape is not None and len(self.shape) == 2 else None

    @property
    def lacks_sidecar(self) -> bool:
        """Whether there is no sidecar file at all (an unreadable one is a defect of its own)."""
        return self.sidecar is None and all(defect.kind != "sidecar-unreadable" for defect in self.defects)


def inspect_header(entry: FeatureEntry, keys: Sequence[str] = ()) -> FileReport:
    """Read shape and sidecar of a file; for most formats the values are not read.

    Args:
        entry: The file.
        keys: Names of its arrays, joined along channels; empty for the usual one.
    """
    defects: list[Defect] = []
    sidecar = _read_sidecar(entry, defects)
    try:
        shape, dtype = read_stored_header(entry.path, keys)
    except FeatureError as error:
        defects.append(_describe_damage(entry, error))
        return FileReport(entry, entry.bytes, None, "", sidecar, "", tuple(defects))
    return FileReport(entry, entry.bytes, shape, dtype.name, sidecar, "", tuple(defects))


def inspect_file(entry: FeatureEntry, keys: Sequence[str] = ()) -> FileReport:
    """Read a whole file and find everything that is wrong with it and its sidecar.

    Args:
        entry: The file.
        keys: Names of its arrays, joined along channels; empty for the usual one.
    """
    defects: list[Defect] = []
    sidecar = _read_sidecar(entry, defects)
    try:
        array = read_stored_array(entry.path, keys)
    except FeatureError as error:
        defects.append(_describe_damage(entry, error))
        return FileReport(entry, entry.bytes, None, "", sidecar, "", tuple(defects))
    unfit = _find_misfit(array)
    digest = ""
    if unfit:
        defects.append(Defect("no-features", f"{entry.path.name}: {unfit}"))
    else:
        with np.errstate(over="ignore"):  # values too large for float32 become infinite and are reported
            features = np.ascontiguousarray(array, np.float32)
        digest = digest_array(features)
        defects += [Defect(kind, f"{entry.path.name}{text}") for kind, text in _find_value_defects(features)]
    if sidecar is not None:
        found = chain(*(check(sidecar, array.shape, digest) for check in _SIDECAR_CHECKS))
        defects += [Defect(kind, f"{entry.path.name}: {text}") for kind, text in found]
    return FileReport(entry, entry.bytes, array.shape, array.dtype.name, sidecar, digest, tuple(defects))


def compare_with_model(report: FileReport, expected: ExpectedFeatures) -> list[Defect]:
    """Find out where a file is not what a model expects.

    Args:
        report: Report of the file.
        expected: What the model was trained on.
    """
    found: list[Defect] = []
    is_cut = expected.first_channels is not None and (report.width or 0) > expected.first_channels
    if report.width is not None and report.width != expected.width and not is_cut:
        found.append(Defect("preset-width", f"{report.name}: {report.width} channels, not {expected.width}"))
    if report.sidecar is not None:
        try:
            check_sidecar(report.sidecar, expected, Path(report.name))
        except FeatureError as error:
            found.append(Defect("preset", error.message))
    return found


def _read_sidecar(entry: FeatureEntry, defects: list[Defect]) -> Sidecar | None:
    try:
        return read_sidecar(sidecar_path(entry.path))
    except FeatureError as error:
        defects.append(Defect("sidecar-unreadable", _strip_folder(error.message, entry)))
        return None


def _describe_damage(entry: FeatureEntry, error: FeatureError) -> Defect:
    return Defect("damaged", _strip_folder(error.message, entry))


def _strip_folder(message: str, entry: FeatureEntry) -> str:
    return message.replace(f"{entry.path.parent}/", "", 1)


def _find_misfit(array: NDArray[Any]) -> str:
    """Why an array does not hold features; empty if it does."""
    if array.ndim != 2:
        return f"its shape is {list(array.shape)}, not [steps, channels]"
    if array.dtype.kind != "f":
        return f"its values are {array.dtype}, not floats"
    return f"its shape is {list(array.shape)}" if 0 in array.shape else ""


def _find_value_defects(features: NDArray[np.float32]) -> Iterator[tuple[str, str]]:
    finite = np.isfinite(features)
    if not finite.all():
        step, channel = np.unravel_index(int(finite.argmin()), finite.shape)
        count = finite.size - int(finite.sum())
        yield "not-finite", f": {count} values, the first at step {step}, channel {channel}"
    silent = int((~features.any(axis=1)).sum())
    if silent == len(features):
        yield "zero", ""
    elif silent:
        yield "zero-steps", f": {silent} of {len(features)} steps"
    elif len(features) > 1 and (features == features[0]).all():
        yield "constant", f": {len(features)} equal steps"


def _find_shape_defects(sidecar: Sidecar, shape: tuple[int, ...], digest: str) -> Iterator[tuple[str, str]]:
    if shape != (sidecar.steps, sidecar.width):
        yield "sidecar-shape", f"is {list(shape)}, its sidecar says [{sidecar.steps}, {sidecar.width}]"
    elif digest and sidecar.array_sha256 not in (None, digest):
        yield "changed", "SHA-256 of its values is another than its sidecar says"


def _find_steps_defects(sidecar: Sidecar, shape: tuple[int, ...], digest: str) -> Iterator[tuple[str, str]]:
    """The number of steps must follow from the frames; optical flow has one field less than there are frames."""
    frames = sidecar.frame_count
    counts = {sidecar.grid.step_count(frames - lost) for lost in ((0, 1) if sidecar.recipe.flow else (0,))}
    if sidecar.steps not in counts:
        yield "sidecar-steps", f"{sidecar.steps} steps, and {frames} frames on its grid give {max(counts)}"


def _find_end_defects(sidecar: Sidecar, shape: tuple[int, ...], digest: str) -> Iterator[tuple[str, str]]:
    is_whole = sidecar.broken_seconds is None and sidecar.recipe.clip_seconds == (None, None)
    end = float(sidecar.grid.frames_to_seconds(sidecar.frame_count))
    if is_whole and abs(end - sidecar.duration_seconds) > DURATION_TOLERANCE_SECONDS:
        yield "sidecar-duration", f"duration {sidecar.duration_seconds:g} s, but its frames end at {end:.2f} s"


_SIDECAR_CHECKS = (_find_shape_defects, _find_steps_defects, _find_end_defects)
