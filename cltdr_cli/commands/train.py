"""cltdr train: features and annotations in, a run folder with checkpoints out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, Force, Quiet


def train(
    preset: Annotated[
        str,
        typer.Option(help="Name (cltdr presets list) or YAML file: network, features, losses.", metavar="NAME|FILE"),
    ],
    annotations: Annotated[
        Path, typer.Option(help="JSON, CSV or THUMOS folder, in any published layout.", metavar="FILE")
    ],
    features: Annotated[Path, typer.Option(help="Folder of feature files, as the preset names them.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="Folder of the run.", metavar="RUN")],
    force: Force = False,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs after the warm-up. [default: the preset's]", show_default=False)
    ] = None,
    warmup_epochs: Annotated[
        int | None, typer.Option(help="Epochs of warm-up before them. [default: the preset's]", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Videos per step, over all processes. [default: the preset's]", show_default=False),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Base learning rate. [default: the preset's]", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Of weights, order, crops, noise. [default: the preset's]", show_default=False),
    ] = None,
    settings: Annotated[
        list[str], typer.Option("--set", help="Change any value of the preset; repeatable.", metavar="KEY=VALUE")
    ] = [],  # noqa: B006 # typer copies it
    labels: Annotated[
        str,
        typer.Option(
            help="Classes: the preset's, the annotation's own, or a file's.", metavar="preset|annotations|FILE"
        ),
    ] = "preset",
    pseudo_labels: Annotated[
        Path | None,
        typer.Option(
            help="Detections (JSON, CSV), as of a model that learned from video labels, to train on in place of the "
            "annotated segments; needs --min-score.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Of the pseudo labels that count.", show_default=False)
    ] = None,
    train_split: Annotated[
        str | None,
        typer.Option(help="Split to train on. [default: the data set's]", metavar="NAME", show_default=False),
    ] = None,
    eval_split: Annotated[
        str | None,
        typer.Option(help="Split to evaluate on while training; it chooses best.safetensors.", metavar="NAME"),
    ] = None,
    eval_every: Annotated[
        int | None,
        typer.Option(
            help="Epochs between evaluations; iterations, for presets without epochs. [default: 1, or 200]",
            min=1,
            show_default=False,
        ),
    ] = None,
    save_every: Annotated[
        int, typer.Option(help="Steps between saved states, besides each epoch's end; 0 for none.", min=0)
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in RUN where it was stopped.")] = False,
    amp: Annotated[
        bool, typer.Option("--amp", help="Mixed precision: bf16 where the device has it, else fp16.")
    ] = False,
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"] | None,
        typer.Option(help="Arithmetic of the network, in place of --amp. [default: fp32]", show_default=False),
    ] = None,
    accumulate: Annotated[
        int, typer.Option(help="Parts that a batch is computed in, to save memory; same result.", min=1)
    ] = 1,
    compile_network: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    workers: Annotated[int, typer.Option(help="Threads that read features ahead.", min=1)] = 2,
    cache_gb: Annotated[float, typer.Option(help="Features kept in memory, GB per process.", min=0)] = 4.0,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a localizer on features and annotations.

    RUN gets last.safetensors, best.safetensors, resume.pt, log.jsonl, preset.yaml and TensorBoard events. A killed
    run continues with --resume, to the same weights. Several GPUs: torchrun --nproc-per-node N -m cltdr_cli train
    """
    from cltdr_cli.workflows.train import train as train_localizer

    train_localizer(
        preset=preset,
        annotations=annotations,
        features=features,
        out=out,
        force=force,
        epochs=epochs,
        warmup_epochs=warmup_epochs,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        settings=settings,
        labels=labels,
        pseudo_labels=pseudo_labels,
        min_score=min_score,
        train_split=train_split,
        eval_split=eval_split,
        eval_every=eval_every,
        save_every=save_every,
        resume=resume,
        amp=amp,
        precision=precision,
        accumulate=accumulate,
        compile_network=compile_network,
        workers=workers,
        cache_gb=cache_gb,
        device=device,
        report=console.REPORTER,
    )
