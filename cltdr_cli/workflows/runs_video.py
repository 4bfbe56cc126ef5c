"""One video of the test split as several groups of runs see it, for the picture beside their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.source_files import load_json
from cltdr_cli.errors import UsageError
from cltdr_cli.evaluation.video_plot import Bar, Row

PREDICTIONS_FILE = "predictions.json"
"""Name under which a run's detections are looked for, beside its scores."""


def find_rows(groups: Mapping[str, Sequence[Path]], video_id: str | None) -> tuple[str, list[Row]] | None:
    """The annotated instances of a video and what one run of each group detected in it.

    Of each run as many detections are taken as the video has instances, the best ones: so no threshold favours anybody.

    Args:
        groups: Files of scores of each group, by its name.
        video_id: Which video; None for the first one that all have detections in.

    Returns:
        Its id, and a row for the annotation and for each group; None where not every group has a run on one common
        annotation with ``predictions.json`` beside its scores and nobody asked for a video.

    Raises:
        UsageError: There is no such video, or a video is asked for and detections were not kept.
        AnnotationError: A file cannot be read.
    """
    runs = {name: _list_runs(files) for name, files in groups.items()}
    shared = next(
        (place for place in next(iter(runs.values())) if all(place in found for found in runs.values())), None
    )
    if shared is None or not Path(shared).exists():
        if video_id is None:
            return None
        raise UsageError(
            f"not all groups have detections of one annotation to draw {video_id} from",
            f"`cltdr eval … --json-out RUN/scores.json --predictions-out RUN/{PREDICTIONS_FILE}` keeps them.",
        )
    found = {name: load_json(places[shared])["results"] for name, places in runs.items()}
    chosen = _choose_video(found, video_id)
    truth = read_annotations(Path(shared)).videos[chosen].instances
    rows = [Row("annotation", [Bar(item.start, item.end, item.label) for item in truth])]
    return chosen, rows + [Row(name, _take_best(results[chosen], len(truth))) for name, results in found.items()]


def _list_runs(files: Sequence[Path]) -> dict[str, Path]:
    """Files of detections by the annotation that they were scored with; of several runs the first."""
    places: dict[str, Path] = {}
    for file in files:
        beside = file.with_name(PREDICTIONS_FILE)
        if beside.exists():
            places.setdefault(str(load_json(file).get("made_by", {}).get("annotations", "")), beside)
    return places


def _choose_video(found: Mapping[str, Mapping[str, Any]], video_id: str | None) -> str:
    common = sorted(set.intersection(*(set(results) for results in found.values())))
    chosen = (common[0] if common else "one common video") if video_id is None else video_id
    if chosen not in common:
        raise UsageError(
            f"not all groups have detections in {chosen}", f"All have some in {', '.join(common[:8]) or 'none'}."
        )
    return chosen


def _take_best(results: Sequence[Mapping[str, Any]], count: int) -> list[Bar]:
    best = sorted(results, key=lambda item: -item["score"])[:count]
    return [Bar(item["segment"][0], item["segment"][1], item["label"], item["score"]) for item in best]
