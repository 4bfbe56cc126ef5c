"""Feature files of one folder held against each other: those unlike most, and those that repeat another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from cltdr_cli.features.inspection import Defect, FileReport
from cltdr_cli.features.listing import FolderListing
from cltdr_cli.features.sidecar import Recipe

_DIGITS = 8
"""Of a digest; as many as release tools put into file names."""


def compare(listing: FolderListing, reports: Sequence[FileReport]) -> list[Defect]:
    """What only shows among all files: those that are unlike most, repeat another, or are of one video.

    Args:
        listing: What lies in the folder.
        reports: Of each of its files.
    """
    return [
        *(Defect("no-sidecar", report.name) for report in reports if report.lacks_sidecar),
        *_odd_ones(reports, "odd-width", "channels", lambda r: r.width),
        *_odd_ones(reports, "odd-type", "", lambda r: r.dtype or None),
        *_odd_ones(reports, "odd-grid", "", _grid),
        *_odd_ones(reports, "odd-kind", "", _kind),
        *_odd_ones(reports, "odd-arithmetic", "", _arithmetic),
        *_shared(reports, "duplicate", lambda r: r.digest),
        *_shared(reports, "same-video", lambda r: r.entry.video_id),
        *(Defect("leftover", path.name) for path in listing.leftovers),
        *(Defect("failed", name) for name in listing.failed),
    ]


def grid_words(recipe: Recipe) -> str:
    """Stride, window and rate of a recipe in words; a video's own rate is not named."""
    rate = "" if recipe.requested_fps is None else f" at {recipe.requested_fps:g} fps"
    return f"stride {recipe.stride_frames}, window {recipe.window_frames}{rate}"


def arithmetic_words(recipe: Recipe) -> str:
    """Precision and backend of a recipe in words."""
    return f"{recipe.precision} by {recipe.backend}"


def weights_words(recipe: Recipe) -> str:
    """The first digits of the SHA-256 of each file of weights."""
    return "+".join(digest[:_DIGITS] for digest in (recipe.weights_digest or "none").split("+"))


def _grid(report: FileReport) -> str | None:
    return None if report.sidecar is None else grid_words(report.sidecar.recipe)


def _kind(report: FileReport) -> str | None:
    if report.sidecar is None:
        return None
    recipe = report.sidecar.recipe
    words = [recipe.extractor, recipe.flow, f"weights {weights_words(recipe)}"]
    return ", ".join(word for word in words if word)


def _arithmetic(report: FileReport) -> str | None:
    return None if report.sidecar is None else arithmetic_words(report.sidecar.recipe)


def _odd_ones(
    reports: Sequence[FileReport], kind: str, unit: str, fact: Callable[[FileReport], object]
) -> list[Defect]:
    """Files whose fact is not that of most; those of which it is unknown are left out."""
    facts = [(report, value) for report in reports if (value := fact(report)) is not None]
    counts = Counter(value for _, value in facts)
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    return [
        Defect(kind, f"{report.name}: {_said(value, unit)}, most {_said(usual, unit)}")
        for report, value in facts
        if value != usual
    ]


def _said(value: object, unit: str) -> str:
    return f"{value} {unit}" if isinstance(value, int) else str(value)


def _shared(reports: Iterable[FileReport], kind: str, fact: Callable[[FileReport], str]) -> list[Defect]:
    groups: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        if fact(report):
            groups[fact(report)].append(report.name)
    return [Defect(kind, " = ".join(names)) for names in groups.values() if len(names) > 1]
