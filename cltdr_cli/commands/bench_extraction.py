"""The tables of cltdr bench extract: stages of the way from video to features, and ways to run a network."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli import console
from cltdr_cli.errors import UsageError
from cltdr_cli.extraction.benchmark import StageTimes, stage_times
from cltdr_cli.pipeline import VideoOptions, extract_video
from cltdr_cli.zoo.extractors import ModelSources, extractor_record
from cltdr_cli.zoo.flow import load_flow

if TYPE_CHECKING:
    import torch

    from cltdr_cli.training.learner import Precision
    from extractors.spec import Extractor

_STAGES = ("decode", "flow", "transfer", "network", "write", "whole")
_COLUMNS = ("extractor", "clips/s", *(f"{stage} s/min" for stage in _STAGES), "of slowest", "peak MB")
_WAYS = ("extractor", "way", "clips/s", "times plain", "GFLOP/clip", "GFLOP/s", "share of peak")
WARM_UP_SECONDS = 2.0


def bench_stages(
    names: Sequence[str],
    video: Path | None,
    options: VideoOptions,
    device: torch.device,
    way: tuple[str, str, bool],
    flow: str,
    runs: int,
) -> None:
    """Print seconds per minute of video, stage by stage, for each extractor; medians of the runs.

    Raises:
        UsageError: No such extractor, or one that cannot be run so.
        VideoError: The video cannot be read.
    """
    import torch

    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory(prefix="cltdr-") as folder:
        path = video or _drawn(Path(folder), options.end_seconds or 10.0)
        with console.progress("extracting", runs * len(names), "runs") as bar:
            for name in names:
                network = _random_extractor(name, device, way)
                engine = None
                if network.spec.modality != "rgb":
                    engine = load_flow(flow, ModelSources(device))
                extract_video(path, network, _shorter(options), None, engine)
                found: list[StageTimes] = []
                for _ in range(runs):
                    found.append(stage_times(path, network, options, engine))
                    bar.update(len(rows) * runs + len(found))
                rows.append(_row(name, found))
    backend, precision, compiled = way
    where = f"{device}, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)
    title = f"medians of {runs} on {where}, {backend} {precision}{', compiled' * compiled}, {path.name}"
    console.table(title, _COLUMNS, rows)


def bench_ways(names: Sequence[str], device: torch.device, batch_clips: int, runs: int) -> None:
    """Print how fast every backend and precision is beside the plain fp32 network.

    Raises:
        UsageError: No random weights are made for an extractor.
    """
    from cltdr_cli.features.benchmark import Way, bench_extractors

    ways = [Way(), Way("openvino")]
    if device.type == "cuda":
        ways = [Way(), Way(precision="bf16"), Way(precision="fp16"), Way(precision="bf16", compiled=True)]
    with console.progress("encoding", len(names) * (runs + 1) * (len(ways) + 1), "batches") as bar:
        done = iter(range(1, len(names) * (runs + 1) * (len(ways) + 1) + 1))
        timings = bench_extractors(
            names,
            device,
            ways=ways,
            runs=runs,
            batch_clips=batch_clips,
            peak_gflops=_peak_gflops,
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
    console.table(f"batches of {batch_clips} random clips, {runs} rounds in turns, on {device}", _WAYS, rows)


def _peak_gflops(device: torch.device, precision: str) -> float:
    from cltdr_cli.training.benchmark import matrix_product_gflops

    known: dict[str, Precision] = {"fp32": "fp32", "bf16": "bf16", "fp16": "fp16"}
    return matrix_product_gflops(device, known[precision])


def _random_extractor(name: str, device: torch.device, way: tuple[str, str, bool]) -> Extractor:
    import extractors
    from extractors.random_weights import random_weights

    extractor_record(name)
    backend, precision, compiled = way
    try:
        return extractors.build(name, random_weights(name), device, precision, backend=backend, compiled=compiled)
    except ValueError as error:
        raise UsageError(f"{name} cannot be measured so: {error}.", "Choose another way or extractor.") from error


def _drawn(folder: Path, seconds: float) -> Path:
    from cltdr_cli.demo.script import draw_script
    from cltdr_cli.demo.world import write_video

    path = folder / "drawn-320x240.mp4"
    write_video(path, draw_script("test", 7, 1, duration_seconds=seconds))
    return path


def _shorter(options: VideoOptions) -> VideoOptions:
    from dataclasses import replace

    return replace(options, end_seconds=min(WARM_UP_SECONDS, options.end_seconds or WARM_UP_SECONDS))


def _row(name: str, found: Sequence[StageTimes]) -> tuple[str, ...]:
    middle = StageTimes(
        *(statistics.median(getattr(one, part.name) for one in found) for part in fields(StageTimes))
    )
    stages = (f"{middle.per_minute(getattr(middle, stage)):.2f}" for stage in _STAGES)
    rate = f"{middle.clips / middle.whole:.2f}"
    return name, rate, *stages, f"{middle.over_slowest:.2f}", f"{middle.peak_bytes / 1e6:.0f}"
