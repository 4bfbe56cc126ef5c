"""A picture of what action sensitivity learned. It needs matplotlib: ``pip install "cltdr-cli[plots]"``."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cltdr_cli.training.sensitivity import KINDS, Form, Gaussians

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_MOST_ROWS = 40
_COLORS = ("#33658a", "#2a9d5c", "#e76f51")
_TICKS = {-0.5: "start", -0.25: "", 0.0: "centre", 0.25: "", 0.5: "end"}


@dataclass(frozen=True)
class LearnedSensitivity:
    """The Gaussians of every class after every epoch.

    Attributes:
        class_names: K names.
        form: Of the weights.
        epochs: ``[E]``, epochs done.
        mu: ``[E, 3, K]``, peaks by ``KINDS``; not a number where training broke them.
        sigma: ``[E, 3, K]``, widths.
    """

    class_names: tuple[str, ...]
    form: Form
    epochs: Sequence[int]
    mu: NDArray[np.float64]
    sigma: NDArray[np.float64]

    def draw_curves(self) -> dict[str, NDArray[np.float32]]:
        """Sensitivities ``[K, 101]`` from start to end after the last epoch: ``class`` and ``boundaries``."""
        import torch

        gaussians = Gaussians(len(self.class_names), self.form)
        with torch.no_grad():
            gaussians.mu.copy_(torch.from_numpy(self.mu[-1]))
            gaussians.sigma.copy_(torch.from_numpy(self.sigma[-1]))
        _, curves = gaussians.draw_curves()
        return {"class": curves.classes.numpy(), "boundaries": curves.boundaries.numpy()}


def draw_sensitivity(learned: LearnedSensitivity, file_format: str) -> bytes:
    """Where in an action its class and its boundaries matter, for each class; and how that came about by epochs.

    Args:
        learned: What to draw.
        file_format: One of ``evaluation.plots.FORMATS``.
    """
    from matplotlib.figure import Figure

    shown = _choose_classes(learned)
    rows = 0.9 + 0.2 * len(shown)
    figure = Figure(figsize=(12, rows + 3.6), layout="constrained")
    axes: Any = figure.subplots(2, 2, height_ratios=[rows, 3.2])
    names = [learned.class_names[place] for place in shown]
    titles = ("how much a point counts in the class loss", "how much it counts in the boundary loss")
    for ax, title, curves in zip(axes[0], titles, learned.draw_curves().values(), strict=True):
        _draw_map(figure, ax, curves[shown], names)
        cut = "" if len(shown) == len(learned.class_names) else f" ({len(shown)} of {len(learned.class_names)} classes)"
        ax.set_title(title + cut, fontsize=10)
    _draw_history(axes[1, 0], learned.epochs, learned.mu)
    axes[1, 0].set_title(r"where they peak ($\mu$): each class, and the mean", fontsize=10)
    axes[1, 0].set_yticks(list(_TICKS), [name or f"{place:g}" for place, name in _TICKS.items()])
    _draw_history(axes[1, 1], learned.epochs, learned.sigma)
    axes[1, 1].set_title(r"how wide they are ($\sigma$), in lengths of the action", fontsize=10)
    axes[1, 1].legend(fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=file_format, dpi=130)
    return buffer.getvalue()


def _choose_classes(learned: LearnedSensitivity) -> list[int]:
    """Classes by the peak of their class Gaussian, early ones first; of many only those at both ends."""
    order = np.argsort(learned.mu[-1, 0], kind="stable").tolist()
    half = _MOST_ROWS // 2
    return order if len(order) <= _MOST_ROWS else [*order[:half], *order[-half:]]


def _draw_map(figure: Figure, ax: Axes, curves: NDArray[np.float32], names: list[str]) -> None:
    image = ax.imshow(curves, aspect="auto", extent=(-0.5, 0.5, len(names) - 0.5, -0.5), cmap="viridis")
    short = [name if len(name) <= 28 else name[:27] + "…" for name in names]
    ax.set_yticks(range(len(names)), [name.replace("$", r"\$") for name in short], fontsize=8)
    ax.set_xticks(list(_TICKS), list(_TICKS.values()))
    figure.colorbar(image, ax=ax, pad=0.01)


def _draw_history(ax: Axes, epochs: Sequence[int], values: NDArray[np.float64]) -> None:
    """Values ``[E, 3, K]`` over epochs: a thin line for each class, a thick one for their mean."""
    for kind, color in enumerate(_COLORS):
        ax.plot(epochs, values[:, kind], color=color, linewidth=0.6, alpha=0.35)
        ax.plot(epochs, np.nanmean(values[:, kind], axis=1), color=color, linewidth=2, label=KINDS[kind], marker=".")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("epoch")
