"""Classes for detectors that name none: scores of a video classifier, as published methods do on ActivityNet."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import AnnotationError
from cltdr_cli.segments import Detections


@dataclass(frozen=True, eq=False)
class VideoScores:
    """Class scores of whole videos, from a classifier that is not part of this program.

    Attributes:
        labels: Class names in index order.
        by_video: Video id (without a leading ``v_``) -> float32 ``[K]``, not negative.
        keep_segments: The best so many segments of a video are kept.
        top_classes: Each segment gets so many classes of its video.
    """

    labels: tuple[str, ...]
    by_video: dict[str, NDArray[np.float32]]
    keep_segments: int = 200
    top_classes: int = 2

    def add_classes(self, detections: Detections, video_id: str) -> Detections:
        """Give the best classes of a video to its detections; see ``fuse``.

        Raises:
            AnnotationError: The file has no scores of this video.
        """
        scores = self.by_video.get(strip_prefix(video_id))
        if scores is None:
            raise AnnotationError(
                f"The video scores have no row for {video_id}.",
                "Ids are the file names without suffix; a leading v_ does not count.",
            )
        return fuse(detections, scores, self.keep_segments, self.top_classes)


def fuse(
    detections: Detections, class_scores: NDArray[np.float32], keep_segments: int = 200, top_classes: int = 2
) -> Detections:
    """Repeat the best segments for each of the video's best classes; ``new score = sqrt(score · class score)``.

    Args:
        detections: Segments without classes, by falling score.
        class_scores: ``[K]`` scores of the whole video, not negative.
        keep_segments: The best so many segments are kept.
        top_classes: Each of them gets so many classes.
    """
    best = detections.selected(np.arange(min(keep_segments, len(detections))))
    classes = np.argsort(-class_scores, kind="stable")[:top_classes].astype(np.int64)
    scores = np.sqrt(best.scores[:, None] * class_scores[classes][None]).ravel().astype(np.float32)
    segments = best.segments_seconds.repeat(len(classes), axis=0)
    labels = np.tile(classes, len(best))
    return Detections(segments, scores, labels).selected(np.argsort(-scores, kind="stable"))


def read_video_scores(path: Path, label_names: Sequence[str]) -> VideoScores:
    """Read the class scores of videos from JSON or CSV.

    JSON: ``{"results": {video: [score of each class …]}, "class": [names]}`` (the layout in which ActivityNet
    classifiers are published; without ``class`` the order is that of our labels), or ``{"results": {video:
    [{"label", "score"} …]}}``; the outer ``results`` may be left out. CSV: columns ``video_id,label,score``.

    Returns:
        The scores in the order of ``label_names``.

    Raises:
        AnnotationError: Unreadable file, unknown labels, wrong lengths, scores that are negative or not finite.
    """
    try:
        rows = _read_csv(path) if path.suffix.lower() == ".csv" else _read_json(path, label_names)
        by_video = {video: _order_scores(scores, label_names, path) for video, scores in rows.items()}
        return VideoScores(tuple(label_names), by_video)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise AnnotationError(
            f"video scores {path} cannot be read: {error}",
            'Expected JSON {"results": {video: [score per class]}} or a CSV with columns video_id,label,score.',
        ) from error


def strip_prefix(video: str) -> str:
    """A video id without the leading ``v_``, which ActivityNet files have in some places and not in others."""
    return video.removeprefix("v_")


def _read_csv(path: Path) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            rows.setdefault(strip_prefix(row["video_id"]), {})[row["label"]] = float(row["score"])
    return rows


def _read_json(path: Path, label_names: Sequence[str]) -> dict[str, dict[str, float]]:
    content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    results = content.get("results", content) if isinstance(content, Mapping) else None
    if not isinstance(results, Mapping):
        raise ValueError("no mapping of video ids to scores")
    names = content.get("class", label_names)
    rows = {strip_prefix(video): _name_scores(video, scores, names) for video, scores in results.items()}
    if len(rows) < len(results):
        raise ValueError("a video is listed twice, with and without a leading v_")
    return rows


def _name_scores(video: str, scores: Any, names: Sequence[str]) -> dict[str, float]:
    if not isinstance(scores, list):
        raise ValueError(f"video {video} has no list of scores")
    if scores and isinstance(scores[0], Mapping):
        return {item["label"]: float(item["score"]) for item in scores}
    if len(scores) != len(names):
        raise ValueError(f"video {video} has {len(scores)} scores for {len(names)} classes")
    return {name: float(score) for name, score in zip(names, scores, strict=True)}


def _order_scores(scores: Mapping[str, float], label_names: Sequence[str], path: Path) -> NDArray[np.float32]:
    unknown = sorted(set(scores) - set(label_names))
    if unknown:
        raise AnnotationError(
            f"video scores {path} name {len(unknown)} unknown labels: {', '.join(unknown[:5])}",
            "`cltdr presets show NAME` names the preset's list of labels; spell them as it does.",
        )
    vector = np.array([scores.get(name, 0.0) for name in label_names], np.float32)
    if not (np.isfinite(vector).all() and (vector >= 0).all()):
        raise ValueError("scores must be finite and not negative")
    return vector
