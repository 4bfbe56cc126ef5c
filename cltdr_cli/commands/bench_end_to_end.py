"""cltdr bench end-to-end: how fast detection is, from the video file to its segments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Precision, Quiet

_COLUMNS = (
    "preset", "way", "video s", "decode", "network", "localizer", "whole", "times real time", "of slowest",
    "processor s/min", "peak MB",
)  # fmt: skip


def end_to_end(
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="cltdr presets list; repeatable. [default: MoViNet, I3D, and the demo]",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    backend: Annotated[
        Literal["auto", "torch", "openvino"], typer.Option(help="What runs the extractor of the named presets.")
    ] = "auto",
    precision: Precision = "fp32",
    video: Annotated[
        Path | None, typer.Option(help="What to detect in, as it is. [default: --footage]", show_default=False)
    ] = None,
    footage: Annotated[
        Path | None,
        typer.Option(
            help="A filmed video, looped and scaled to 854x480 at 30 frames a second. [default: a drawn one]",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of the video, at most.", min=1)] = 60.0,
    run_seconds: Annotated[
        float, typer.Option(help="About how long a run takes at most; of slow presets a part is measured.", min=1)
    ] = 8.0,
    runs: Annotated[int, typer.Option(help="Repetitions; the table gives their medians.", min=1)] = 3,
    threads: Annotated[
        int | None, typer.Option(help="Threads of the network. [default: PyTorch's choice]", min=1, show_default=False)
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Time detection on the CPU, video to segments, as cltdr detect runs it; extractors have random weights.

    Seconds are for a minute of video. "whole" is all stages at once, "of slowest" is whole over the slowest stage,
    "processor" all processors together during whole. Each preset runs in a process of its own.
    """
    from cltdr_cli.bench.end_to_end import CASES, Case, Effort, time_end_to_end

    cases = [Case(name, backend, precision) for name in preset] if preset else list(CASES)
    with console.progress("detecting", len(cases), "presets") as bar:
        done = iter(range(1, len(cases) + 1))
        found = time_end_to_end(
            cases,
            Effort(seconds, run_seconds, runs, threads),
            video=video,
            source=footage,
            on_case=lambda case, times: bar.update(next(done)),
        )
    rows = [
        (
            case.preset,
            case.way,
            f"{times.video_seconds:.0f}",
            *(f"{times.per_minute(part):.2f}" for part in (times.decode, times.network, times.localizer, times.whole)),
            f"{times.times_real_time:.1f}",
            f"{times.over_slowest:.2f}",
            f"{times.per_minute(times.processor):.2f}",
            f"{times.peak_bytes / 1e6:.0f}",
        )
        for case, times in found.items()
    ]
    console.table(f"seconds for a minute of video, medians of {runs} on the CPU", _COLUMNS, rows)
