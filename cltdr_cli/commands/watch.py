"""cltdr watch: a camera, stream or file in, segments out as soon as they are final."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
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
    Precision,
    Preset,
    Quiet,
    Reader,
)

if TYPE_CHECKING:
    from cltdr_cli.workflows.watch import WatchEvent

_LEAST_SHOWN = 0.1
"""Lines for people leave out segments below it, unless --min-score is given; JSON lines keep all."""


def watch(
    source: Annotated[
        str,
        typer.Argument(help="Number of a camera, http(s):// or rtsp:// address, file, or - for standard input."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File that JSON lines are appended to; then stdout shows them for people.")
    ] = None,
    format: Annotated[
        Literal["jsonl", "text"] | None,
        typer.Option(help="What is printed. [default: jsonl; with --out: text]", show_default=False),
    ] = None,
    preset: Preset = "auto",
    checkpoint: Checkpoint = None,
    extractor_weights: Annotated[
        list[str], typer.Option(help="Extractor weights by hand; repeatable.", metavar="NAME=FILE")
    ] = [],  # noqa: B006 - typer copies it
    extractor: Annotated[
        str | None, typer.Option(help="Extractor, where a converted checkpoint does not say it.", metavar="NAME")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Leave out segments below it. [default: none]", show_default=False)
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Only these, separated by commas.", metavar="A,B")] = None,
    range_seconds: Annotated[
        float | None,
        typer.Option(help="How far back a trained localizer sees. [default: as in training]", show_default=False),
    ] = None,
    delay_seconds: Annotated[
        float | None,
        typer.Option(
            help="How long after its end a segment of a trained localizer is final. [default: 3/16 of the range]",
            show_default=False,
        ),
    ] = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="Play a file as fast as a player shows it.")] = False,
    max_seconds: Annotated[
        float | None, typer.Option(help="Watch for so long. [default: until Ctrl-C]", show_default=False)
    ] = None,
    give_up: Annotated[
        float | None,
        typer.Option(
            help="Give up a source that dropped after so many seconds. [default: never]",
            metavar="SECONDS",
            show_default=False,
        ),
    ] = None,
    reader: Reader = "auto",
    batch_size: BatchSize = 8,
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
    """Find actions in a camera, stream or file while it plays, each as soon as it can no longer change.

    Ctrl-C ends it: what was seen until then is told, and the exit status is 0. A source that drops is opened
    again, and the gap is told.
    """
    from cltdr_cli.workflows.watch import watch
    from cltdr_cli.writers.event_lines import EventFile

    stop = threading.Event()
    with nullcontext() if out is None else EventFile(out) as file:
        watching = watch(
            source,
            preset=preset,
            checkpoint=checkpoint,
            extractor_weights=extractor_weights,
            extractor=extractor,
            min_score=min_score,
            labels=labels,
            range_seconds=range_seconds,
            delay_seconds=delay_seconds,
            realtime=realtime,
            max_seconds=max_seconds,
            give_up=give_up,
            reader=reader,
            batch_size=batch_size,
            precision=precision,
            backend=backend,
            accept_license=accept_license,
            download=True if download is None and console.is_attended() else download,
            device=device,
            stop=stop,
            report=console.REPORTER,
        )
        console.notice(
            f"watching with {watching.preset}: segments are final about {watching.delay_seconds:.0f} s after their "
            "end; Ctrl-C ends"
        )
        as_text = (format or ("jsonl" if out is None else "text")) == "text"
        least = _LEAST_SHOWN if min_score is None else min_score
        with _stopping_on_signals(stop):
            for event in watching:
                line = _make_json_line(event)
                if file is not None:
                    file.append(line)
                _print(event, line, as_text, least)


def _make_json_line(event: WatchEvent) -> str:
    from cltdr_cli.video.live_frames import Gap
    from cltdr_cli.writers.event_lines import make_gap_line, make_segment_line

    if isinstance(event, Gap):
        return make_gap_line(event.start_seconds, event.end_seconds, event.reason)
    return make_segment_line(event.segment, event.seen)


def _print(event: WatchEvent, line: str, as_text: bool, least_score: float) -> None:
    from cltdr_cli.video.live_frames import Gap

    if not as_text:
        console.live_line(line)
    elif isinstance(event, Gap):
        console.live_gap(event.start_seconds, event.end_seconds, event.reason)
    elif event.segment.score >= least_score:
        console.live_segment(event.segment, event.seen)


@contextmanager
def _stopping_on_signals(stop: threading.Event) -> Generator[None]:
    """The first Ctrl-C (or SIGTERM) asks to stop; the second one interrupts as usual."""
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def ask_to_stop(kind: int, frame: object) -> None:
        stop.set()
        for kind, handler in before.items():
            signal.signal(kind, handler)

    for kind in before:
        signal.signal(kind, ask_to_stop)
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
