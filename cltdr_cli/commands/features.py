"""cltdr features: what is in a folder of features, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, Quiet
from cltdr_cli.plain_text import harmless

if TYPE_CHECKING:
    from collections.abc import Callable

    from cltdr_cli.data.annotations import Annotations
    from cltdr_cli.data.findings import Finding
    from cltdr_cli.features.folder_report import FolderSummary
    from cltdr_cli.features.inspection import Defect, FileReport
    from cltdr_cli.features.listing import FeatureEntry, FolderListing
    from cltdr_cli.zoo.preset import Preset

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Look into and check folders of features, ours or published ones.",
)

Folder = Annotated[Path, typer.Argument(help="Folder of feature files.", metavar="DIR")]
OwnPreset = Annotated[
    str | None,
    typer.Option("--preset", help="What they are for: its names of files, width and grid.", metavar="NAME|FILE"),
]
Settings = Annotated[
    list[str],
    typer.Option("--set", help="Change any value of the preset; repeatable.", metavar="KEY=VALUE"),
]
JsonOut = Annotated[Path | None, typer.Option(help="Write all of it as JSON.", metavar="FILE")]

_SHOWN = 4
_LONGEST = 200
_UNITS = ("B", "kB", "MB", "GB", "TB")


@app.command()
def info(
    folder: Folder,
    preset: OwnPreset = None,
    settings: Settings = [],  # noqa: B006 # typer copies it
    json_out: JsonOut = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what is in a folder of features: how many files, made by what and how, how long.

    Headers and sidecars are read, not the features themselves (except of .pt and .pkl files, which tell nothing
    before); cltdr features check reads them all.
    """
    from cltdr_cli.features.folder_report import summarize_folder
    from cltdr_cli.features.inspection import inspect_header
    from cltdr_cli.files import check_writable, write_text

    if json_out is not None:
        check_writable(json_out)
    wanted = _preset(preset, settings)
    listing = _listed(folder, wanted)
    census = summarize_folder(listing, _looked_at(listing, wanted, inspect_header))
    console.table(f"{folder}: {census.files} feature files", ("fact", "value (files)"), _rows(census))
    if json_out is not None:
        write_text(json_out, json.dumps(census.facts(), indent=1) + "\n", "backslashreplace")


@app.command()
def check(
    folder: Folder,
    annotations: Annotated[
        Path | None, typer.Option(help="JSON, CSV or THUMOS folder that they belong to.", metavar="FILE")
    ] = None,
    preset: OwnPreset = None,
    settings: Settings = [],  # noqa: B006 # typer copies it
    json_out: JsonOut = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read every feature file to its end and find what is wrong before any training.

    Damaged files, NaN, contradictions between files, sidecars, annotations and preset, duplicates, annotated
    segments after the last step. Exit status 1 if something is to be mended.
    """
    from cltdr_cli.data.feature_checks import group_defects, make_feature_findings
    from cltdr_cli.features.inspection import inspect_file
    from cltdr_cli.files import check_writable

    if json_out is not None:
        check_writable(json_out)
    wanted = _preset(preset, settings)
    read = _annotations(annotations, wanted) if annotations is not None else None
    listing = _listed(folder, wanted)
    reports = _looked_at(listing, wanted, inspect_file)
    places = group_defects(_defects(listing, reports, wanted, read))
    findings = make_feature_findings(places)
    whole = sum(not report.defects for report in reports)
    typer.echo(f"{harmless(folder)}: {len(reports)} feature files, {whole} of them in order by themselves")
    for finding in findings:
        console.warning(_listed_finding(finding))
    if json_out is not None:
        _write_findings(json_out, folder, len(reports), places)
    elif any(finding.examples[-1] == "…" for finding in findings):
        console.notice("--json-out FILE lists all places")
    if not findings:
        console.notice("found nothing wrong")
    if any(finding.severe for finding in findings):
        raise typer.Exit(1)


def _preset(name: str | None, settings: list[str]) -> Preset | None:
    from cltdr_cli.errors import UsageError
    from cltdr_cli.zoo.overrides import with_overrides
    from cltdr_cli.zoo.preset import load_preset

    if name is None:
        if settings:
            raise UsageError("--set changes a preset, and none is named", "add --preset NAME")
        return None
    return with_overrides(load_preset(name), settings)


def _annotations(path: Path, preset: Preset | None) -> Annotations:
    from cltdr_cli.data.annotation_layouts import read_annotations
    from cltdr_cli.data.datasets import find_dataset

    record = find_dataset(preset.benchmark.dataset if preset is not None else "custom")
    return read_annotations(path, record.class_names, first_id=record.first_id, task=record.task)


def _listed(folder: Path, preset: Preset | None) -> FolderListing:
    from cltdr_cli.features.listing import list_features

    if preset is None:
        return list_features(folder)
    return list_features(folder, preset.features.file_prefix, preset.features.file_suffix)


def _looked_at(
    listing: FolderListing, preset: Preset | None, look: Callable[[FeatureEntry, tuple[str, ...]], FileReport]
) -> list[FileReport]:
    """Reports of all files, one file in memory at a time."""
    keys = preset.features.file_keys if preset is not None else ()
    reports: list[FileReport] = []
    with console.progress(str(listing.folder), len(listing.entries), "files") as bar:
        for entry in listing.entries:
            reports.append(look(entry, keys))
            bar.update(len(reports))
    return reports


def _defects(
    listing: FolderListing, reports: list[FileReport], preset: Preset | None, annotations: Annotations | None
) -> list[Defect]:
    from cltdr_cli.data.feature_checks import find_annotation_defects
    from cltdr_cli.features.folder_report import find_folder_defects
    from cltdr_cli.features.inspection import compare_with_model

    found = [defect for report in reports for defect in report.defects]
    found += find_folder_defects(listing, reports)
    if preset is not None:
        found += [defect for report in reports for defect in compare_with_model(report, preset.features)]
    if annotations is not None:
        found += find_annotation_defects(reports, annotations, preset.features if preset is not None else None)
    return found


def _listed_finding(finding: Finding) -> str:
    """A line for the finding and one for each example: what is said of a file may be a sentence of its own."""
    head = f"{'to correct: ' if finding.severe else ''}{finding.count} {finding.text}: {finding.consequence}"
    examples = (place if len(place) <= _LONGEST else f"{place[:_LONGEST]}…" for place in finding.examples)
    return "\n    ".join([head, *examples])


def _write_findings(path: Path, folder: Path, files: int, places: dict[str, list[str]]) -> None:
    """All places, where the screen shows the first few."""
    from cltdr_cli.data.feature_checks import KINDS
    from cltdr_cli.files import write_text

    findings = [
        {"kind": kind, "severe": KINDS[kind].severe, "text": KINDS[kind].text, "places": listed}
        for kind, listed in places.items()
    ]
    content = {"folder": str(folder), "files": files, "findings": findings}
    write_text(path, json.dumps(content, indent=1) + "\n", "backslashreplace")


def _rows(census: FolderSummary) -> list[tuple[str, str]]:
    least, middle, most = census.steps or (0, 0, 0)
    rows = [
        ("files", _counts(census.formats, census.files)),
        ("size", _size(census.size_bytes)),
        ("values", _counts(census.types, census.files)),
        ("channels", _counts(census.widths, census.files)),
        ("steps", f"{least:g} to {most:g}, median {middle:g}" if census.steps else ""),
        ("extractor", _counts(census.extractors, census.files)),
        ("grid", _counts(census.grids, census.files)),
        ("frame rate", _counts(census.rates, census.files)),
        ("optical flow", _counts(census.flows, census.files)),
        ("arithmetic", _counts(census.arithmetic, census.files)),
        ("weights", _counts(census.weights, census.files)),
        ("video", _length(census.video_seconds) if census.extractors else ""),
        ("without sidecar", str(census.without_sidecar or "")),
        ("unreadable", f"{census.unreadable}: see cltdr features check" if census.unreadable else ""),
        ("half-written", f"{census.leftovers} left by a stopped run" if census.leftovers else ""),
        ("failed", f"{census.failed} videos in failed.csv" if census.failed else ""),
    ]
    return [(name, text) for name, text in rows if text]


def _counts(counts: dict[str, int], files: int) -> str:
    """``30 (196), 25 (16)``; a fact of all files needs no number."""
    if list(counts.values()) == [files]:
        return next(iter(counts))
    shown = [f"{value} ({count})" for value, count in list(counts.items())[:_SHOWN]]
    return ", ".join(shown + [f"{len(counts) - _SHOWN} more"] * (len(counts) > _SHOWN))


def _length(seconds: float) -> str:
    return f"{seconds / 3600:.2f} hours" if seconds >= 3600 else f"{seconds / 60:.2f} minutes"


def _size(size_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} {_UNITS[-1]}"
