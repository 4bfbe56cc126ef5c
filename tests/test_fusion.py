"""Class-agnostic segments meet the class scores of the whole video."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cltdr_cli.errors import AnnotationError
from cltdr_cli.inference.fusion import VideoScores, fuse, read_video_scores, strip_prefix
from cltdr_cli.segments import Detections

LABELS = ("Archery", "Ballet", "Cheerleading")


def _detections(*scores: float) -> Detections:
    segments = np.array([[i, i + 2.5] for i in range(len(scores))], np.float64).reshape(-1, 2)
    return Detections(segments, np.array(scores, np.float32), np.zeros(len(scores), np.int64))


def test_each_segment_takes_the_best_classes_of_the_video():
    ours = fuse(_detections(0.64, 0.25), np.array([0.25, 0.0, 1.0], np.float32))
    assert ours.labels.tolist() == [2, 2, 0, 0]
    assert ours.scores.tolist() == pytest.approx([0.8, 0.5, 0.4, 0.25])
    assert ours.segments_seconds.tolist() == [[0, 2.5], [1, 3.5], [0, 2.5], [1, 3.5]]
    assert ours.scores.dtype == np.float32
    assert ours.labels.dtype == np.int64


def test_only_the_best_segments_take_part():
    ours = fuse(_detections(0.9, 0.5, 0.1), np.ones(3, np.float32), keep_segments=2, top_classes=1)
    assert ours.segments_seconds[:, 0].tolist() == [0, 1]
    assert ours.labels.tolist() == [0, 0], "of equal classes the first"


def test_the_published_numbers_of_segments_and_classes():
    ours = fuse(_detections(*np.linspace(1, 0.1, 300)), np.array([0.1, 0.5, 0.2], np.float32))
    assert len(ours) == 400
    assert set(ours.labels.tolist()) == {1, 2}


def test_nothing_and_few_classes():
    assert len(fuse(_detections(), np.ones(3, np.float32))) == 0
    assert fuse(_detections(0.5), np.ones(1, np.float32)).labels.tolist() == [0]
    assert (fuse(_detections(0.5), np.zeros(3, np.float32)).scores == 0).all()


def test_a_video_without_scores_is_named():
    scores = VideoScores(LABELS, {"abc": np.ones(3, np.float32)}, keep_segments=1, top_classes=1)
    assert len(scores.add_classes(_detections(0.5, 0.4), "v_abc")) == 1
    with pytest.raises(AnnotationError, match="no row for v_other"):
        scores.add_classes(_detections(0.5), "v_other")


def _written(tmp_path, name: str, content: object):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", {"results": {"v_one": [0.5, 0.25, 0]}}),
        ("a.json", {"v_one": [0.5, 0.25, 0]}),
        (
            "a.json",
            {"version": 1, "class": ["Ballet", "Cheerleading", "Archery"], "results": {"one": [0.25, 0, 0.5]}},
        ),
        ("a.json", {"results": {"one": [{"label": "Ballet", "score": 0.25}, {"label": "Archery", "score": 0.5}]}}),
        ("a.CSV", "video_id,label,score\nv_one,Ballet,0.25\none,Archery,.5\n"),
        ("a.csv", "\ufeffvideo_id,label,score\none,Ballet,0.25\none,Archery,.5\n"),  # as spreadsheets write
        ("a.csv", 'score,extra,label,video_id\r\n0.25,x,Ballet,v_one\r\n5e-1,y,"Archery",v_one\r\n'),
    ],
)
def test_layouts_that_are_read(tmp_path, name, content):
    scores = read_video_scores(_written(tmp_path, name, content), LABELS)
    assert scores.labels == LABELS
    assert scores.by_video["one"].tolist() == [0.5, 0.25, 0.0]
    assert scores.by_video["one"].dtype == np.float32


def test_a_list_of_no_scores_means_zero_for_every_class_only_in_the_layout_with_labels(tmp_path):
    with pytest.raises(AnnotationError, match="has 0 scores for 3 classes"):
        read_video_scores(_written(tmp_path, "a.json", {"results": {"one": []}}), LABELS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "cannot be read"),
        ("a.json", "[1, 2]", "no mapping of video ids"),
        ("a.json", {"results": [1, 2]}, "no mapping of video ids"),
        ("a.json", {"results": {"one": 3}}, "video one has no list"),
        ("a.json", {"results": {"one": {"Archery": 0.5}}}, "video one has no list"),
        ("a.json", {"results": {"one": [0.5, 0.25]}}, "has 2 scores for 3 classes"),
        ("a.json", {"results": {"one": [0.5, "x", 0.1]}}, "cannot be read"),
        ("a.json", {"results": {"one": [0.5, None, 0.1]}}, "cannot be read"),
        ("a.json", {"results": {"one": [0.5, -0.25, 0.1]}}, "finite and not negative"),
        ("a.json", '{"results": {"one": [0.5, NaN, 0.1]}}', "finite and not negative"),
        ("a.json", '{"results": {"one": [0.5, Infinity, 0.1]}}', "finite and not negative"),
        ("a.json", {"results": {"one": [{"label": "Archer", "score": 1}]}}, "1 unknown labels: Archer"),
        ("a.json", {"class": ["A", "B", "C"], "results": {"one": [1, 1, 1]}}, "3 unknown labels: A, B, C"),
        ("a.json", {"results": {"one": [{"label": "Archery"}]}}, "cannot be read"),
        ("a.json", {"v_one": [0.5, 0.25, 0], "one": [0.5, 0.25, 0]}, "listed twice"),
        ("a.csv", "video,label,score\none,Archery,1\n", "video_id"),
        ("a.csv", "video_id,label,score\none,Archery,high\n", "cannot be read"),
        ("a.csv", "video_id,label,score\none,Archery\n", "cannot be read"),
        ("a.csv", "video_id,label,score\none,Swimming,1\n", "unknown labels: Swimming"),
    ],
)
def test_files_that_are_refused(tmp_path, name, content, message):
    with pytest.raises(AnnotationError, match=message) as raised:
        read_video_scores(_written(tmp_path, name, content), LABELS)
    assert name in raised.value.message
    assert raised.value.hint


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_video_scores(tmp_path / "missing.json", LABELS)
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_video_scores(tmp_path, LABELS)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_video_scores(binary, LABELS)


def test_strip_prefixs():
    assert strip_prefix("v_abc") == strip_prefix("abc") == "abc"
    assert strip_prefix("v_v_abc") == "v_abc"
