"""Labels of whole videos: where they come from, and who takes annotations that have nothing else."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from annotations_made import activitynet, write

from cltdr_cli.data.annotation_checks import check_annotations
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import AnnotatedVideo, Annotations
from cltdr_cli.data.datasets import DATASETS
from cltdr_cli.data.ground_truth import select_scored_split
from cltdr_cli.data.label_set import labelled_split
from cltdr_cli.data.training_set import class_agnostic, training_split
from cltdr_cli.data.video_labels import find_unknown_labels, has_other_labels, video_labels
from cltdr_cli.errors import AnnotationError
from cltdr_cli.zoo.preset import load_preset

ODD_SEGMENTS = [[3, 3], [9, 4], [70, 80], [-5, -1], [math.nan, math.inf], None]
"""Empty, reversed, beyond the end, before the start, no numbers, missing."""


def read(tmp_path: Path, database: dict) -> Annotations:
    return read_annotations(write(tmp_path, "a.json", {"database": database}))


def read_video(tmp_path: Path, **video) -> AnnotatedVideo:
    return read(tmp_path, activitynet(**video)["database"]).videos["v"]


@pytest.mark.parametrize("segment", ODD_SEGMENTS)
def test_a_label_counts_whatever_its_segment_says(tmp_path: Path, segment: list[float] | None) -> None:
    items = [{"label": "b", "segment": segment}, {"label": "a", "segment": [1, 2]}, {"label": "c"}]
    assert video_labels(read_video(tmp_path, annotations=items)) == ("a", "b", "c")


def test_stated_labels_come_first_also_when_there_are_none(tmp_path: Path) -> None:
    items = [{"label": "b", "segment": [1, 2]}]
    assert video_labels(read_video(tmp_path, annotations=items, labels=["c", "a", "c"])) == ("a", "c")
    assert video_labels(read_video(tmp_path, annotations=items, labels=[])) == ()
    assert video_labels(read_video(tmp_path, annotations=items, labels=None)) == ("b",)
    assert video_labels(read_video(tmp_path)) == ()


def test_annotations_of_labels_only(tmp_path: Path) -> None:
    found = read(tmp_path, {"v": {"subset": "train", "labels": ["b"]}, "w": {"labels": []}})
    assert found.videos["v"].instances == ()
    assert found.label_ids == {"b": 0}
    assert {name: video_labels(video) for name, video in found.videos.items()} == {"v": ("b",), "w": ()}


@pytest.mark.parametrize("labels", ["a", {"a": 1}, [1], [None]])
def test_labels_that_are_no_list_of_names(tmp_path: Path, labels: object) -> None:
    with pytest.raises(AnnotationError, match=r"'v' cannot be read.*a list of names"):
        read_video(tmp_path, labels=labels)


def test_rows_without_times(tmp_path: Path) -> None:
    text = "video_id,label,subset,label_id\nv,wave,train,7\nv,jump,train,2\nw,,train,\n"
    found = read_annotations(write(tmp_path, "a.csv", text))
    assert found.layout == "csv-labels"
    assert found.videos["v"].labels == ("wave", "jump")
    assert found.label_ids == {"jump": 2, "wave": 7}
    assert (video_labels(found.videos["w"]), found.videos["w"].split) == ((), "training")


def test_rows_with_and_without_times(tmp_path: Path) -> None:
    text = "video_id,start,end,label\nv,1,2,wave\nv,,,jump\nw,0,1,jump\n"
    found = read_annotations(write(tmp_path, "a.csv", text))
    assert [item.label for item in found.videos["v"].instances] == ["wave"]
    assert {name: video_labels(video) for name, video in found.videos.items()} == {"v": ("jump",), "w": ("jump",)}
    with pytest.raises(AnnotationError, match="line 2"):
        read_annotations(write(tmp_path, "b.csv", "video_id,start,end,label\nv,1,,wave\n"))


def test_a_table_that_may_have_times_under_other_names_is_not_read_as_labels(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no known layout"):
        read_annotations(write(tmp_path, "a.csv", "video_id,label,begins,ends\nv,wave,1,2\n"))


def test_label_numbers_hold_without_segments(tmp_path: Path) -> None:
    items = [{"label": "b", "label_id": 3}, {"label": "a", "label_id": 9, "segment": [1, 2]}]
    assert read(tmp_path, activitynet(annotations=items)["database"]).label_ids == {"b": 3, "a": 9}


def test_unknown_labels_are_named_with_their_videos(tmp_path: Path) -> None:
    found = read(tmp_path, {"v": {"labels": ["b", "x"]}, "w": {"annotations": [{"label": "x"}, {"label": "a"}]}})
    assert find_unknown_labels(found.videos.values(), ["a", "b"]) == {"x": ["v", "w"]}
    kinds = {finding.kind: (finding.count, finding.severe) for finding in check_annotations(found, ["a", "b"])}
    assert kinds["unknown-video-label"] == (2, True)
    assert kinds["labelled-only"] == (2, False)
    assert "no-instance" not in kinds


@pytest.mark.parametrize("video", [{"labels": ["a", " "]}, {"annotations": [{"label": "a"}, {"label": None}]}])
def test_a_blank_label_is_no_class_to_learn(tmp_path: Path, video: dict) -> None:
    config = load_preset("thumos14-co2net").features
    np.save(tmp_path / "v.npy", np.ones((9, config.width), np.float32))
    found = read(tmp_path, {"v": {"fps": 25, "duration": 6, **video}})
    with pytest.raises(AnnotationError, match="1 annotations have no label or a blank one, first in v"):
        labelled_split(found, tmp_path, config, sorted(set(video_labels(found.videos["v"]))))


def test_other_labels_are_counted_by_split(tmp_path: Path) -> None:
    item = {"label": "a", "segment": [1, 2]}
    found = read(tmp_path, {
        "same": {"subset": "train", "labels": ["a"], "annotations": [item, item]},
        "other": {"subset": "train", "labels": ["a", "b"], "annotations": [item]},
        "none": {"subset": "test", "labels": [], "annotations": [item]},
        "unstated": {"subset": "test", "annotations": [item]},
        "only": {"subset": "test", "labels": ["a"]},
    })  # fmt: skip
    assert [name for name, video in found.videos.items() if has_other_labels(video)] == ["other", "none"]
    texts = [str(finding) for finding in check_annotations(found) if finding.kind == "other-labels"]
    assert [text.split(" have")[0] for text in texts] == [
        "1 videos of the split test",
        "1 videos of the split training",
    ]


# --- training with segments, and scoring


def split_to_train(tmp_path: Path, database: dict):
    config = load_preset("thumos14-i3d").features
    for name in database:
        np.save(tmp_path / f"{name}.npy", np.ones((9, config.width), np.float32))
    video = {"fps": 30, "duration": 5}
    found = read(tmp_path, {name: {**video, **record} for name, record in database.items()})
    return training_split(found, tmp_path, config, ["a"])


def test_training_on_segments_refuses_labels_only_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"labels and no segments \(v, say\)"):
        split_to_train(tmp_path, {"v": {"labels": ["a"]}, "w": {"annotations": []}})


def test_videos_with_labels_only_are_no_background(tmp_path: Path) -> None:
    items = [{"label": "a", "segment": [1, 2]}, {"label": "a"}]
    split = split_to_train(tmp_path, {"v": {"labels": ["a"]}, "w": {"annotations": []}, "x": {"annotations": items}})
    assert [item.video.video_id for item in split.videos] == ["w", "x"]
    assert {finding.kind: finding.count for finding in split.findings} == {
        "labelled-only": 1, "untimed": 1, "no-instance": 1,
    }  # fmt: skip


def test_without_classes_stated_labels_mean_that_something_happens(tmp_path: Path) -> None:
    plain = class_agnostic(read(tmp_path, {"v": {"labels": ["a", "b"]}, "w": {"labels": []}, "x": {"annotations": []}}))
    assert [video.labels for video in plain.videos.values()] == [("action",), (), None]


def test_a_split_of_labels_only_is_not_scored(tmp_path: Path) -> None:
    found = read(tmp_path, {"v": {"subset": "test", "labels": ["a"]}})
    with pytest.raises(AnnotationError, match="'test' has labels of whole videos and no segments"):
        select_scored_split(found, DATASETS["custom"])
    one = {"subset": "test", "annotations": [{"label": "a", "segment": [1, 2]}]}
    split = select_scored_split(
        read(tmp_path, {"v": {"subset": "test", "labels": ["a"]}, "w": one}), DATASETS["custom"]
    )
    assert [(finding.kind, finding.count) for finding in split.findings] == [("labelled-only", 1)]
