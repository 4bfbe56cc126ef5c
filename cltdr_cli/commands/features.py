"""cltdr features: summarize a folder of features, check it for errors, unpack a file of many videos."""

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
    help="Summarize, check and unpack features, extracted or published.",
)

Folder = Annotated[Path, typer.Argument(help="Folder of feature files.", metavar="DIR")]
OwnPreset = Annotated[
    str | None,
    typer.Option("--preset", help="Preset that the features are for: file names, width and grid.", metavar="NAME|FILE"),
]
Settings = Annotated[
    list[str],
    typer.Option("--set", help="Change any value of the preset; repeatable.", metavar="KEY=VALUE"),
]
JsonOut = Annotated[Path | None, typer.Option(help="Write the result as JSON.", metavar="FILE")]

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
    """Summarize a folder of features: number of files, how they were made, length of the videos.

    Only headers and sidecars are read (except for .pt and .pkl files, which have no header);
    `cltdr features check` reads everything.
    """
    from cltdr_cli.features.folder_report import summarize_folder
    from cltdr_cli.features.inspection import inspect_header
    from cltdr_cli.files import check_writable, write_text

    if json_out is not None:
        check_writable(json_out)
    wanted = _load_preset(preset, settings)
    listing = _list_files(folder, wanted)
    summary = summarize_folder(listing, _inspect_files(listing, wanted, inspect_header))
    console.table(f"{folder}: {summary.files} feature files", ("fact", "value (files)"), _list_rows(summary))
    if json_out is not None:
        write_text(json_out, json.dumps(summary.facts(), indent=1, ensure_ascii=False) + "\n")


@app.command()
def check(
    folder: Folder,
    annotations: Annotated[
        Path | None, typer.Option(help="Annotations of the same videos: JSON, CSV or THUMOS folder.", metavar="FILE")
    ] = None,
    preset: OwnPreset = None,
    settings: Settings = [],  # noqa: B006 # typer copies it
    json_out: JsonOut = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read every feature file completely and find errors before training.

    Damaged files, NaN, contradictions between files, sidecars, annotations and preset, duplicates, annotated
    segments after the last step. Exit status 1 if something must be repaired.
    """
    from cltdr_cli.data.feature_checks import find_report_misfits, group_defects, make_feature_findings
    from cltdr_cli.features.inspection import inspect_file
    from cltdr_cli.files import check_writable

    if json_out is not None:
        check_writable(json_out)
    wanted = _load_preset(preset, settings)
    read = _read_annotations(annotations, wanted) if annotations is not None else None
    listing = _list_files(folder, wanted)
    reports = _inspect_files(listing, wanted, inspect_file)
    places = group_defects(_find_defects(listing, reports, wanted, read))
    misfits = find_report_misfits(reports, read, wanted.features if wanted else None) if read is not None else []
    findings = make_feature_findings(places, misfits)
    whole = sum(not report.defects for report in reports)
    typer.echo(f"{harmless(folder)}: {len(reports)} feature files, {whole} of them in order by themselves")
    for finding in findings:
        console.warning(_format_finding(finding))
    if json_out is not None:
        _write_findings(json_out, folder, len(reports), places)
    elif any(finding.examples[-1] == "…" for finding in findings):
        console.notice("--json-out FILE lists all places")
    if not findings:
        console.notice("found nothing wrong")
    if any(finding.severe for finding in findings):
        raise typer.Exit(1)


@app.command()
def unpack(
    file: Annotated[
        Path, typer.Argument(help="One .npy file with the features of all videos, as published.", metavar="FILE.npy")
    ],
    names: Annotated[Path, typer.Option(help="Video ids in the same order.", metavar="videoname.npy")],
    out: Annotated[Path, typer.Option(help="Folder of the feature files.", metavar="DIR")],
    extractor: Annotated[str, typer.Option(help="Extractor that made them.", metavar="NAME")] = "i3d",
    fps: Annotated[float, typer.Option(help="Rate that the videos were resampled to.", metavar="RATE")] = 25.0,
    stride: Annotated[int, typer.Option(help="Frames between two steps.", metavar="FRAMES")] = 16,
    window: Annotated[int, typer.Option(help="Frames of one step.", metavar="FRAMES")] = 16,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the features of each video of one big file as <video>.npy with a sidecar.

    For features that are published as one pickled array of arrays (I3D for weakly supervised localization). The file
    is read without running anything in it. Finished files are kept: the same command continues a stopped one.
    """
    from cltdr_cli.workflows.unpack import unpack_features

    done = unpack_features(
        file, names, out, extractor=extractor, fps=fps, stride=stride, window=window, report=console.REPORTER
    )
    there = f", {len(done.kept)} were there already" if done.kept else ""
    console.notice(f"{out}: {len(done.made)} feature files written{there}")
    if done.odd_lengths:
        console.warning(
            f"{len(done.odd_lengths)} videos are clearly longer or shorter than their features "
            f"({', '.join(done.odd_lengths[:_SHOWN])}): are --names those of this file, and --fps and --stride right?"
        )
    if done.failures:
        console.warning(f"{len(done.failures)} of {len(done.made) + len(done.kept) + len(done.failures)} videos failed")
        raise typer.Exit(1)


def _load_preset(name: str | None, settings: list[str]) -> Preset | None:
    from cltdr_cli.errors import UsageError
    from cltdr_cli.zoo.overrides import with_overrides
    from cltdr_cli.zoo.preset import load_preset

    if name is None:
        if settings:
            raise UsageError("--set changes a preset, and none is named", "add --preset NAME")
        return None
    return with_overrides(load_preset(name), settings)


def _read_annotations(path: Path, preset: Preset | None) -> Annotations:
    from cltdr_cli.data.annotation_layouts import read_annotations
    from cltdr_cli.data.datasets import find_dataset

    record = find_dataset(preset.benchmark.dataset if preset is not None else "custom")
    return read_annotations(path, record.class_names, first_id=record.first_id, task=record.task)


def _list_files(folder: Path, preset: Preset | None) -> FolderListing:
    from cltdr_cli.features.listing import list_features

    if preset is None:
        return list_features(folder)
    return list_features(folder, preset.features.file_prefix, preset.features.file_suffix)


def _inspect_files(
    listing: FolderListing, preset: Preset | None, look: Callable[[FeatureEntry, tuple[str, ...]], FileReport]
) -> list[FileReport]:
    """Reports of all files; one file is in memory at a time."""
    keys = preset.features.file_keys if preset is not None else ()
    reports: list[FileReport] = []
    with console.progress(str(listing.folder), len(listing.entries), "files") as bar:
        for entry in listing.entries:
            reports.append(look(entry, keys))
            bar.update(len(reports))
    return reports


def _find_defects(
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


def _format_finding(finding: Finding) -> str:
    """A line for the finding and one for each example, which may be a whole sentence."""
    head = f"{'to correct: ' if finding.severe else ''}{finding.count} {finding.text}: {finding.consequence}"
    examples = (place if len(place) <= _LONGEST else f"{place[:_LONGEST]}…" for place in finding.examples)
    return "\n    ".join([head, *examples])


def _write_findings(path: Path, folder: Path, files: int, places: dict[str, list[str]]) -> None:
    """Write all places of each finding; the screen shows only the first few."""
    from cltdr_cli.data.feature_checks import KINDS
    from cltdr_cli.files import write_text

    findings = [
        {"kind": kind, "severe": KINDS[kind].severe, "text": KINDS[kind].text, "places": listed}
        for kind, listed in places.items()
    ]
    content = {"folder": str(folder), "files": files, "findings": findings}
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _list_rows(summary: FolderSummary) -> list[tuple[str, str]]:
    least, middle, most = summary.steps or (0, 0, 0)
    rows = [
        ("files", _format_counts(summary.formats, summary.files)),
        ("size", _format_size(summary.size_bytes)),
        ("values", _format_counts(summary.types, summary.files)),
        ("channels", _format_counts(summary.widths, summary.files)),
        ("steps", f"{least:g} to {most:g}, median {middle:g}" if summary.steps else ""),
        ("extractor", _format_counts(summary.extractors, summary.files)),
        ("grid", _format_counts(summary.grids, summary.files)),
        ("frame rate", _format_counts(summary.rates, summary.files)),
        ("optical flow", _format_counts(summary.flows, summary.files)),
        ("arithmetic", _format_counts(summary.arithmetic, summary.files)),
        ("weights", _format_counts(summary.weights, summary.files)),
        ("video", _format_length(summary.video_seconds) if summary.extractors else ""),
        ("without sidecar", str(summary.without_sidecar or "")),
        ("unreadable", f"{summary.unreadable}: see cltdr features check" if summary.unreadable else ""),
        ("half-written", f"{summary.leftovers} left by a stopped run" if summary.leftovers else ""),
        ("failed", f"{summary.failed} videos in failed.csv" if summary.failed else ""),
    ]
    return [(name, text) for name, text in rows if text]


def _format_counts(counts: dict[str, int], files: int) -> str:
    """``30 (196), 25 (16)``; a value that all files share needs no number."""
    if list(counts.values()) == [files]:
        return next(iter(counts))
    shown = [f"{value} ({count})" for value, count in list(counts.items())[:_SHOWN]]
    return ", ".join(shown + [f"{len(counts) - _SHOWN} more"] * (len(counts) > _SHOWN))


def _format_length(seconds: float) -> str:
    return f"{seconds / 3600:.2f} hours" if seconds >= 3600 else f"{seconds / 60:.2f} minutes"


def _format_size(size_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} {_UNITS[-1]}"
