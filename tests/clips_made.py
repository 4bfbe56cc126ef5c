"""Results files for drawn videos, and what the frames of a video are."""

from __future__ import annotations

import json
from pathlib import Path

import av
from videos_made import number_of

from cltdr_cli.video import open_video


def segments_file(folder: Path, *rows, name="segments.json"):
    """A results file: rows are (start, end, label, score)."""
    items = [{"label": label, "label_id": 7, "score": score, "segment": [a, b]} for a, b, label, score in rows]
    path = folder / name
    path.write_text(json.dumps({"results": {"x": items}}))
    return path


def pictures(path):
    """Numbers and times of the frames of a file."""
    with av.open(str(path)) as container:
        found = [(number_of(f.to_ndarray(format="rgb24")), float(f.time)) for f in container.decode(video=0)]
    return [number for number, _ in found], [time for _, time in found]


def source_times(path):
    """Times of the frames of a source on the player's time line, by their drawn numbers."""
    reader = open_video(path, "pyav")
    return {
        number_of(picture): float(seconds)
        for batch in reader.batches(16)
        for picture, seconds in zip(batch.frames, batch.pts_seconds, strict=True)
    }
