"""Feature files of one folder held against each other: those unlike most, and those that repeat another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from cltdr_cli.features.inspection import Defect, FileReport
from cltdr_cli.features.listing import FolderListing
from cltdr_cli.features.sidecar import Recipe

_DIGITS = 8
"""Of a digest; as many as release tools put into file names."""


def find_folder_defects(listing: FolderListing, reports: Sequence[FileReport]) -> list[Defect]:
    """What only shows among all files: those that are unlike most, repeat another, or are of one video.

    Args:
        listing: What lies in the folder.
        reports: Of each of its files.
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
    """Stride, window and rate of a recipe in words; a video's own rate is not named."""
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
    """Files whose fact is not that of most; those of which it is unknown are left out."""
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
