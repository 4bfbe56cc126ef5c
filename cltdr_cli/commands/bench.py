"""cltdr bench: how fast this machine is, one command for each part of the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.bench_end_to_end import end_to_end
from cltdr_cli.commands.options import (
    Backend,
    BatchSize,
    Debug,
    Device,
    Precision,
    Preset,
    Quiet,
    Reader,
    resolve_device,
)

if TYPE_CHECKING:
    import torch

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Measure how fast this machine is.",
)

Runs = Annotated[int, typer.Option(help="Repetitions; the table gives their median and their least.", min=1)]

app.command("end-to-end")(end_to_end)

_LOCALIZER_COLUMNS = ("steps", "part", "ours s", "least", "plain s", "least", "times faster")
_STAGE_COLUMNS = (
    "extractor", "clips/s", "decode s/min", "flow s/min", "transfer s/min", "network s/min", "write s/min",
    "whole s/min", "of slowest", "peak MB",
)  # fmt: skip
_EXTRACTOR_COLUMNS = ("extractor", "way", "clips/s", "times plain", "GFLOP/clip", "GFLOP/s", "share of peak")
_EVAL_COLUMNS = ("case", "rows", "median s", "least s", "mAP %")
_TRAIN_COLUMNS = ("case", "steps/s", "median s", "first s", "GFLOP/step", "share of peak", "peak GFLOP/s")


@app.command()
def localizer(
    preset: Preset = "thumos14-i3d",
    steps: Annotated[
        list[int] | None,
        typer.Option(help="Length of the features; repeatable. [default: 450 and 2304]", min=1, show_default=False),
    ] = None,
    runs: Runs = 5,
    threads: Annotated[
        int | None, typer.Option(help="Threads on the CPU. [default: PyTorch's choice]", min=1, show_default=False)
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Time the localizer, features to segments, beside the same network computed the plain way.

    Plain: PyTorch's own convolutions, every head at every padded step, every class decoded at every point.
    Both ways run in turns, with the same random weights; the machine should have nothing else to do.
    """
    import torch

    from cltdr_cli.bench.localizer import build_random, compare_ways

    if threads:
        torch.set_num_threads(threads)
    lengths = steps or [450, 2304]
    network, width = build_random(preset, resolve_device(device))
    with console.progress("localizing", 2 * (runs + 1) * len(lengths), "runs") as bar:
        done = iter(range(1, 2 * (runs + 1) * len(lengths) + 1))
        found = [compare_ways(network, width, length, runs, lambda: bar.update(next(done))) for length in lengths]
    where = (
        f"{network.device}, {torch.get_num_threads()} threads" if network.device.type == "cpu" else str(network.device)
    )
    title = f"{preset}: medians of {runs} on {where}, torch {torch.__version__}"
    rows = [
        (item.steps, part, *(f"{value:.3f}" for value in seconds), f"{ratio:.2f}")
        for item in found
        for part, *seconds, ratio in item.rows()
    ]
    console.table(title, _LOCALIZER_COLUMNS, rows)


@app.command()
def extract(
    extractor: Annotated[
        list[str] | None,
        typer.Option(
            help="cltdr extractors lists them; repeatable. [default: i3d-rgb]", metavar="NAME", show_default=False
        ),
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="What to work on. [default: a drawn video]", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of the video, at most.", min=1)] = 10.0,
    ways: Annotated[
        bool, typer.Option("--ways", help="Also every backend and precision beside the plain network.")
    ] = False,
    flow: Annotated[Literal["tvl1", "raft"], typer.Option(help="For i3d and i3d-flow.")] = "tvl1",
    precision: Precision = "fp32",
    backend: Backend = "torch",
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the network first.")] = False,
    batch_size: BatchSize = 8,
    reader: Reader = "auto",
    runs: Runs = 3,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Time extraction by stage, seconds per minute of video: decoding, flow, transfer, network, writing.

    The networks have random weights: speed does not depend on what they have learned. "whole" is all stages at
    once, as extract-features runs them; "of slowest" is whole over the slowest stage.
    """
    import torch

    from cltdr_cli.bench.extractors import Way
    from cltdr_cli.bench.stages import STAGES, time_videos
    from cltdr_cli.pipeline import VideoOptions

    options = VideoOptions(reader=reader, end_seconds=seconds, batch_clips=batch_size)
    place, way, names = resolve_device(device), Way(backend, precision, compiled), extractor or ["i3d-rgb"]
    with console.progress("extracting", runs * len(names), "runs") as bar:
        done = iter(range(1, runs * len(names) + 1))
        found = time_videos(names, video, options, place, way, flow, runs, lambda: bar.update(next(done)))
    rows = [
        (
            name,
            f"{times.clips / times.whole:.2f}",
            *(f"{times.per_minute(getattr(times, stage)):.2f}" for stage in STAGES),
            f"{times.over_slowest:.2f}",
            f"{times.peak_bytes / 1e6:.0f}",
        )
        for name, times in found.items()
    ]
    where = f"{place}, {torch.get_num_threads()} threads" if place.type == "cpu" else str(place)
    console.table(f"medians of {runs} on {where}, {way.name}", _STAGE_COLUMNS, rows)
    if ways:
        _compare_extractors(names, place, batch_size, runs)


def _compare_extractors(names: list[str], device: torch.device, batch_clips: int, runs: int) -> None:
    """Every backend and precision beside the plain fp32 network."""
    from cltdr_cli.bench.extractors import CPU_WAYS, GPU_WAYS, time_extractors
    from cltdr_cli.bench.training import matrix_product_gflops

    ways = GPU_WAYS if device.type == "cuda" else CPU_WAYS
    total = len(names) * (runs + 1) * (len(ways) + 1)
    with console.progress("encoding", total, "batches") as bar:
        done = iter(range(1, total + 1))
        timings = time_extractors(
            names,
            device,
            ways=ways,
            runs=runs,
            batch_clips=batch_clips,
            peak_gflops=matrix_product_gflops,
            on_run=lambda: bar.update(next(done)),
        )
    rows = [
        (
            t.extractor,
            t.way,
            f"{t.clips_per_second:.2f}",
            f"{t.times_plain:.2f}",
            f"{t.gflop_per_clip:.0f}",
            f"{t.gflops:.0f}",
            "" if t.share_of_peak is None else f"{t.share_of_peak:.0%}",
        )
        for t in timings
    ]
    title = f"batches of {batch_clips} random clips, {runs} rounds in turns, on {device}"
    console.table(title, _EXTRACTOR_COLUMNS, rows)


@app.command("eval")
def evaluation(runs: Runs = 5, device: Device = "auto", quiet: Quiet = False, debug: Debug = False) -> None:
    """Time the evaluator on as many made-up detections as a THUMOS14 test run produces."""
    from cltdr_cli.bench.evaluation import PER_VIDEO, EvalTiming, time_evaluation

    finished: list[EvalTiming] = []
    with console.progress("evaluating", len(PER_VIDEO), "cases") as bar:

        def count(timing: EvalTiming) -> None:
            finished.append(timing)
            bar.update(len(finished))

        time_evaluation(PER_VIDEO, runs, on_case=count)
    rows = [
        (t.name, t.rows, f"{t.median_seconds:.3f}", f"{t.best_seconds:.3f}", f"{100 * t.average_map:.1f}")
        for t in finished
    ]
    console.table(f"medians of {runs}, five tIoU thresholds", _EVAL_COLUMNS, rows)


@app.command()
def train(
    preset: Preset = "thumos14-i3d",
    steps: Annotated[int, typer.Option(help="Timed steps of each case.", min=1)] = 20,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Time training steps on random features of full length: fp32, bf16, and bf16 compiled."""
    from cltdr_cli.bench.training import DEFAULT_CASES, TrainTiming, find_trained, time_training

    trained = find_trained(preset)
    place = resolve_device(device)
    finished: list[TrainTiming] = []
    with console.progress("training", len(DEFAULT_CASES), "cases") as bar:

        def count(timing: TrainTiming) -> None:
            finished.append(timing)
            bar.update(len(finished))

        time_training(trained, place, steps=steps, on_case=count)
    rows = [
        (
            t.name,
            f"{t.steps_per_second:.3f}",
            f"{t.median_seconds:.3f}",
            f"{t.first_seconds:.1f}",
            f"{t.gflop_per_step:.0f}",
            f"{t.share_of_peak:.0%}",
            f"{t.peak_gflops:.0f}",
        )
        for t in finished
    ]
    console.table(
        f"{preset}, batch of {trained.config.batch_size}: {steps} steps each on {place}", _TRAIN_COLUMNS, rows
    )
