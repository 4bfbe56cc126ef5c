"""Plots of an analysis. They need matplotlib, an optional extra: ``pip install "cltdr-cli[plots]"``."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cltdr_cli.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")

_KIND_COLORS = ("#2a9d5c", "#e9c46a", "#9b5de5", "#f4a261", "#e76f51", "#b5b8bd")
_ONE_COLOR = "#33658a"


def require_matplotlib(argument: str = "report=", instead: str = "use json_out= for the numbers alone") -> None:
    """Check before the work that matplotlib is installed.

    Args:
        argument: What asks for plots.
        instead: What to do without them.

    Raises:
        UsageError: It is not.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            f"{argument} draws plots with matplotlib, which is not installed",
            f'pip install "cltdr-cli[plots]", or {instead}.',
        )


def draw_plots(analysis: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw all plots of an analysis, as PNG and SVG files by name.

    Args:
        analysis: Result of ``analyze_predictions``.
    """
    files: dict[str, bytes] = {}
    pictures = {**_PICTURES, **({"learning": _draw_learning} if analysis.get("learning_curve") else {})}
    for name, draw in pictures.items():
        figure = draw(analysis)
        for suffix in FORMATS:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=130, bbox_inches="tight")
            files[f"{name}.{suffix}"] = buffer.getvalue()
    return files


def _make_figure(columns: int, width: float = 10.0, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)
    for ax in axes[0]:
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_axisbelow(True)
        ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    return figure, list(axes[0])


def _draw_scores(analysis: Mapping[str, Any]) -> Figure:
    """The mAP at each threshold, and the average AP of each class."""
    classes = sorted(analysis["per_class"].items(), key=lambda item: float(np.mean(item[1])))
    shown = classes if len(classes) <= 30 else [*classes[:15], *classes[-15:]]
    figure, (left, right) = _make_figure(2, height=max(4.2, 0.19 * len(shown)))
    _draw_bars(left, [f"{t:.2f}" for t in analysis["tiou"]], analysis["mAP"])
    left.set(xlabel="tIoU", ylabel="mAP (%)", title=f"average mAP {100 * analysis['average_mAP']:.2f} %")
    names, values = [name for name, _ in shown], [100 * float(np.mean(ap)) for _, ap in shown]
    right.barh(range(len(shown)), values, color=_ONE_COLOR, height=0.7)
    right.set_yticks(range(len(shown)), _shorten(names), fontsize=8)
    right.set_ylim(-0.6, len(shown) - 0.4)
    right.grid(axis="y", visible=False)
    right.grid(axis="x", color="#dddddd", linewidth=0.6)
    cut = "" if len(shown) == len(classes) else f" (15 worst and 15 best of {len(classes)})"
    right.set(xlabel="AP, mean over tIoU (%)", title=f"per class{cut}")
    return figure


def _draw_curves(analysis: Mapping[str, Any]) -> Figure:
    """Precision over recall: mean over the classes at each threshold, and each class at the middle threshold."""
    curves, tious = analysis["precision_recall"], analysis["tiou"]
    figure, (left, right) = _make_figure(2)
    for t, curve in enumerate(curves["mean"]):
        left.plot(curves["recall"], curve, color=_pick_shade(t, len(tious)), label=f"{tious[t]:.2f}")
    left.legend(title="tIoU", fontsize=8, frameon=False, ncols=1 + len(tious) // 6)
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title="mean of the classes")
    middle = len(tious) // 2
    for curve in curves["per_class"].values():
        right.plot(curves["recall"], curve[middle], color=_ONE_COLOR, alpha=0.35, linewidth=0.9)
    right.plot(curves["recall"], curves["mean"][middle], color="black", linewidth=2, label="mean")
    right.legend(fontsize=8, frameon=False)
    right.set(xlabel="recall", xlim=(0, 1), ylim=(0, 1.02), title=f"each class at tIoU {tious[middle]:.2f}")
    return figure


def _draw_recall(analysis: Mapping[str, Any]) -> Figure:
    """Recall over the number of segments per video."""
    figure, axes = _make_figure(2)
    titles = {"any_label": "as proposals, any label", "same_label": "with the right label"}
    for ax, (key, title) in zip(axes, titles.items(), strict=True):
        recall = analysis["recall"][key]
        counts = recall["segments_per_video"]
        for t, row in enumerate(recall["recall"]):
            color = _pick_shade(t, len(analysis["tiou"]))
            ax.plot(counts, row, color=color, label=f"{analysis['tiou'][t]:.2f}", marker=".")
        ax.plot(counts, recall["average_recall"], color="black", linewidth=2, linestyle="--", label="average")
        ax.set_xscale("log")
        ax.set_xticks(counts, [f"{count}" for count in counts], fontsize=8)
        ax.minorticks_off()
        ax.set(xlabel="segments per video", ylim=(0, 1.02), title=title)
    axes[0].set_ylabel("recall")
    axes[0].legend(title="tIoU", fontsize=8, frameon=False, ncols=1 + len(analysis["tiou"]) // 6)
    return figure


def _draw_sensitivity(analysis: Mapping[str, Any]) -> Figure:
    """Normalised mAP on groups of instances."""
    figure, axes = _make_figure(2)
    whole = 100 * float(np.mean(analysis["normalized_mAP"]))
    titles = {
        "by_length": "by length of the instance",
        "by_instances_per_video": "by instances of the class in the video",
    }
    for ax, (key, title) in zip(axes, titles.items(), strict=True):
        names = [f"{bucket['name']}\n{bucket['instances']}" for bucket in analysis[key]]
        _draw_bars(ax, names, [bucket["average_normalized_mAP"] for bucket in analysis[key]])
        ax.axhline(whole, color="black", linestyle="--", linewidth=1, zorder=2, label=f"all instances: {whole:.1f}")
        ax.set(title=title, xlabel="group, and its number of instances")
        ax.legend(fontsize=8, frameon=False, loc="upper left")
    top = max(ax.get_ylim()[1] for ax in axes)
    for ax in axes:
        ax.set_ylim(0, top * 1.1)
    axes[0].set_ylabel("normalised mAP, mean over tIoU (%)")
    return figure


def _draw_false_positives(analysis: Mapping[str, Any]) -> Figure:
    """Shares of the kinds of predictions by rank, and the mAP gained without each wrong kind."""
    wrong, tious = analysis["false_positives"], analysis["tiou"]
    middle = len(tious) // 2
    figure, (left, right) = _make_figure(2)
    profile = np.array(wrong["profile"][middle])
    below = np.zeros(len(profile))
    for kind, color in enumerate(_KIND_COLORS):
        left.bar(range(1, 11), profile[:, kind] * 100, 0.82, below, color=color, label=wrong["kinds"][kind])
        below += profile[:, kind] * 100
    left.set_xticks(range(1, 11), [f"{n}G" for n in range(1, 11)])
    left.set(
        xlabel="by rank: the best G of each class (G: its instances), the next G, …",
        ylabel="share (%)",
        ylim=(0, 100),
    )
    left.xaxis.label.set_fontsize(8.5)
    left.set_title(f"kinds of predictions, tIoU {tious[middle]:.2f}")
    left.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    gains = np.array(wrong["gain"]).mean(axis=0)[1:]
    _draw_bars(right, [kind.replace(" ", "\n") for kind in wrong["kinds"][1:]], gains, list(_KIND_COLORS[1:]))
    right.set_ylabel("points of average mAP")
    right.set_title("gain without each wrong kind")
    return figure


def _draw_learning(analysis: Mapping[str, Any]) -> Figure:
    """Mean loss and score of each epoch of the training that made the detector."""
    curve = analysis["learning_curve"]
    losses = [record for record in curve if "mean_loss" in record]
    scores = [record for record in curve if "score" in record]
    figure, axes = _make_figure(2 if scores else 1)
    axes[0].plot([r["epoch"] for r in losses], [r["mean_loss"] for r in losses], color=_ONE_COLOR)
    axes[0].set(xlabel="epoch", ylabel="mean loss", yscale="log", title="training videos")
    axes[0].yaxis.set_major_formatter("{x:g}")
    axes[0].yaxis.set_minor_formatter("{x:g}")
    if scores:
        axes[1].plot([r["epoch"] for r in scores], [100 * r["score"] for r in scores], color=_ONE_COLOR, marker=".")
        best = max(scores, key=lambda record: record["score"])
        axes[1].axvline(
            best["epoch"], color="black", linestyle="--", linewidth=1, label=f"best: {100 * best['score']:.1f}"
        )
        axes[1].legend(fontsize=8, frameon=False)
        axes[1].set(xlabel="epoch", ylabel="average mAP (%)", ylim=(0, None), title=f"split {scores[0]['split']}")
    return figure


def _draw_bars(ax: Axes, names: list[str], values: Any, colors: list[str] | str = _ONE_COLOR) -> None:
    """Draw fractions as bars in percent, with their values on top."""
    heights = [100 * float(value) for value in values]
    bars = ax.bar(range(len(names)), heights, 0.7, color=colors)
    labels = ax.bar_label(bars, [f"{height:.1f}" for height in heights], fontsize=8, zorder=3, padding=3)
    for label in labels:
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.set_ylim(0, max(1.0, 1.12 * max(heights)))


def _pick_shade(place: int, count: int) -> tuple[float, float, float, float]:
    from matplotlib import colormaps

    red, green, blue, alpha = colormaps["viridis"](0.9 * place / max(1, count - 1))
    return float(red), float(green), float(blue), float(alpha)


def _shorten(names: list[str]) -> list[str]:
    """Shorten long class names, and escape ``$``, which starts a formula in matplotlib."""
    short = [name if len(name) <= 28 else name[:27] + "…" for name in names]
    return [name.replace("$", r"\$") for name in short]


_PICTURES: dict[str, Callable[[Mapping[str, Any]], Figure]] = {
    "scores": _draw_scores,
    "precision_recall": _draw_curves,
    "recall": _draw_recall,
    "sensitivity": _draw_sensitivity,
    "false_positives": _draw_false_positives,
}
"""The function that draws each plot, by file name."""
