"""Parquet: results and annotations are written with their types and read back exactly."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cltdr_cli import convert_annotations, parquet_files
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.prediction_files import read_predictions
from cltdr_cli.data.segment_files import read_segments
from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.writers import write

pytest.importorskip("pyarrow", reason="needs the extra: parquet")


@pytest.fixture
def results():
    found = Detections(np.array([[0.1, 1 / 3], [2, 3.5]]), np.float32([0.7, 0.1]), np.array([1, 0]))
    nothing = Detections(np.zeros((0, 2)), np.zeros(0, np.float32), np.zeros(0, np.int64))
    return [VideoResult("clip", found, ("jump", "wa,ve"), 60.0, {}), VideoResult("none", nothing, ("jump",), 9.0, {})]


def test_results_have_types_and_read_back_exactly(tmp_path, results):
    for name in ("csv", "parquet"):
        write(name, results, tmp_path / f"r.{name}", {})
    frame = pd.read_parquet(tmp_path / "r.parquet")
    assert list(frame.columns) == ["video_id", "start", "end", "label", "label_id", "score"]
    assert [frame[name].dtype.kind for name in ("start", "end", "label_id", "score")] == ["f", "f", "i", "f"]
    table, same = read_predictions(tmp_path / "r.parquet"), read_predictions(tmp_path / "r.csv")
    assert table.video_ids == same.video_ids == ("clip",)
    assert table.label_keys == same.label_keys
    assert np.array_equal(table.segments_seconds, [[0.1, 1 / 3], [2, 3.5]])
    assert np.array_equal(table.scores, same.scores)
    (video,) = read_segments(tmp_path)  # a folder with both holds the video once
    assert [row["label"] for row in video.rows] == ["wa,ve", "jump"]


def test_no_results_are_a_table_without_rows(tmp_path, results):
    write("parquet", results[1:], tmp_path / "r.parquet", {})
    assert pd.read_parquet(tmp_path / "r.parquet").shape == (0, 6)
    assert read_predictions(tmp_path / "r.parquet").video_ids == ()


def test_annotations_go_there_and_back(tmp_path):
    record = {"subset": "training", "duration": 24.2, "fps": 25.0}
    items = [{"label": "jump", "label_id": 3, "segment": [1.2, 3.4]}, {"label": "fall \u00e9", "segment": [0.1, 1 / 3]}]
    source = tmp_path / "ours.json"
    source.write_text(json.dumps({"database": {"v": {**record, "annotations": items}}}))
    convert_annotations(source, to="parquet", out=tmp_path / "there.any")  # known by its content
    frame = pd.read_parquet(tmp_path / "there.any")
    assert frame["label_id"].isna().tolist() == [False, True]
    assert frame["start"].tolist() == [1.2, 0.1]
    convert_annotations(tmp_path / "there.any", to="activitynet", out=tmp_path / "back.json")
    assert json.loads((tmp_path / "back.json").read_text())["database"] == json.loads(source.read_text())["database"]


def test_tables_of_other_programs_are_read(tmp_path):
    frame = pd.DataFrame({"onset": [0.5, 2.0], "offset": [1.5, None], "class": ["a", "b"], "file": ["v", "w"]})
    frame.iloc[:1].set_index("file").to_parquet(tmp_path / "indexed.parquet")
    (item,) = read_annotations(tmp_path / "indexed.parquet").videos["v"].instances
    assert (item.start, item.end, item.label) == (0.5, 1.5, "a")
    frame.to_parquet(tmp_path / "gap.parquet")
    with pytest.raises(AnnotationError, match="line 2"):
        read_annotations(tmp_path / "gap.parquet")


def test_a_damaged_file_and_a_missing_library_are_named(cltdr, tmp_path, results, monkeypatch):
    write("parquet", results, tmp_path / "r.parquet", {})
    data = (tmp_path / "r.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[:-50])
    with pytest.raises(AnnotationError, match="cannot be read as Parquet"):
        read_annotations(tmp_path / "cut.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UsageError, match="needs pyarrow"):
        parquet_files.require_parquet()
    done = cltdr("detect", tmp_path / "r.parquet", "--preset", "demo", "--out", tmp_path / "x.parquet")
    assert done.code == 2
    assert "pip install 'cltdr-cli[parquet]'" in done.err
