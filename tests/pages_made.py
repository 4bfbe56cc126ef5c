"""Results, annotations and pages for tests, made by hand."""

from __future__ import annotations

import json
from pathlib import Path

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

ROWS = [
    ("jump", 0.9, 0.4, 1.0), ("wave", 0.7, 1.2, 1.9), ("jump", 0.5, 1.5, 2.2), ("kick", 0.3, 2.0, 2.6),
    ("wave", 0.05, 0.1, 0.3),
]  # fmt: skip
LABELS = ("jump", "wave", "kick", "bow")


def write_results(path: Path, *video_ids: str, rows=ROWS, curves=None, **external) -> Path:
    facts = {"fps": 25.0, "duration": 3.0} | ({"score_curves": curves} if curves else {})
    content = {
        "version": "VERSION 1.3",
        "results": {
            name: [
                {"label": label, "label_id": LABELS.index(label) if label in LABELS else 9, "score": score,
                 "segment": [start, end]}
                for label, score, start, end in rows
            ]
            for name in video_ids
        },
        "external_data": {"preset": "demo", **external, "videos": {name: facts for name in video_ids}},
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


def write_truth(path: Path, *video_ids: str) -> Path:
    instances = [{"label": "jump", "segment": [0.5, 1.0]}, {"label": "bow", "segment": [2.0, 2.5]}]
    videos = {name: {"subset": "test", "duration": 3.0, "annotations": instances} for name in video_ids}
    path.write_text(json.dumps({"database": videos}))
    return path


def read_page_data(page: Path) -> dict:
    """What the page knows, as its program reads it."""
    text = page.read_text(encoding="utf-8")
    begin = text.index('id="data">') + len('id="data">')
    return json.loads(text[begin : text.index("</script>", begin)])
