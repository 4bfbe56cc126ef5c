"""Detections and the table of them."""

from __future__ import annotations

import numpy as np
import pytest

from cltdr_cli.segments import Detections, Segment, VideoResult


def _detections() -> Detections:
    return Detections(
        np.array([[1, 2], [0, 9.5], [4, 6]], np.float64),
        np.array([0.9, 0.5, 0.25], np.float32),
        np.array([1, 0, 1], np.int64),
    )


def test_arrays_must_agree():
    good = _detections()
    for segments, scores, labels in (
        (good.segments_seconds[:2], good.scores, good.labels),
        (good.segments_seconds, good.scores[:1], good.labels),
        (good.segments_seconds, good.scores, good.labels[:, None]),
        (good.segments_seconds[:, :1], good.scores, good.labels),
    ):
        with pytest.raises(ValueError, match="must agree in N"):
            Detections(segments, scores, labels)


def test_nothing():
    empty = Detections.empty()
    assert len(empty) == 0
    assert list(empty.segments(())) == []
    assert len(empty.limited(min_score=0.5, max_segments=3, labels=[0])) == 0


def test_selected_rows_keep_their_order():
    ours = _detections().selected(np.array([2, 0]))
    assert ours.scores.tolist() == [0.25, pytest.approx(0.9)]
    assert ours.segments_seconds.tolist() == [[4, 6], [1, 2]]
    masked = _detections().selected(np.array([False, True, False]))
    assert masked.labels.tolist() == [0]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, [0, 1, 2]),
        ({"min_score": 0.5}, [0, 1]),
        ({"min_score": 0.51}, [0]),
        ({"max_segments": 2}, [0, 1]),
        ({"max_segments": 0}, []),
        ({"labels": [1]}, [0, 2]),
        ({"labels": []}, []),
        ({"labels": [1], "max_segments": 1}, [0]),
        ({"labels": [1], "min_score": 0.3}, [0]),
        ({"labels": [7]}, []),
    ],
)
def test_limits(limits, kept):
    ours = _detections().limited(**limits)
    assert ours.scores.tolist() == _detections().scores[kept].tolist()


def test_segments_are_named_plain_numbers():
    first = next(_detections().segments(("jump", "run")))
    assert first == Segment(1.0, 2.0, "run", pytest.approx(0.9), 1)
    assert {type(first.start), type(first.end), type(first.score)} == {float}
    assert type(first.label_id) is int


def test_a_result_is_an_iterable_of_segments_and_a_table():
    result = VideoResult("video", _detections(), ("jump", "run"), 10.0, {})
    assert len(result) == 3
    assert [segment.label for segment in result] == ["run", "jump", "run"]
    table = result.to_pandas()
    assert list(table.columns) == ["video_id", "start", "end", "label", "label_id", "score"]
    assert table["start"].tolist() == [1.0, 0.0, 4.0]
    assert table["video_id"].tolist() == ["video"] * 3
    empty = VideoResult("video", Detections.empty(), (), 1.0, {}).to_pandas()
    assert list(empty.columns) == list(table.columns)
    assert len(empty) == 0
