"""Detections of one video, and the table of them that is shown and written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

MOST_CURVE_POINTS = 1000
"""A page is about as many pixels wide; more would only make result files large."""


@dataclass(frozen=True)
class Segment:
    """One action: ``start`` and ``end`` in seconds, its label, label id and score.

    Scores are probabilities, in [0, 1]; those of methods that learn from video labels are not, and may be below 0.
    """

    start: float
    end: float
    label: str
    score: float
    label_id: int = 0


@dataclass(frozen=True, eq=False)
class ScoreCurves:
    """Scores of classes along a video.

    Attributes:
        times_seconds: float64 ``[T]``.
        scores: float32 ``[T, K]``, in [0, 1].
        labels: int64 ``[K]``, class indices.
    """

    times_seconds: NDArray[np.float64]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def describe(self, label_names: Sequence[str]) -> dict[str, object]:
        """Plain JSON for ``external_data``, at most ``MOST_CURVE_POINTS`` times."""
        thinned = slice(None, None, max(1, -(-len(self.times_seconds) // MOST_CURVE_POINTS)))
        columns = self.scores[thinned].T.astype(np.float64).round(4)
        scores = {label_names[label]: column.tolist() for label, column in zip(self.labels, columns, strict=True)}
        return {"times_seconds": self.times_seconds[thinned].round(3).tolist(), "scores": scores}


@dataclass(frozen=True, eq=False)
class Detections:
    """Detections of one video, by falling score.

    Attributes:
        segments_seconds: float64 ``[N, 2]``, start and end; float32 could round past the end of the video.
        scores: float32 ``[N]``.
        labels: int64 ``[N]``, class indices.
        curves: Scores along the video, where the method has them; kept when rows are selected.
    """

    segments_seconds: NDArray[np.float64]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    curves: ScoreCurves | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.segments_seconds.shape != (count, 2) or self.labels.shape != (count,):
            raise ValueError("segments [N, 2], scores [N] and labels [N] must agree in N")

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls(np.zeros((0, 2)), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def selected(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Detections:
        """The rows of a boolean mask or index array, order kept."""
        return Detections(self.segments_seconds[keep], self.scores[keep], self.labels[keep], self.curves)

    def limited(
        self, min_score: float | None = None, max_segments: int | None = None, labels: Sequence[int] | None = None
    ) -> Detections:
        """The best rows: at least ``min_score`` (None: any score), of the given classes, ``max_segments`` at most."""
        keep = np.ones(len(self), bool) if min_score is None else self.scores >= min_score
        if labels is not None:
            keep &= np.isin(self.labels, np.asarray(labels, np.int64))
        return self.selected(np.flatnonzero(keep)[:max_segments])

    def segments(self, label_names: Sequence[str], label_ids: Sequence[int] | None = None) -> Iterator[Segment]:
        """Rows as named records, by falling score; ``label_ids`` are the numbers of the classes, else their index."""
        for (start, end), score, label in zip(self.segments_seconds, self.scores, self.labels, strict=True):
            number = int(label) if label_ids is None else label_ids[int(label)]
            yield Segment(float(start), float(end), label_names[int(label)], float(score), number)


@dataclass(frozen=True, eq=False)
class VideoResult:
    """What ``detect`` says of one input: its segments and where they came from.

    Attributes:
        video_id: Name of the input in results.
        detections: The segments.
        label_names: Class names by index.
        duration_seconds: End of the video.
        provenance: Plain JSON facts for ``external_data`` (fps, duration, grid, reader, warnings).
        label_ids: Number of each class in the annotation that the model learned from; None where that is its index.
        source: The video file, for pages that link to it; None for features and frames.
        display_score: Segments with a lower score are in the result, but not ``shown``; None shows all.
    """

    video_id: str
    detections: Detections
    label_names: tuple[str, ...]
    duration_seconds: float
    provenance: dict[str, object]
    label_ids: tuple[int, ...] | None = None
    source: Path | None = None
    display_score: float | None = None

    def __iter__(self) -> Iterator[Segment]:
        return self.detections.segments(self.label_names, self.label_ids)

    def __len__(self) -> int:
        return len(self.detections)

    @property
    def shown(self) -> VideoResult:
        """The result as people see it: without the segments below ``display_score``."""
        return replace(self, detections=self.detections.limited(self.display_score))

    @property
    def hidden_scores(self) -> list[float]:
        """Scores of the segments that are not ``shown``."""
        scores = self.detections.scores
        return [] if self.display_score is None else scores[scores < self.display_score].tolist()

    def _repr_html_(self) -> str:
        """Timeline and table, as notebooks show them."""
        # The picture is drawn by a writer. Writers stand above this module, so it is found when it is asked for.
        return import_module("cltdr_cli.writers.notebook").draw_notebook(self)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with the input, although it could be used: where a broken video stops."""
        found = self.provenance.get("warnings")
        return tuple(map(str, found)) if isinstance(found, list | tuple) else ()

    def to_pandas(self) -> pd.DataFrame:
        """Columns ``video_id, start, end, label, label_id, score``; seconds, by falling score."""
        import pandas as pd

        rows = [(self.video_id, s.start, s.end, s.label, s.label_id, s.score) for s in self]
        return pd.DataFrame(rows, columns=["video_id", "start", "end", "label", "label_id", "score"])
