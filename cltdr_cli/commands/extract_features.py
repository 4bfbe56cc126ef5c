"""cltdr extract-features: videos in, one feature file and sidecar per video out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import (
    AcceptLicense,
    Backend,
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
    inputs: Annotated[list[str], typer.Argument(help="Videos, folders, patterns, or a .txt list.", metavar="INPUT...")],
    extractor: Annotated[str, typer.Option(help="Which features: cltdr extractors lists them.", metavar="NAME")],
    out: Annotated[Path, typer.Option(help="Folder of the feature files.", metavar="DIR")],
    suffix: Annotated[
        list[str], typer.Option(help="Only files that end so; repeatable.", metavar=".MP4", show_default=False)
    ] = [],  # noqa: B006 - typer copies it
    stride: Annotated[int | None, typer.Option(help="Frames between two windows.", metavar="FRAMES", min=1)] = None,
    window: Annotated[int | None, typer.Option(help="Frames of one window.", metavar="FRAMES", min=1)] = None,
    fps: Annotated[float | None, typer.Option(help="Resample videos to this rate.", metavar="RATE", min=0)] = None,
    option: Annotated[
        str | None, typer.Option(help="Preprocessing where the published recipe leaves it open.", metavar="NAME")
    ] = None,
    flow: Annotated[
        Literal["tvl1", "raft"] | None,
        typer.Option(help="Optical flow of i3d and i3d-flow. [default: tvl1]", show_default=False),
    ] = None,
    dense: Annotated[
        bool, typer.Option("--dense", help="I3D in one pass over long clips: faster, and not identical.")
    ] = False,
    reset_seconds: Annotated[
        float | None, typer.Option(help="A causal extractor (…-stream) forgets after so long.", metavar="SECONDS")
    ] = None,
    weights: Annotated[
        list[str], typer.Option(help="Weights by hand: FILE, or NAME=FILE.", metavar="FILE", show_default=False)
    ] = [],  # noqa: B006 - typer copies it
    file_format: Annotated[
        Literal["npy", "npz", "pt", "hdf5", "zarr"], typer.Option("--format", help="Kind of the feature files.")
    ] = "npy",
    overwrite: Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done, and how long it may take.")
    ] = False,
    shard: Annotated[str, typer.Option(help="Only every N-th video, the I-th part of N.", metavar="I/N")] = "1/1",
    workers: Annotated[
        int, typer.Option(help="Processes (or Ray actors), each with its own network.", metavar="N", min=1)
    ] = 1,
    at_once: Annotated[
        int | None,
        typer.Option(
            help="Videos that share one network's batches. [default: 1 on a CPU, 4 on a GPU]",
            metavar="N",
            min=1,
            show_default=False,
        ),
    ] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="Who runs the workers.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Of a running cluster. [default: this machine]", metavar="A")
    ] = None,
    ray_cpus: Annotated[float, typer.Option(help="Cores that each actor asks for.", min=0)] = 1.0,
    ray_gpus: Annotated[float, typer.Option(help="Share of a GPU that each asks for.", min=0)] = 0.0,
    reader: Reader = "auto",
    strict: Strict = False,
    batch_size: BatchSize = 8,
    precision: Precision = "fp32",
    backend: Backend = "torch",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the network first: minutes that pay on long runs on a GPU.")
    ] = False,
    accept_license: AcceptLicense = False,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn videos into features: <video_id>.npy [T, C] float32, and <video_id>.json that says how it was made.

    What is finished and matches is skipped, so a stopped run goes on where it was. A video that fails is listed in
    failed.csv and does not stop the others. Several programs may work into the same folder.
    """
    from cltdr_cli.workflows.extract import extract_features as extract

    summary = extract(
        inputs,
        extractor=extractor,
        out=out,
        suffix=suffix,
        stride=stride,
        window=window,
        fps=fps,
        option=option,
        flow=flow,
        dense=dense,
        reset_seconds=reset_seconds,
        weights=weights,
        file_format=file_format,
        overwrite=overwrite,
        dry_run=dry_run,
        shard=shard,
        workers=workers,
        at_once=at_once,
        engine=engine,
        ray_address=ray_address,
        ray_cpus=ray_cpus,
        ray_gpus=ray_gpus,
        reader=reader,
        strict=strict,
        batch_size=batch_size,
        precision=precision,
        backend=backend,
        compiled=compiled,
        accept_license=accept_license,
        device=device,
        report=console.REPORTER,
    )
    if summary.plan is not None:
        console.table("", ("video", "to do", "frames", "expected"), summary.plan.rows())
        console.notice(summary.plan.summary())
    if summary.failures:
        said = "cannot be used" if dry_run else f"failed; see {summary.failure_list}"
        console.warning(f"{len(summary.failures)} of {summary.count} inputs {said}")
        raise typer.Exit(1)
