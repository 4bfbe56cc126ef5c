"""The look at feature files before training, evaluation or detection, and what it found in earlier runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cltdr_cli.errors import FeatureError, OutputError
from cltdr_cli.features.scan import FeatureScan, Measured, scan_features
from cltdr_cli.features.store import ExpectedFeatures
from cltdr_cli.files import write_text
from cltdr_cli.reporting import Reporter
from cltdr_cli.zoo.manifest import cache_folder

_LONG_SECONDS = 2.0
"""A look that took longer is told of, and what it found is remembered."""

_MOST_FAULTS = 3


def look_through(paths: Iterable[Path], expected: ExpectedFeatures, report: Reporter) -> FeatureScan:
    """Look through feature files; those that an earlier run looked through and that are unchanged are not read.

    Args:
        paths: The files.
        expected: The features that the model takes.
        report: Hears of progress, of a look that took long, and of files with unusually large values.
    """
    wanted = list(paths)
    folders = {path.parent for path in wanted}
    known = {path: found for folder in folders for path, found in _read_known(folder).items()}
    scan = scan_features(wanted, expected, known, report)
    if scan.seconds > _LONG_SECONDS and scan.read_bytes:
        for folder in folders:
            _remember(folder, {**known, **scan.measured})
        report.notice(
            f"looked through {len(wanted)} feature files for NaN, read {scan.read_bytes / 1e9:.1f} GB in "
            f"{scan.seconds:.0f} s; files that stay as they are will not be read again for that"
        )
    if scan.unusual:
        worst = max(scan.unusual, key=lambda path: scan.measured[path].largest)
        report.warning(
            f"{len(scan.unusual)} feature files hold unusually large values, {worst.name} up to "
            f"{scan.measured[worst].largest:.3g}: training on them may break down"
        )
    return scan


def refuse_faults(scan: FeatureScan) -> None:
    """Raise FeatureError where files cannot be used; the first few are described."""
    if scan.faults:
        raise FeatureError(
            _describe_faults(scan),
            "Extract them again, or take their videos out of the annotation. `cltdr features check` examines a folder.",
        )


def warn_of_faults(scan: FeatureScan, report: Reporter) -> None:
    """Say before the work which files will fail in it."""
    if scan.faults:
        report.warning(f"{_describe_faults(scan)}\nThe others are detected in; these count as failed.")


def _describe_faults(scan: FeatureScan) -> str:
    total = len(scan.faults) + len(scan.measured)
    shown = [error.message for error in list(scan.faults.values())[:_MOST_FAULTS]]
    rest = ["…"] * (len(scan.faults) > _MOST_FAULTS)
    return "\n".join([f"{len(scan.faults)} of {total} feature files cannot be used:", *shown, *rest])


def _known_path(folder: Path) -> Path:
    """Where it is remembered what a folder's files are: in the cache, for folders of data may be read-only."""
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return cache_folder() / "features" / f"{name}.json"


def _read_known(folder: Path) -> Mapping[Path, Measured]:
    """What was remembered; nothing where the file is not there, damaged, or of another version."""
    try:
        content: dict[str, dict[str, Any]] = json.loads(_known_path(folder).read_text(encoding="utf-8"))
        return {folder / name: _parse(facts) for name, facts in content["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _parse(facts: Mapping[str, Any]) -> Measured:
    shape, keys = tuple(map(int, facts["shape"])), tuple(map(str, facts["keys"]))
    return Measured(str(facts["ends"]), int(facts["modified_ns"]), keys, shape, float(facts["largest"]))


def _remember(folder: Path, measured: Mapping[Path, Measured]) -> None:
    files = {path.name: asdict(found) for path, found in measured.items() if path.parent == folder}
    content = {"folder": str(folder.resolve()), "files": files}
    try:
        write_text(_known_path(folder), json.dumps(content))
    except OutputError:  # without a cache they are read again next time
        return
