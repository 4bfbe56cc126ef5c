"""Look through many feature files before the work: what would stop it midway is found now, and files are digested.

``.npy`` files are mapped into memory and read block by block, so that no more than a block is held; what is read
lies in the system's file cache afterwards, where the work finds it.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import FeatureError
from cltdr_cli.features.arrays import check_array_kind, check_features, read_stored_array
from cltdr_cli.features.headers import read_stored_header
from cltdr_cli.features.sidecar import read_sidecar, sidecar_path
from cltdr_cli.features.store import ExpectedFeatures, check_pair, check_width
from cltdr_cli.files import digest_ends
from cltdr_cli.reporting import SILENT, Reporter

LARGEST_VALUE = 1e18
"""The square of a greater value overflows float32, and networks square what they see."""

UNUSUAL_VALUE = 1e4
"""Features of known extractors stay far below it."""

_BLOCK_VALUES = 1 << 20
_END_BYTES = 1 << 12


@dataclass(frozen=True)
class Measured:
    """What was measured of a file; as long as the file is the same, it need not be read again.

    Attributes:
        ends: ``files.digest_ends`` of its size and of 4 KiB of its head and tail.
        modified_ns: Its modification time.
        keys: Names of the arrays that were read.
        shape: ``[T, C]``, before channels are left out.
        largest: Greatest absolute value.
    """

    ends: str
    modified_ns: int
    keys: tuple[str, ...]
    shape: tuple[int, ...]
    largest: float


@dataclass
class FeatureScan:
    """The result of looking through feature files.

    Attributes:
        measured: By file; files that cannot be used are not in it.
        faults: Why a file cannot be used, by file.
        read_bytes: Of the files that had to be read.
        seconds: How long it took.
    """

    measured: dict[Path, Measured] = field(default_factory=dict[Path, Measured])
    faults: dict[Path, FeatureError] = field(default_factory=dict[Path, FeatureError])
    read_bytes: int = 0
    seconds: float = 0.0

    @property
    def unusual(self) -> list[Path]:
        """Files that can be used and have unusually large values."""
        return [path for path, found in self.measured.items() if found.largest > UNUSUAL_VALUE]


def scan_features(
    paths: Iterable[Path],
    expected: ExpectedFeatures,
    known: Mapping[Path, Measured] | None = None,
    report: Reporter = SILENT,
    threads: int = 2,
) -> FeatureScan:
    """Find the feature files that cannot be used: damaged, of a wrong width or size, with NaN or infinity.

    Args:
        paths: The files.
        expected: The features that the model takes.
        known: What was measured of files before; those that are still the same are not read again.
        report: Hears of progress.
        threads: Files that are read at once.

    Raises:
        UsageError: A kind of file needs a package that is not installed.
    """
    wanted, known, scan = list(dict.fromkeys(paths)), known or {}, FeatureScan()
    began = time.monotonic()

    def look(path: Path) -> tuple[Measured | FeatureError, int]:
        try:
            found, size = _measure(path, expected.file_keys, known.get(path))
            _check(path, found, expected)
        except FeatureError as error:
            return error, 0
        return found, size

    with ThreadPoolExecutor(threads) as pool, report.progress("checking features", len(wanted), "files") as bar:
        for done, (path, (found, size)) in enumerate(zip(wanted, pool.map(look, wanted), strict=True), 1):
            if isinstance(found, FeatureError):
                scan.faults[path] = found
            else:
                scan.measured[path] = found
            scan.read_bytes += size
            bar.update(done)
    scan.seconds = time.monotonic() - began
    return scan


def _measure(path: Path, keys: Sequence[str], known: Measured | None) -> tuple[Measured, int]:
    """What there is to know of a file, and how many bytes were read for it."""
    try:
        ends, modified = digest_ends(path, _END_BYTES), path.stat().st_mtime_ns
    except OSError as error:
        raise FeatureError(f"{path}: cannot be read: {error.strerror or error}", "check its permissions") from error
    if known is not None and (known.ends, known.modified_ns, known.keys) == (ends, modified, tuple(keys)):
        return known, 0
    shape, dtype = read_stored_header(path, keys)
    check_array_kind(shape, dtype, path)
    _check_size(path, shape)
    array = _open_array(path, keys)
    largest = find_largest(array)
    if not math.isfinite(largest):
        check_features(array, path)  # raises, and says where
    return Measured(ends, modified, tuple(keys), shape, largest), array.nbytes


def _open_array(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    if path.suffix.lower() == ".npy":
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError):
            pass  # reading it whole says what is wrong
    return read_stored_array(path, keys)


def find_largest(array: NDArray[Any]) -> float:
    """Greatest absolute value of ``[T, C]`` as float32; NaN or infinity where the array has such."""
    rows = max(1, _BLOCK_VALUES // array.shape[1])
    largest = 0.0
    for first in range(0, len(array), rows):
        with np.errstate(over="ignore", invalid="ignore"):  # that is what is looked for
            block = np.asarray(array[first : first + rows], np.float32)
            low, high = float(block.min()), float(block.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            return math.nan
        largest = max(largest, -low, high)
    return largest


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse an array that cannot be held in memory, whatever its file claims."""
    wanted, there = 4 * math.prod(shape), memory_bytes()
    if there is not None and wanted > there:
        raise FeatureError(
            f"{path}: its array {list(shape)} takes {wanted / 1e9:.1f} GB as float32, and this machine has "
            f"{there / 1e9:.1f} GB of memory",
            "Is it one video? Extract the features again, with a larger stride or in parts.",
        )


def memory_bytes() -> int | None:
    """Memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _check(path: Path, found: Measured, expected: ExpectedFeatures) -> None:
    sidecar = read_sidecar(sidecar_path(path))
    if sidecar is not None:
        check_pair(found.shape, sidecar, path)
    check_width(found.shape, expected, path)
    if found.largest > LARGEST_VALUE:
        raise FeatureError(
            f"{path}: holds values up to {found.largest:.3g}, with which no network can compute",
            "It is damaged, or of another byte order or type: extract the features again.",
        )
