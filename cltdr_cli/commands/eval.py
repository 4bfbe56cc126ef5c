"""cltdr eval: score detections by the protocols of the benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Checkpoint, Debug, Device, Flow, Force, Preset, Quiet
from cltdr_cli.errors import UsageError

Dataset = Annotated[str, typer.Option(help="Benchmark (cltdr datasets lists them), or custom.", metavar="NAME")]
AnnotationFile = Annotated[
    Path | None,
    typer.Option(help="JSON, CSV or THUMOS folder, in any published layout.", metavar="FILE"),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of benchmark files (cltdr datasets).", metavar="DIR", envvar="CLTDR_DATA"),
]
ClassList = Annotated[
    Path | None, typer.Option(help="Class names, one a line, in place of the benchmark's.", metavar="FILE")
]
VideoInfo = Annotated[
    list[Path],
    typer.Option(help="CSV of durations, rates or subsets; repeatable. Published ones beside it are found.",
                 metavar="FILE"),
]  # fmt: skip


def evaluate(
    dataset: Dataset,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Results: ActivityNet JSON, our CSV, or rows: video start end class-id score.", metavar="FILE"
        ),
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="Detect in these feature files, then score.", metavar="DIR")
    ] = None,
    videos: Annotated[Path | None, typer.Option(help="Detect in these videos, then score.", metavar="DIR")] = None,
    preset: Preset = "auto",
    checkpoint: Checkpoint = None,
    flow: Flow = None,
    force: Force = False,
    video_scores: Annotated[
        Path | None, typer.Option(help="Class scores of whole videos, for class-agnostic presets.", metavar="FILE")
    ] = None,
    annotations: AnnotationFile = None,
    data_root: DataRoot = None,
    split: Annotated[
        str | None,
        typer.Option(help="Split to score. [default: the benchmark's]", metavar="NAME", show_default=False),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="Choice of THUMOS14 videos: actionformer, opentad, gtad, full.", metavar="NAME"),
    ] = None,
    tiou: Annotated[
        str | None, typer.Option(help="Thresholds: 0.3:0.7:0.1, or 0.5,0.75.", metavar="FIRST:LAST:STEP")
    ] = None,
    ties: Annotated[
        Literal["published", "stable"],
        typer.Option(help="Order of equal scores: as the published evaluator's unstable sort, or as in the file."),
    ] = "published",
    outside: Annotated[
        Literal["count", "ignore"],
        typer.Option(help="Predictions in videos that are not scored: false positives (as published), or none."),
    ] = "count",
    labels: ClassList = None,
    video_info: VideoInfo = [],  # noqa: B006 # typer copies it
    per_class: Annotated[bool, typer.Option("--per-class", help="A row for each class.")] = False,
    json_out: Annotated[Path | None, typer.Option(help="Write the numbers as JSON.", metavar="FILE")] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write an analysis: plots, and one JSON. Needs cltdr-cli[plots].", metavar="DIR"),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score detections: mean average precision over temporal IoU thresholds, to the published evaluators' digits.

    --predictions FILE is scored as it is; --features DIR or --videos DIR is detected in first. Equal scores are
    ordered as the published evaluators do, or by a stable sort (--ties stable).
    """  # fmt: skip
    _check_sources(predictions, features, videos)
    from cltdr_cli.commands import scoring
    from cltdr_cli.data.benchmarks import benchmark
    from cltdr_cli.evaluation.thresholds import parse_tious

    record = benchmark(dataset)
    tious = parse_tious(tiou) if tiou is not None else record.thresholds
    _check_outputs(json_out, report)
    read = scoring.read_benchmark_annotations(record, annotations, data_root, labels, video_info)
    reference = scoring.make_reference(record, read, split, protocol)
    failed = 0
    if predictions is not None:
        from cltdr_cli.data.prediction_files import read_predictions

        rows = read_predictions(predictions)
    else:
        from cltdr_cli.commands.detect_split import Detecting, detect_split

        place = Detecting(features, videos, preset, checkpoint, device, flow, force, video_scores)
        rows, failed = detect_split(reference, place)
    scored = scoring.score(reference, rows, tious, ties, outside == "count")
    scoring.tell(reference, scored, per_class)
    if json_out is not None:
        scoring.write_scores(json_out, reference, scored)
    if report is not None:
        written = scoring.write_report(report, reference, scored)
        console.notice(f"wrote {written[0]} and {len(written) - 1} plots")
    if failed:
        console.warning(f"{failed} videos failed; their instances count as missed")
        raise typer.Exit(1)


def _check_sources(predictions: Path | None, features: Path | None, videos: Path | None) -> None:
    """One of the three ways, and only one."""
    ways = {"--predictions": predictions, "--features": features, "--videos": videos}
    given = [name for name, path in ways.items() if path is not None]
    if len(given) != 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other" if given else "nothing to score",
            "Give --predictions FILE, or --features DIR or --videos DIR with --preset or --checkpoint.",
        )


def _check_outputs(json_out: Path | None, report: Path | None) -> None:
    """Find out before the work whether its results could be written."""
    from cltdr_cli.evaluation.plots import require_matplotlib
    from cltdr_cli.files import check_writable, check_writable_folder

    if json_out is not None:
        check_writable(json_out)
    if report is not None:
        require_matplotlib()
        check_writable_folder(report)
