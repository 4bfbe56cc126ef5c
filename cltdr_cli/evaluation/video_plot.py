"""Draws one video: what is annotated, and below it what each group of runs detected, a row of bars each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cltdr_cli.evaluation.plots import FORMATS, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "video"
"""Stem of the files."""

_PALETTE = "tab20"


@dataclass(frozen=True)
class Bar:
    """One segment.

    Attributes:
        start: In seconds.
        end: In seconds.
        label: Of its action.
        score: Of a detection; 1 of what is annotated.
    """

    start: float
    end: float
    label: str
    score: float = 1.0


@dataclass(frozen=True)
class Row:
    """The bars of one row.

    Attributes:
        name: Beside it.
        bars: In any order; of overlapping ones the better lies on top.
    """

    name: str
    bars: Sequence[Bar]


def draw_video(video_id: str, rows: Sequence[Row]) -> dict[str, bytes]:
    """Draw the rows one below the other, as PNG and SVG files by name. Colours are labels.

    Args:
        video_id: For the title.
        rows: At least one.

    Raises:
        UsageError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    labels = sorted({bar.label for row in rows for bar in row.bars})
    colors = {label: colormaps[_PALETTE](place % 20) for place, label in enumerate(labels)}
    figure = Figure(figsize=(9.0, 0.8 + 0.42 * len(rows) + 0.2 * -(-len(labels) // 5)), layout="constrained")
    ax = figure.subplots()
    for place, row in enumerate(rows):
        for bar in sorted(row.bars, key=lambda bar: bar.score):
            ax.barh(place, bar.end - bar.start, 0.72, bar.start, color=colors[bar.label], edgecolor="white", lw=0.4)
    ax.set_yticks(range(len(rows)), [_escape(row.name) for row in rows], fontsize=9)
    ax.set(xlabel="seconds", ylim=(len(rows) - 0.5, -0.5), title=_escape(video_id))
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    _draw_legend(figure, colors)
    return {f"{NAME}.{suffix}": _save(figure, suffix) for suffix in FORMATS}


def _draw_legend(figure: Figure, colors: dict[str, Any]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=color, label=_escape(label)) for label, color in colors.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=5, fontsize=8, frameon=False)


def _escape(text: str) -> str:
    """Shorten a name, and keep ``$`` from starting a formula."""
    return (text if len(text) <= 28 else text[:27] + "…").replace("$", r"\$")


def _save(figure: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, dpi=130)
    return buffer.getvalue()
