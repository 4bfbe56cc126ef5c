"""cltdr detect: videos (or feature files) in, action segments out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import (
    AcceptLicense,
    BatchSize,
    Checkpoint,
    Debug,
    Device,
    Flow,
    Force,
    Format,
    Precision,
    Preset,
    Quiet,
    Reader,
    Strict,
    VideoScores,
)

if TYPE_CHECKING:
    from cltdr_cli.segments import VideoResult

_TABLE_ROWS = 30


def detect(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Videos, folders, patterns, a .txt list, or features (.npy .npz .pt).", metavar="INPUT..."),
    ],
    out: Annotated[
        str | None,
        typer.Option(help="A file (its suffix picks the format) or a folder; else a table.", metavar="PATH"),
    ] = None,
    format: Annotated[list[Format], typer.Option(help="Formats in the folder; repeatable.")] = [],  # noqa: B006 - typer copies it
    table: Annotated[bool, typer.Option("--table", help="Print the table although --out writes files.")] = False,
    preset: Preset = "auto",
    checkpoint: Checkpoint = None,
    extractor_weights: Annotated[
        list[str], typer.Option(help="Extractor weights by hand; repeatable.", metavar="NAME=FILE")
    ] = [],  # noqa: B006 - typer copies it
    extractor: Annotated[
        str | None, typer.Option(help="Extractor, where a converted checkpoint does not say it.", metavar="NAME")
    ] = None,
    flow: Flow = None,
    force: Force = False,
    min_score: Annotated[
        float | None,
        typer.Option(
            help="Leave out segments below it, in JSON and CSV, too. [default: all are kept, and tables and subtitles "
            "show those from the preset's display score on]",
            show_default=False,
        ),
    ] = None,
    max_segments: Annotated[int | None, typer.Option(help="Keep the best N per video.", metavar="N", min=1)] = None,
    labels: Annotated[str | None, typer.Option(help="Only these, separated by commas.", metavar="A,B")] = None,
    start: Annotated[float | None, typer.Option(help="Look from here on.", metavar="SECONDS", min=0)] = None,
    end: Annotated[float | None, typer.Option(help="Look up to here.", metavar="SECONDS", min=0)] = None,
    fps: Annotated[
        float | None, typer.Option(help="Rate of a feature file's video; videos are resampled to it.", min=0)
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Length of a feature file's video.", metavar="SECONDS", min=0)
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="Annotation that tells rates and durations of features, and ids.", metavar="FILE"),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only inputs of this split of the annotation.", metavar="NAME")
    ] = None,
    video_scores: VideoScores = None,
    reader: Reader = "auto",
    strict: Strict = False,
    batch_size: BatchSize = 8,
    workers: Annotated[int, typer.Option(help="Videos at once, sharing one network.", metavar="N", min=1)] = 1,
    precision: Precision = "fp32",
    backend: Annotated[
        Literal["auto", "torch", "openvino"], typer.Option(help="What runs the extractor on a CPU; auto says which.")
    ] = "auto",
    accept_license: AcceptLicense = False,
    download: Annotated[
        bool | None,
        typer.Option(
            "--download/--no-download",
            help="Fetch a detector where none is named or installed. [default: at a terminal]",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find actions in videos: when they start and end, what they are, and how sure that is.

    Without --preset or --checkpoint an installed real detector is used, or else kinetics600-movinet-a2 is
    downloaded once: it names 600 everyday actions on any footage, by a classifier on every frame. Offline, and
    without a terminal unless --download is given, it is the bundled demo model, which knows drawn figures only.
    """
    from cltdr_cli.workflows.detect import detect

    def draw(result: VideoResult) -> None:
        console.segments_table(result, max_segments or _TABLE_ROWS)

    results = detect(
        inputs,
        out=out,
        format=[word.value for word in format],
        preset=preset,
        checkpoint=checkpoint,
        extractor_weights=extractor_weights,
        extractor=extractor,
        flow=flow,
        force=force,
        min_score=min_score,
        max_segments=max_segments,
        labels=labels,
        start=start,
        end=end,
        fps=fps,
        duration=duration,
        annotations=annotations,
        split=split,
        video_scores=video_scores,
        reader=reader,
        strict=strict,
        batch_size=batch_size,
        workers=workers,
        precision=precision,
        backend=backend,
        accept_license=accept_license,
        download=True if download is None and console.is_attended() else download,
        device=device,
        on_result=draw if out is None or table else None,
        report=console.REPORTER,
    )
    if results.failures:
        console.warning(f"{len(results.failures)} of {len(results) + len(results.failures)} inputs failed")
        raise typer.Exit(1)
