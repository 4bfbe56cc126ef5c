"""Draws several groups of runs: mean average precision over temporal IoU, a line with its range for each group."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cltdr_cli.evaluation.plots import FORMATS, require_matplotlib

NAME = "runs"
"""Stem of the files."""

_SPREAD = 0.2
"""Part of the way from one threshold to the next that the lines share."""


@dataclass(frozen=True)
class Line:
    """One group of runs; scores in percent.

    Attributes:
        name: For the legend.
        tious: Temporal IoU thresholds.
        means: Mean mAP at each.
        lows: Least of the range.
        highs: Greatest.
    """

    name: str
    tious: Sequence[float]
    means: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]


def draw_runs(lines: Sequence[Line]) -> dict[str, bytes]:
    """Draw the groups in one plot, as PNG and SVG files by name.

    Args:
        lines: At least one.

    Raises:
        UsageError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    ax = figure.subplots()
    tious = sorted({tiou for line in lines for tiou in line.tious})
    for place, line in enumerate(lines):
        shift = _shift(place, len(lines), tious)
        below = [max(0.0, mean - low) for mean, low in zip(line.means, line.lows, strict=True)]
        above = [max(0.0, high - mean) for mean, high in zip(line.means, line.highs, strict=True)]
        ax.errorbar(
            [tiou + shift for tiou in line.tious], line.means, (below, above), marker=".", linewidth=1, capsize=2,
            color=colormaps["tab10"](place % 10), label=line.name.replace("$", r"\$"),
        )  # fmt: skip
    ax.set(xlabel="tIoU", ylabel="mAP (%)")
    ax.set_xticks(tious)
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, frameon=False)
    files: dict[str, bytes] = {}
    for suffix in FORMATS:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, dpi=130)
        files[f"{NAME}.{suffix}"] = buffer.getvalue()
    return files


def _shift(place: int, count: int, tious: Sequence[float]) -> float:
    """How far a line's points stand beside their threshold, so that no range hides another."""
    step = min((b - a for a, b in pairwise(tious)), default=0.1)
    return step * _SPREAD * (place - (count - 1) / 2) / count
