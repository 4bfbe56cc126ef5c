"""FiftyOne: ``labels.json`` of a FiftyOneTemporalDetectionDataset, with times in seconds.

Put the videos into ``data/`` beside it and load the folder with
``fiftyone.Dataset.from_dir(DIR, fiftyone.types.FiftyOneTemporalDetectionDataset)``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cltdr_cli.files import write_text
from cltdr_cli.interchange.tracks import Interval, Track, WriteSettings


def write_fiftyone(tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    """Write all videos; labels are numbers of the list ``classes``."""
    classes = sorted({item.label for track in tracks for item in track.intervals})
    number = {label: place for place, label in enumerate(classes)}
    labels = {track.video_id: [_make_detection(i, number[i.label]) for i in track.intervals] for track in tracks}
    text = json.dumps({"classes": classes, "labels": labels}, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def _make_detection(item: Interval, number: int) -> dict[str, Any]:
    detection: dict[str, Any] = {"label": number, "timestamps": [item.start, item.end]}
    return detection if item.score is None else {**detection, "confidence": item.score}
