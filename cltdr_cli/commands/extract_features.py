"""cltdr extract-features: videos in, one feature file and sidecar per video out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import (
    AcceptLicense,
    BatchSize,
    Debug,
    Device,
    Overwrite,
    Precision,
    Quiet,
    Reader,
    Strict,
)


def extract_features(
    inputs: Annotated[
        list[str], typer.Argument(help="Videos, folders, patterns, or a .txt list.", metavar="INPUT...")
    ],
    extractor: Annotated[str, typer.Option(help="Which features: cltdr extractors lists them.", metavar="NAME")],
    out: Annotated[Path, typer.Option(help="Folder of the feature files.", metavar="DIR")],
    stride: Annotated[
        int | None, typer.Option(help="Frames between two windows.", metavar="FRAMES", min=1)
    ] = None,
    window: Annotated[int | None, typer.Option(help="Frames of one window.", metavar="FRAMES", min=1)] = None,
    fps: Annotated[float | None, typer.Option(help="Resample videos to this rate.", metavar="RATE", min=0)] = None,
    option: Annotated[
        str | None, typer.Option(help="Preprocessing where the published recipe leaves it open.", metavar="NAME")
    ] = None,
    weights: Annotated[list[str], typer.Option(help="Weights by hand: FILE, or NAME=FILE.", metavar="FILE")] = [],  # noqa: B006 - typer copies it
    shard: Annotated[str, typer.Option(help="Only every N-th video, the I-th part of N.", metavar="I/N")] = "1/1",
    overwrite: Overwrite = False,
    reader: Reader = "auto",
    strict: Strict = False,
    batch_size: BatchSize = 8,
    precision: Precision = "fp32",
    accept_license: AcceptLicense = False,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn videos into features: <video_id>.npy [T, C] float32, and <video_id>.json that says how it was made.

    What is finished and matches is skipped, so a stopped run goes on where it was. A video that fails is listed in
    failed.csv and does not stop the others.
    """
    from cltdr_cli.commands.extraction import ExtractionRun
    from cltdr_cli.commands.models import model_sources
    from cltdr_cli.pipeline import VideoOptions

    named = [value if "=" in value else f"{extractor}={value}" for value in weights]
    sources = model_sources(device, named, precision, option=option, accept=accept_license)
    options = VideoOptions(
        reader=reader, fps=fps, strict=strict, stride_frames=stride, window_frames=window, batch_clips=batch_size
    )
    run = ExtractionRun.prepare(inputs, extractor, sources, options, out, shard)
    failed = run.extract_all(overwrite)
    if failed:
        console.warning(f"{failed} of {run.count} inputs failed; see {run.failures_file}")
        raise typer.Exit(1)
