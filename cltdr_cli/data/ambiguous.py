"""Detections at actions marked Ambiguous, which some published evaluations of THUMOS14 leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.data.prediction_files import ResultRows

SNIPPET_SECONDS = 16 / 25
"""What one feature of this family looks at: 16 frames at 25 a second."""


def drop_ambiguous(rows: ResultRows, videos: Mapping[str, AnnotatedVideo]) -> ResultRows:
    """Predictions without those that share a snippet with an Ambiguous row of their video (CO2-Net, DELU).

    Both are rounded to whole snippets of 0.64 s, as published; a prediction that becomes empty has the snippet that
    it begins in.
    """
    snippets = np.round(rows.segments_seconds / SNIPPET_SECONDS).astype(np.int64)
    short = snippets[:, 1] <= snippets[:, 0]
    snippets[short, 0] = np.floor(rows.segments_seconds[short, 0] / SNIPPET_SECONDS)
    snippets[short, 1] = snippets[short, 0] + 1
    keep = np.ones(len(rows.scores), bool)
    for place, name in enumerate(rows.video_ids):
        marked = videos[name].ambiguous if name in videos else ()
        own = rows.videos == place
        for start, end in np.round(np.array(marked).reshape(-1, 2) / SNIPPET_SECONDS):
            keep &= ~(own & (np.maximum(snippets[:, 0], start) < np.minimum(snippets[:, 1], end)))
    return _select(rows, keep)


def _select(rows: ResultRows, keep: NDArray[np.bool_]) -> ResultRows:
    return replace(
        rows,
        videos=rows.videos[keep],
        labels=rows.labels[keep],
        segments_seconds=rows.segments_seconds[keep],
        scores=rows.scores[keep],
    )
