"""cltdr datasets: list the known data sets; check annotations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import (
    AnnotationFile,
    Background,
    ClassList,
    DataRoot,
    Dataset,
    Debug,
    Device,
    Overwrite,
    Quiet,
    Rate,
    VideoInfo,
)

if TYPE_CHECKING:
    from cltdr_cli.data.datasets import DatasetRecord

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def datasets(
    ctx: typer.Context,
    data_root: DataRoot = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the data sets: splits, thresholds, video sets, and where files are expected under the data root."""
    if ctx.invoked_subcommand is not None:
        return
    from cltdr_cli.data.datasets import DATASETS

    records = list(DATASETS.values())
    rows = [(b.name, f"{b.train_split} -> {b.test_splits[0]}", _thresholds(b), _classes(b), b.note) for b in records]
    console.table("data sets", ("dataset", "trained -> scored", "tIoU", "classes", "note"), rows)
    typer.echo()
    protocols = [(b.name, p.name, p.videos, p.reason) for b in records for p in b.protocols]
    console.table("video sets (--protocol)", ("dataset", "protocol", "videos", "which and why"), protocols)
    typer.echo()
    root = data_root if data_root is not None else "DIR of --data-root or $CLTDR_DATA"
    archives = [(b.name, f"1 to {b.folds}", b.archive) for b in records if b.archive]
    console.table("archives (cltdr datasets import)", ("dataset", "splits", "address"), archives)
    typer.echo()
    files = [row for b in records for row in _file_rows(b, data_root)]
    console.table(f"annotations under {root} (one of each)", ("dataset", "file or folder", "state"), files)


@app.command()
def check(
    annotations: AnnotationFile = None,
    dataset: Dataset = "custom",
    features: Annotated[
        Path | None, typer.Option(help="Compare with these features and their sidecars.", metavar="DIR")
    ] = None,
    videos: Annotated[Path | None, typer.Option(help="Compare with these videos.", metavar="DIR")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset that the features are for: names, rate, stride.", metavar="NAME|FILE")
    ] = None,
    settings: Annotated[
        list[str], typer.Option("--set", help="Change any value of the preset; repeatable.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006 # typer copies it
    data_root: DataRoot = None,
    labels: ClassList = None,
    video_info: VideoInfo = [],  # noqa: B006 # typer copies it
    fps: Rate = None,
    background: Background = [],  # noqa: B006 # typer copies it
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find what is wrong with annotations before any training.

    Segments past the end, reversed or empty ones, unknown labels, overlapping duplicates, frame rates and
    durations that contradict the features or videos, features that do not last as long as their video. Exit status
    1 if something must be corrected.
    """
    from cltdr_cli.data.class_lists import read_class_list
    from cltdr_cli.data.datasets import find_dataset
    from cltdr_cli.workflows.dataset_check import check_data_set
    from cltdr_cli.workflows.reference import read_dataset_annotations

    record = find_dataset(dataset)
    read = read_dataset_annotations(record, annotations, data_root, labels, video_info, fps, background)
    names = read_class_list(labels) if labels is not None else record.class_names
    console.table(
        f"{read.source}: {read.layout}, {len(read.videos)} videos, {read.instance_count} instances, "
        f"{len(read.list_labels())} classes",
        ("split", "videos", "instances"),
        [
            (split or "(none)", count, read.select_split(split).instance_count)
            for split, count in read.count_splits().items()
        ],
    )
    for note in read.notes:
        console.notice(note)
    findings = check_data_set(
        read, record, names, features=features, videos=videos, preset=preset, settings=settings, report=console.REPORTER
    )
    for finding in findings:
        console.warning(f"{'to correct: ' if finding.severe else ''}{finding}")
    if not findings:
        console.notice("found nothing wrong")
    if any(finding.severe for finding in findings):
        raise typer.Exit(1)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="The archive (.zip, .tar, .tar.gz) or a folder.", metavar="ARCHIVE")],
    dataset: Annotated[str, typer.Option(help="gtea or 50salads.", metavar="NAME")],
    split: Annotated[int, typer.Option(help="Number of the split, from 1.", metavar="K")],
    out: Annotated[Path, typer.Option(help="Folder for features/ and annotations.json.", metavar="DIR")],
    overwrite: Overwrite = False,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn the public archive of a data set into a features folder and an annotation, for one of its splits.

    The archive holds MATLAB files of frame features with one label per frame; cltdr datasets names its address.
    Needs cltdr-cli[matlab].
    """
    from cltdr_cli.workflows.import_archive import import_archive

    found = import_archive(source, dataset, split, out, overwrite, console.REPORTER)
    counts = ", ".join(f"{count} {name}" for name, count in found.videos.items())
    console.notice(f"wrote {found.features} and {found.annotations}: videos: {counts}; {found.instances} instances")


def _thresholds(record: DatasetRecord) -> str:
    first, last, count = record.tious
    return f"{first:g}:{last:g}:{(last - first) / (count - 1):.2g}"


def _classes(record: DatasetRecord) -> str:
    return str(len(record.class_names)) if record.class_list else "yours"


def _file_rows(record: DatasetRecord, data_root: Path | None) -> list[tuple[str, str, str]]:
    """List where the annotation may be, and whether it is there."""

    def state(name: str) -> str:
        if data_root is None:
            return "-"
        return "found" if (data_root / name).exists() else "missing"

    names = [record.name] + [""] * (len(record.files) - 1)
    return [(name, file, state(file)) for name, file in zip(names, record.files, strict=True)]
