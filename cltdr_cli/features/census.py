"""A folder of features in numbers: how many of which kind, made how, how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from cltdr_cli.features.comparison import describe_arithmetic, describe_grid, describe_weights
from cltdr_cli.features.inspection import FileReport
from cltdr_cli.features.listing import FolderListing


@dataclass(frozen=True)
class FolderSummary:
    """What is in a folder. Facts of how features were made count the files whose sidecar tells them.

    Attributes:
        folder: Its path.
        files: Feature files.
        size_bytes: Of all together.
        formats: Files by suffix: ``npy``.
        types: Files by type of their values.
        widths: Files by channels.
        extractors: Files by extractor.
        grids: Files by stride, window and rate asked for.
        rates: Files by frames per second of the sampled video.
        flows: Files by kind of optical flow, of those that have one.
        arithmetic: Files by precision and backend.
        weights: Files by the first digits of their weights' SHA-256.
        steps: Least, median and most rows; empty where no file reads.
        video_seconds: Length of all videos together.
        without_sidecar: Files that have none.
        unreadable: Files, or their sidecars, that do not read.
        leftovers: What stopped runs left half-written.
        failed: Videos in the lists of failures.
    """

    folder: str
    files: int
    size_bytes: int
    formats: dict[str, int]
    types: dict[str, int]
    widths: dict[str, int]
    extractors: dict[str, int]
    grids: dict[str, int]
    rates: dict[str, int]
    flows: dict[str, int]
    arithmetic: dict[str, int]
    weights: dict[str, int]
    steps: tuple[float, ...]
    video_seconds: float
    without_sidecar: int
    unreadable: int
    leftovers: int
    failed: int

    def facts(self) -> dict[str, object]:
        """All of it as plain data for JSON."""
        return asdict(self)


def summarize_folder(listing: FolderListing, reports: Sequence[FileReport]) -> FolderSummary:
    """Count what is in a folder.

    Args:
        listing: What lies there.
        reports: Of each of its files, by ``inspection.inspect_header``.
    """
    sidecars = [report.sidecar for report in reports if report.sidecar is not None]
    recipes = [sidecar.recipe for sidecar in sidecars]
    steps = [report.steps for report in reports if report.steps is not None]
    return FolderSummary(
        folder=str(listing.folder),
        files=len(reports),
        size_bytes=sum(report.size_bytes for report in reports),
        formats=_count(report.kind for report in reports),
        types=_count(report.dtype for report in reports if report.dtype),
        widths=_count(report.width for report in reports if report.width is not None),
        extractors=_count(recipe.extractor for recipe in recipes),
        grids=_count(map(describe_grid, recipes)),
        rates=_count(f"{sidecar.fps:.4g}" for sidecar in sidecars),
        flows=_count(recipe.flow for recipe in recipes if recipe.flow),
        arithmetic=_count(map(describe_arithmetic, recipes)),
        weights=_count(map(describe_weights, recipes)),
        steps=(min(steps), median(steps), max(steps)) if steps else (),
        video_seconds=sum(sidecar.duration_seconds for sidecar in sidecars),
        without_sidecar=sum(report.lacks_sidecar for report in reports),
        unreadable=sum(bool(report.defects) for report in reports),
        leftovers=len(listing.leftovers),
        failed=len(listing.failed),
    )


def _count(values: Iterable[object]) -> dict[str, int]:
    return {str(value): count for value, count in Counter(values).most_common()}
