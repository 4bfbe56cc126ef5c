"""cltdr train: features and annotations in, a run folder with checkpoints out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Background, Debug, Device, Force, Quiet, Rate, VideoInfo
from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    from cltdr_cli.workflows.cross_validation import CrossValidation


def train(
    preset: Annotated[
        str,
        typer.Option(
            help="Name (cltdr presets list) or YAML file: network, features, losses; auto makes one for your data.",
            metavar="auto|NAME|FILE",
        ),
    ],
    annotations: Annotated[
        list[Path],
        typer.Option(
            help="JSON, CSV, THUMOS folder, or folder of one label per frame; repeatable: reviewed files come first.",
            metavar="FILE",
        ),
    ],
    features: Annotated[Path, typer.Option(help="Folder of feature files, as the preset names them.", metavar="DIR")],
    out: Annotated[Path, typer.Option(help="Folder of the run.", metavar="RUN")],
    force: Force = False,
    fps: Rate = None,
    background: Background = [],  # noqa: B006 # typer copies it
    video_info: VideoInfo = [],  # noqa: B006 # typer copies it
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
    hold_out: Annotated[
        float | None,
        typer.Option(
            help="Share of the training videos to evaluate on instead.", min=0.02, max=0.5, show_default=False
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Cross-validation: so many runs, each scored on a part of its own.", min=2, show_default=False
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(help="Videos whose ids this matches alike are held out together: ^S[0-9].", metavar="REGEX"),
    ] = None,
    patience: Annotated[
        int, typer.Option(help="Stop after so many evaluations without a better one; 0 never.", min=0)
    ] = 0,
    save_every: Annotated[
        int, typer.Option(help="Steps between saved states, besides each epoch's end; 0 for none.", min=0)
    ] = 0,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in RUN where it was stopped; --lr and --epochs may change."),
    ] = False,
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
    run continues with --resume, to the same weights. --hold-out or --folds score on training videos that are not
    learned from. Several GPUs: torchrun --nproc-per-node N -m cltdr_cli train
    """
    from cltdr_cli.workflows.cross_validation import cross_validate
    from cltdr_cli.workflows.train import train as train_localizer

    options: dict[str, Any] = dict(
        preset=preset,
        annotations=annotations,
        features=features,
        force=force,
        fps=fps,
        background=background,
        video_info=video_info,
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
        patience=patience,
        save_every=save_every,
        resume=resume,
        amp=amp,
        precision=precision,
        accumulate=accumulate,
        compile_network=compile_network,
        workers=workers,
        cache_gb=cache_gb,
        device=device,
    )
    if folds is not None:
        given = "--eval-split" if eval_split else "--hold-out" if hold_out else ""
        if given:
            raise UsageError(f"--folds scores each run on its own part, so {given} has no place", "Leave it out.")
        _draw_folds(cross_validate(folds, out=out, group_by=group_by, report=console.REPORTER, **options))
        return
    train_localizer(out=out, hold_out=hold_out, group_by=group_by, report=console.REPORTER, **options)


def _draw_folds(found: CrossValidation) -> None:
    """A row for each part, in percent."""
    rows = [
        (f"fold-{fold.fold}", f"{100 * fold.last:.2f}", f"{100 * fold.best:.2f}", fold.best_epoch)
        for fold in found.folds
    ]
    rows.append(("mean", f"{100 * found.mean_last:.2f}", "", found.median_epoch))
    console.table("average mAP (%) on held-out training videos", ("", "last epoch", "best epoch", "number"), rows)
    console.notice(f"wrote {found.file}; the best epoch is chosen on the same videos, so its score flatters")
