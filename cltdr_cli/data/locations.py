"""Where the files of benchmarks are: as given, or under the data root."""

from __future__ import annotations

from pathlib import Path

from cltdr_cli.data.benchmarks import Benchmark
from cltdr_cli.errors import UsageError


def annotation_path(record: Benchmark, given: Path | None, data_root: Path | None) -> Path:
    """The annotation given, else the first file of the benchmark that lies under the data root.

    Raises:
        UsageError: Neither is there.
    """
    if given is not None:
        return given
    if data_root is None:
        raise UsageError(
            f"no annotation of {record.name}",
            "Give --annotations FILE, or --data-root DIR (or $CLTDR_DATA) with " + _alternatives(record),
        )
    expected = expected_path(record, data_root)
    if expected is None:
        raise UsageError(f"{data_root} has no annotation of {record.name}", f"Expected: {_alternatives(record)}")
    return expected


def expected_path(record: Benchmark, data_root: Path) -> Path | None:
    """The first of the benchmark's files that exists under the data root; None if there is none."""
    return next((data_root / name for name in record.files if (data_root / name).exists()), None)


def _alternatives(record: Benchmark) -> str:
    return " or ".join(record.files)
