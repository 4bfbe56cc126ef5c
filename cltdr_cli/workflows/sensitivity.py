"""What a run learned of action sensitivity: the functions behind ``cltdr sensitivity``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cltdr_cli.errors import UsageError
from cltdr_cli.evaluation.plots import FORMATS, require_matplotlib
from cltdr_cli.files import check_writable, write_bytes
from cltdr_cli.training.run_folder import Record, RunFolder
from cltdr_cli.training.sensitivity import KINDS
from cltdr_cli.workflows.sensitivity_plot import LearnedSensitivity, draw_sensitivity
from cltdr_cli.zoo.checkpoint import load_checkpoint


def read_sensitivity(run: Path) -> LearnedSensitivity:
    """The Gaussians of every class after every epoch of a run.

    Raises:
        UsageError: There is no run, none of its epochs is done, or it was trained without action sensitivity.
        CltdrError: Its weights cannot be read.
    """
    folder = RunFolder(run)
    epochs = [record for record in folder.records() if record["kind"] == "epoch"]
    if not epochs or not folder.last.exists():
        raise UsageError(f"{run} holds no run with a finished epoch", "Give the folder that `cltdr train` wrote.")
    found = [record for record in epochs if "sensitivity" in record]
    checkpoint = load_checkpoint(folder.last)
    if not found or checkpoint.preset.training is None:
        raise UsageError(
            f"{run} was trained without action sensitivity", "Train with the setting training.sensitivity=asl."
        )
    mu, sigma = (np.array([_stack(record, key) for record in found], float) for key in ("mu", "sigma"))
    form = checkpoint.preset.training.sensitivity_form
    return LearnedSensitivity(checkpoint.labels, form, [record["epoch"] for record in found], mu, sigma)


def draw_sensitivity_file(learned: LearnedSensitivity, out: Path) -> None:
    """Draw it into a PNG or SVG file.

    Raises:
        UsageError: The file's ending is neither, or matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    file_format = out.suffix.lower().lstrip(".")
    if file_format not in FORMATS:
        raise UsageError(f"{out} is no picture file", f"Let the name end in .{' or .'.join(FORMATS)}.")
    require_matplotlib("out=", "leave it out for the table alone")
    check_writable(out)
    write_bytes(out, draw_sensitivity(learned, file_format))


def _stack(record: Record, key: str) -> list[list[float]]:
    """``[3, K]`` of an epoch's record; what was no number is NaN."""
    rows = (record["sensitivity"][key][kind] for kind in KINDS)
    return [[np.nan if value is None else value for value in row] for row in rows]
