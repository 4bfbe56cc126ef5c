"""cltdr eval: score detections by the protocols of the data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import (
    AnnotationFile,
    Background,
    Checkpoint,
    ClassList,
    DataRoot,
    DatasetOrRuns,
    Debug,
    Device,
    Flow,
    Force,
    Preset,
    Quiet,
    Rate,
    VideoInfo,
    VideoScores,
)
from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    from cltdr_cli.evaluation.proposals import ProposalRecall
    from cltdr_cli.workflows.runs import Spread
    from cltdr_cli.workflows.scores import SplitScores
    from cltdr_cli.workflows.segmentation import SplitSegmentation


def evaluate(
    dataset: DatasetOrRuns = None,
    runs: Annotated[
        list[Path],
        typer.Option(
            help="Only show mean and range of the runs in DIR (their scores.json); repeatable.", metavar="DIR"
        ),
    ] = [],  # noqa: B006 # typer copies it
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
    video_scores: VideoScores = None,
    annotations: AnnotationFile = None,
    data_root: DataRoot = None,
    split: Annotated[
        str | None,
        typer.Option(help="Split to score. [default: the data set's]", metavar="NAME", show_default=False),
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
    ambiguous: Annotated[
        Literal["count", "drop"],
        typer.Option(help="Detections at actions marked Ambiguous: as all others, or left out (CO2-Net, DELU)."),
    ] = "count",
    labels: ClassList = None,
    video_info: VideoInfo = [],  # noqa: B006 # typer copies it
    fps: Rate = None,
    background: Background = [],  # noqa: B006 # typer copies it
    proposals: Annotated[
        bool,
        typer.Option(
            "--proposals", help="Score segments whatever their label too: average recall AR@AN, and its area AUC."
        ),
    ] = False,
    segmentation: Annotated[
        bool, typer.Option("--segmentation", help="Score one label per frame too: accuracy, edit score, F1.")
    ] = False,
    segmentation_min_score: Annotated[
        float, typer.Option(help="Detections below it give no label to a frame.", min=0, max=1)
    ] = 0.0,
    segmentation_min_share: Annotated[
        float, typer.Option(help="Nor those to which better ones leave a smaller share of their frames.", min=0, max=1)
    ] = 0.0,
    segmentation_choose_on: Annotated[
        str | None,
        typer.Option(
            help="Choose the least score on this split, such as training.", metavar="SPLIT", show_default=False
        ),
    ] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="A row for each class.")] = False,
    json_out: Annotated[Path | None, typer.Option(help="Write the numbers as JSON.", metavar="FILE")] = None,
    predictions_out: Annotated[
        Path | None, typer.Option(help="Write the detections that were scored as JSON.", metavar="FILE")
    ] = None,
    video: Annotated[
        str | None,
        typer.Option(help="With --runs and --report: the video to draw.", metavar="ID", show_default=False),
    ] = None,
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
    ordered as the published evaluators do, or by a stable sort (--ties stable). With --segmentation every frame also
    gets the label of the best-scored detection that holds its centre, and the labels are scored as in action
    segmentation. With --proposals labels may be missing.

    --runs DIR shows mean and range over the runs in a folder, a row for each DIR: every scores.json below it, as
    --json-out wrote it. Splits are averaged for each seed, and the range is that of the seeds. --report draws them,
    and one video as bars where the runs have kept their detections (--predictions-out RUN/predictions.json).
    """  # fmt: skip
    from cltdr_cli.workflows.evaluate import evaluate

    if runs:
        _show_runs(runs, report, video)
        return
    if dataset is None:
        raise UsageError(
            "no data set is named", "Give dataset= (cltdr datasets lists them; custom for your own data), or runs=."
        )
    _check_outputs([json_out, predictions_out], report)
    scores = evaluate(
        dataset,
        predictions=predictions,
        features=features,
        videos=videos,
        preset=preset,
        checkpoint=checkpoint,
        flow=flow,
        force=force,
        video_scores=video_scores,
        annotations=annotations,
        data_root=data_root,
        split=split,
        protocol=protocol,
        tiou=tiou,
        ties=ties,
        outside=outside,
        ambiguous=ambiguous,
        labels=labels,
        video_info=video_info,
        fps=fps,
        background=background,
        proposals=proposals,
        segmentation=segmentation,
        segmentation_min_score=segmentation_min_score,
        segmentation_min_share=segmentation_min_share,
        segmentation_choose_on=segmentation_choose_on,
        device=device,
        report=console.REPORTER,
    )
    _draw_scores(scores, per_class)
    if json_out is not None:
        scores.write_json(json_out)
    if predictions_out is not None:
        scores.write_predictions(predictions_out)
    if report is not None:
        written = scores.write_analysis(report)
        console.notice(f"wrote {written[0]} and {len(written) - 1} plots")
    if scores.failures:
        console.warning(f"{len(scores.failures)} videos failed; their instances count as missed")
        raise typer.Exit(1)


def _show_runs(folders: list[Path], report: Path | None, video: str | None) -> None:
    """A row for each folder: mean of its runs, and their range in brackets."""
    from cltdr_cli.workflows.runs import summarize_runs, write_runs_plot

    _check_outputs([], report)
    summaries = [summarize_runs(folder) for folder in folders]
    by_threshold = {name for summary in summaries for name in summary.values if name.startswith("mAP@")}
    if any(not by_threshold <= summary.values.keys() for summary in summaries):
        console.warning("the folders were scored at different tIoU thresholds: their average mAPs do not compare")
    rest = [name for summary in summaries for name in summary.values if name != "average mAP"]
    columns = dict.fromkeys(["average mAP", *sorted(by_threshold), *rest])
    shown = [name for name in columns if not name.endswith("_mean_of_videos")]
    rows = [
        (summary.folder.name, summary.description, *(_draw_spread(summary.values.get(name)) for name in shown))
        for summary in summaries
    ]
    console.table("mean (lowest to highest), scores in percent", ("runs", "of", *shown), rows)
    if report is not None:
        console.notice(f"wrote {', '.join(map(str, write_runs_plot(summaries, report, video)))}")


def _draw_spread(spread: Spread | None) -> str:
    if spread is None:
        return ""
    digits = 0 if spread.mean >= 1000 else 1
    if spread.low == spread.high:
        return f"{spread.mean:.{digits}f}"
    return f"{spread.mean:.{digits}f} ({spread.low:.{digits}f} to {spread.high:.{digits}f})"


def _check_outputs(files: list[Path | None], report: Path | None) -> None:
    """Find out before the work whether its results can be written."""
    from cltdr_cli.evaluation.plots import require_matplotlib
    from cltdr_cli.files import check_writable, check_writable_folder

    for file in files:
        if file is not None:
            check_writable(file)
    if report is not None:
        require_matplotlib()
        check_writable_folder(report)


def _draw_scores(scores: SplitScores, per_class: bool) -> None:
    """The tables of everything that was scored, in percent."""
    if scores.has_labels or scores.proposals is None:
        _draw_mean_ap(scores, per_class)
    if scores.proposals is not None:
        _draw_proposals(scores, scores.proposals)
    if scores.segmentation is not None:
        _draw_segmentation(scores.segmentation)


def _draw_proposals(scores: SplitScores, recall: ProposalRecall) -> None:
    from cltdr_cli.workflows.scores import SHOWN_PROPOSALS

    columns = ["", *(f"AR@{count}" for count in SHOWN_PROPOSALS), "AUC"]
    shown = [*(100 * recall.at(count) for count in SHOWN_PROPOSALS), recall.area_percent]
    title = f"{scores.reference.title}: recall of AN proposals per video on average, tIoU 0.5:0.95:0.05"
    console.table(title, columns, [["recall (%)", *(f"{value:.2f}" for value in shown)]])


def _draw_mean_ap(scores: SplitScores, per_class: bool) -> None:
    columns = ["", *(f"{tiou:.2f}" for tiou in scores.tiou), "average"]
    rows = [_make_row("mAP (%)", [*scores.mean_ap, scores.average])]
    if per_class:
        classes = scores.per_class.items()
        rows = [*(_make_row(name, [*ap, sum(ap) / len(ap)]) for name, ap in classes), *rows]
    console.table(f"{scores.reference.title}, {len(scores.predictions)} predictions", columns, rows)
    if scores.averages:
        names = [f"tIoU {name}" for name in scores.averages]
        console.table("averages", ["", *names], [_make_row("mAP (%)", list(scores.averages.values()))])
    if scores.recall_at_kx:
        console.table(
            f"recall of the k·x best segments of each class and video, k its instances there; tIoU "
            f"{scores.reference.record.recall_tiou:g}",
            ["", *(f"R@{multiple}" for multiple in scores.recall_at_kx)],
            [_make_row("recall (%)", list(scores.recall_at_kx.values()))],
        )


def _draw_segmentation(segmentation: SplitSegmentation) -> None:
    """The table of frame-wise scores, in percent."""
    found, rule = segmentation.scores, segmentation.rule
    chosen = f", chosen on {segmentation.chosen_on}" if segmentation.chosen_on else ""
    columns = ["", "accuracy", "edit", *(f"F1@{overlap}" for overlap in found.f1)]
    rows = [
        ["all videos (%)", f"{found.accuracy:.2f}", f"{found.edit:.2f}", *(f"{v:.2f}" for v in found.f1.values())],
        ["mean of videos (%)", "", "", *(f"{value:.2f}" for value in found.f1_mean_of_videos.values())],
    ]
    typer.echo()
    console.table(f"one label per frame, of scores from {rule.least_score:g}{chosen}", columns, rows)


def _make_row(name: str, fractions: list[float]) -> list[str]:
    return [name, *(f"{100 * value:.2f}" for value in fractions)]
