"""A folder of features as a whole: how many files of which kind, and which are unlike the others or repeat another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from cltdr_cli.features.inspection import Defect, FileReport
from cltdr_cli.features.listing import FolderListing
from cltdr_cli.features.sidecar import Recipe

_DIGITS = 8
"""How many digits of a digest are shown."""


def find_folder_defects(listing: FolderListing, reports: Sequence[FileReport]) -> list[Defect]:
    """Find defects that need a look at all files: files unlike most, duplicates, and several files of one video.

    Args:
        listing: Contents of the folder.
        reports: One for each of its files.
    """
    return [
        *(Defect("no-sidecar", report.name) for report in reports if report.lacks_sidecar),
        *_find_odd_ones(reports, "odd-width", "channels", lambda r: r.width),
        *_find_odd_ones(reports, "odd-type", "", lambda r: r.dtype or None),
        *_find_odd_ones(reports, "odd-grid", "", _describe_grid_of),
        *_find_odd_ones(reports, "odd-kind", "", _describe_kind_of),
        *_find_odd_ones(reports, "odd-arithmetic", "", _describe_arithmetic_of),
        *_find_shared(reports, "duplicate", lambda r: r.digest),
        *_find_shared(reports, "same-video", lambda r: r.entry.video_id),
        *(Defect("leftover", path.name) for path in listing.leftovers),
        *(Defect("failed", name) for name in listing.failed),
    ]


def describe_grid(recipe: Recipe) -> str:
    """Stride, window and, where videos were resampled, the frame rate of a recipe in words."""
    rate = "" if recipe.requested_fps is None else f" at {recipe.requested_fps:g} fps"
    return f"stride {recipe.stride_frames}, window {recipe.window_frames}{rate}"


def describe_arithmetic(recipe: Recipe) -> str:
    """Precision and backend of a recipe in words."""
    return f"{recipe.precision} by {recipe.backend}"


def describe_weights(recipe: Recipe) -> str:
    """The first digits of the SHA-256 of each file of weights."""
    return "+".join(digest[:_DIGITS] for digest in (recipe.weights_digest or "none").split("+"))


def _describe_grid_of(report: FileReport) -> str | None:
    return None if report.sidecar is None else describe_grid(report.sidecar.recipe)


def _describe_kind_of(report: FileReport) -> str | None:
    if report.sidecar is None:
        return None
    recipe = report.sidecar.recipe
    words = [recipe.extractor, recipe.flow, f"weights {describe_weights(recipe)}"]
    return ", ".join(word for word in words if word)


def _describe_arithmetic_of(report: FileReport) -> str | None:
    return None if report.sidecar is None else describe_arithmetic(report.sidecar.recipe)


def _find_odd_ones(
    reports: Sequence[FileReport], kind: str, unit: str, fact: Callable[[FileReport], object]
) -> list[Defect]:
    """Files whose value of ``fact`` differs from the most frequent one; files without a value are left out."""
    facts = [(report, value) for report in reports if (value := fact(report)) is not None]
    counts = Counter(value for _, value in facts)
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    return [
        Defect(kind, f"{report.name}: {_format_value(value, unit)}, most {_format_value(usual, unit)}")
        for report, value in facts
        if value != usual
    ]


def _format_value(value: object, unit: str) -> str:
    return f"{value} {unit}" if isinstance(value, int) else str(value)


def _find_shared(reports: Iterable[FileReport], kind: str, fact: Callable[[FileReport], str]) -> list[Defect]:
    groups: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        if fact(report):
            groups[fact(report)].append(report.name)
    return [Defect(kind, " = ".join(names)) for names in groups.values() if len(names) > 1]


@dataclass(frozen=True)
class FolderSummary:
    """The contents of a folder in numbers. How features were made is counted over files that have a sidecar.

    Attributes:
        folder: Its path.
        files: Feature files.
        size_bytes: Size of all files together.
        formats: Files by suffix: ``npy``.
        types: Files by type of their values.
        widths: Files by channels.
        extractors: Files by extractor.
        grids: Files by stride, window and requested frame rate.
        rates: Files by frames per second of the sampled video.
        flows: Files by optical flow, where there is one.
        arithmetic: Files by precision and backend.
        weights: Files by the first digits of their weights' SHA-256.
        steps: Smallest, median and largest number of steps; empty where no file can be read.
        video_seconds: Length of all videos together.
        without_sidecar: Files without a sidecar.
        unreadable: Files that cannot be read, or whose sidecar cannot.
        leftovers: Unfinished files of stopped runs.
        failed: Videos listed in ``failed.csv``.
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
        """Plain data for JSON."""
        return asdict(self)


def summarize_folder(listing: FolderListing, reports: Sequence[FileReport]) -> FolderSummary:
    """Count the contents of a folder.

    Args:
        listing: Contents of the folder.
        reports: One for each of its files, from ``inspection.inspect_header``.
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
