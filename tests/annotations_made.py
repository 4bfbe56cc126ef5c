"""Small annotation files for tests."""

from __future__ import annotations

import json
from pathlib import Path

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.datasets import DATASETS


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def activitynet(*instances: tuple[float, float, str], **video) -> dict:
    items = [{"segment": [start, end], "label": label} for start, end, label in instances]
    return {"database": {"v": {"subset": "test", "duration": 60, "annotations": items, **video}}}


def read(shared: Path, name: str, dataset: str = "custom", **options) -> Annotations:
    record = DATASETS[dataset]
    return read_annotations(
        shared / "data/annotations" / name,
        record.class_names,
        first_id=record.first_id,
        task=record.task,
        **options,
    )
