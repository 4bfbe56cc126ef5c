"""cltdr convert-annotations: annotations of one tool become those of another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cltdr_cli import console
from cltdr_cli.commands.options import Debug, Device, FramesPerSecond, FromFormat, LeastScore, Quiet, Tiers


def convert_annotations(
    annotations: Annotated[
        Path, typer.Argument(help="Annotations or detections, or a folder of such files.", metavar="IN")
    ],
    to: Annotated[
        str,
        typer.Option(
            help="activitynet, csv, parquet, anvil, elan, boris, via, label-studio, audacity, textgrid; only written: "
            "edl, otio, ffmetadata, youtube, srt, vtt, fiftyone, mkv (a copy of --video with chapters), epic (a "
            "submission).",
            metavar="FORMAT",
        ),
    ],
    out: Annotated[str, typer.Option(help="A file, or a folder for a file per video.", metavar="OUT")],
    from_format: FromFormat = None,
    video: Annotated[
        Path | None, typer.Option(help="The video: tells name, frame rate and duration.", metavar="FILE")
    ] = None,
    fps: FramesPerSecond = None,
    tier: Tiers = [],  # noqa: B006 - typer copies it
    min_score: LeastScore = None,
    nouns: Annotated[
        Path | None, typer.Option(help="For epic: detections of nouns; IN are those of verbs.", metavar="FILE")
    ] = None,
    supervision: Annotated[
        str | None, typer.Option(help="For epic: levels of supervision, such as 2,3,3.", metavar="PT,TL,TD")
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn annotations of one tool into those of another, or into chapters, subtitles and edit lists.

    Tiers are kept where both formats have them; what overlaps goes into tiers of its own. Detections keep their
    scores where the format has a place for them. Those below the results' display score are left out of all
    formats but activitynet, csv, fiftyone and epic.

    --to epic joins detections of verbs with those of nouns (--nouns) into a submission to the action detection
    challenge of EPIC-KITCHENS-100; docs/results-files.md says how.
    """
    from cltdr_cli.workflows.convert_annotations import convert_annotations

    convert_annotations(
        annotations,
        to=to,
        out=out,
        from_format=from_format,
        video=video,
        fps=fps,
        tier=tier,
        min_score=min_score,
        nouns=nouns,
        supervision=supervision,
        report=console.REPORTER,
    )
