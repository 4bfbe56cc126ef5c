"""cltdr extract-features: videos in, one feature file and sidecar per video out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    from cltdr_cli.commands.extraction import Engine
    from cltdr_cli.zoo.extractors import ModelSources


def extract_features(
    inputs: Annotated[
        list[str], typer.Argument(help="Videos, folders, patterns, or a .txt list.", metavar="INPUT...")
    ],
    extractor: Annotated[str, typer.Option(help="Which features: cltdr extractors lists them.", metavar="NAME")],
    out: Annotated[Path, typer.Option(help="Folder of the feature files.", metavar="DIR")],
    suffix: Annotated[
        list[str], typer.Option(help="Only files that end so; repeatable.", metavar=".MP4", show_default=False)
    ] = [],  # noqa: B006 - typer copies it
    stride: Annotated[
        int | None, typer.Option(help="Frames between two windows.", metavar="FRAMES", min=1)
    ] = None,
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
    from cltdr_cli.commands.extraction import Engine, ExtractionRun
    from cltdr_cli.extraction.setup import Setup
    from cltdr_cli.pipeline import VideoOptions
    from cltdr_cli.workflows.models import find_models

    named = [value if "=" in value else f"{extractor}={value}" for value in weights]
    sources = find_models(
        device, named, precision, option=option, flow=flow, backend=backend, compiled=compiled,
        accept_license=accept_license, report=console.REPORTER,
    )  # fmt: skip
    options = VideoOptions(
        reader=reader, fps=fps, strict=strict, stride_frames=stride, window_frames=window,
        batch_clips=batch_size, dense=dense,
    )  # fmt: skip
    place = Engine(engine, workers, ray_address, ray_cpus, ray_gpus)
    setup = Setup(
        extractor,
        sources,
        options,
        out,
        file_format,
        overwrite,
        _threads(place),
        _at_once(at_once, sources, place, dense),
    )
    run = ExtractionRun.prepare(inputs, setup, place, shard, suffix)
    failed = run.show_plan() if dry_run else run.extract_all()
    if failed:
        said = "cannot be used" if dry_run else f"failed; see {run.failures.path}"
        console.warning(f"{failed} of {run.count} inputs {said}")
        raise typer.Exit(1)


def _threads(engine: Engine) -> int | None:
    """Threads of PyTorch in each worker: together they take the cores that there are."""
    import os

    if engine.name == "ray":
        return max(1, round(engine.cpus))
    return max(1, (os.cpu_count() or 1) // engine.workers) if engine.workers > 1 else None


def _at_once(given: int | None, sources: ModelSources, engine: Engine, dense: bool) -> int:
    """Videos that share a network; several workers, of which each may crash alone, take one each.

    Raises:
        UsageError: Both ways of working on several videos are asked for.
    """
    import torch

    alone = engine.workers > 1 or engine.name == "ray"
    if alone and (given or 1) > 1:
        raise UsageError(
            f"--at-once {given} with {engine.workers} workers: each worker takes one video at a time.",
            "Leave one of both out: threads share a network, processes have one each.",
        )
    on_gpu = torch.device(sources.device).type == "cuda"
    return given or (4 if on_gpu and not alone and not dense else 1)
