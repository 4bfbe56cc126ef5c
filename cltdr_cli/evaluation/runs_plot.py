"""Draws several groups of runs: mean average precision over temporal IoU, a line with its range for each group."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from cltdr_cli.evaluation.plots import FORMATS, require_matplotlib

NAME = "runs"
"""Stem of the files."""


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
    for place, line in enumerate(lines):
        color = colormaps["tab10"](place % 10)
        ax.plot(line.tious, line.means, color=color, marker=".", label=line.name.replace("$", r"\$"))
        ax.fill_between(line.tious, line.lows, line.highs, color=color, alpha=0.18, linewidth=0)
    ax.set(xlabel="tIoU", ylabel="mAP (%)", ylim=(0, None))
    ax.set_xticks(sorted({tiou for line in lines for tiou in line.tious}))
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, frameon=False)
    files: dict[str, bytes] = {}
    for suffix in FORMATS:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, dpi=130)
        files[f"{NAME}.{suffix}"] = buffer.getvalue()
    return files
