"""Annotations in folders of arrays, as Python 2 and Python 3 wrote them, and damaged or dangerous ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from python2_pickles import save_objects

from cltdr_cli.data.annotation_checks import check_annotations
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.datasets import DATASETS
from cltdr_cli.data.ground_truth import select_scored_split
from cltdr_cli.data.video_labels import has_other_labels, video_labels
from cltdr_cli.errors import AnnotationError
from cltdr_cli.features.object_arrays import read_object_array

Save = Callable[[Path, list[Any]], object]


def save_today(path: Path, items: list[Any]) -> None:
    array = np.empty(len(items), object)
    array[:] = items
    np.save(path, array, allow_pickle=True)


def make_folder(folder: Path, save: Save, **files: Any) -> Path:
    """Three videos: one whose labels are not those of its instances, one without any, one to test on."""
    content = {
        "videoname": np.array(["video_validation_1", "video_validation_2", "video_test_1"], "S24"),
        "subset": np.array(["validation", "validation", "test"], "S10"),
        "duration": np.array([[12.5], [30.0], [7.25]]),
        "original_fps": np.array([[30.0], [29.97], [25.0]]),
        "extracted_fps": np.array([[10.0]] * 3),
        "classlist": np.array(["Billiards", "Diving", "Shotput"], "S17"),
        "labels_all": [["Diving"], [], ["Billiards", "Shotput"]],
        "labels": [["Diving", "Shotput", "Diving"], [], ["Shotput", "Billiards"]],
        "segments": [[[0.5, 1.5], [2.0, 3.0], [4.0, 9.9]], [], [[1.0, 2.0], [3.0, 5.5]]],
        **files,
    }
    for name, value in content.items():
        if isinstance(value, np.ndarray):
            np.save(folder / f"{name}.npy", value)
        elif value is not None:
            save(folder / f"{name}.npy", value)
    return folder


@pytest.mark.parametrize("save", [save_objects, save_today])
def test_a_folder_of_arrays(tmp_path: Path, save: Save) -> None:
    (tmp_path / "Ambiguous_test.txt").write_text("video_test_1 2.5 2.9\nvideo_test_9 1 2\n")
    found = read_annotations(make_folder(tmp_path, save))
    assert (found.layout, dict(found.count_splits())) == ("wtalc", {"validation": 2, "test": 1})
    assert found.label_ids == {"Billiards": 0, "Diving": 1, "Shotput": 2}
    first, second, third = found.videos.values()
    assert [item[:3] for item in first.instances] == [
        (0.5, 1.5, "Diving"), (2.0, 3.0, "Shotput"), (4.0, 9.9, "Diving"),
    ]  # fmt: skip
    assert (first.duration_seconds, first.fps, second.fps) == (12.5, 30.0, 29.97)
    assert third.ambiguous == ((2.5, 2.9),)
    assert [video_labels(video) for video in found.videos.values()] == [("Diving",), (), ("Billiards", "Shotput")]
    assert [has_other_labels(video) for video in found.videos.values()] == [True, False, False]
    assert len(select_scored_split(found, DATASETS["thumos14"]).truth) == 2


def test_a_class_list_that_is_given_numbers_the_classes(tmp_path: Path) -> None:
    found = read_annotations(make_folder(tmp_path, save_today), ["Shotput", "Diving", "Billiards"])
    assert found.label_ids == {"Shotput": 0, "Diving": 1, "Billiards": 2}


def test_arrays_in_arrays_and_texts_of_python_3(tmp_path: Path) -> None:
    """Segments as ``[N, 2]`` arrays, labels as arrays of texts, and names as objects."""
    segments = [np.array([[1.0, 2.0]]), np.zeros((0, 2)), np.array([[3.0, 4.0]], "f4")]
    labels = [np.array(["Diving"]), np.array([], "S1"), np.array([b"Shotput"])]
    names = ["a", "b", "c"]
    for save in (save_objects, save_today):
        found = read_annotations(make_folder(
            tmp_path, save, segments=segments, labels=labels, videoname=names, subset=["test"] * 3
        ))  # fmt: skip
        assert {name: [i[:3] for i in video.instances] for name, video in found.videos.items()} == {
            "a": [(1.0, 2.0, "Diving")], "b": [], "c": [(3.0, 4.0, "Shotput")],
        }  # fmt: skip


def test_labels_alone_are_enough_for_training_on_labels(tmp_path: Path) -> None:
    found = read_annotations(make_folder(tmp_path, save_today, labels=None, segments=None, duration=None))
    assert [video_labels(video) for video in found.videos.values()] == [("Diving",), (), ("Billiards", "Shotput")]
    assert found.instance_count == 0
    assert found.videos["video_test_1"].duration_seconds is None


def test_segments_alone_give_the_labels(tmp_path: Path) -> None:
    found = read_annotations(make_folder(tmp_path, save_today, labels_all=None))
    assert video_labels(found.videos["video_validation_1"]) == ("Diving", "Shotput")


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"labels_all": [["Diving"]]}, "labels_all.npy: has 1 items, and videoname.npy names 3"),
        ({"duration": np.ones(2)}, "duration.npy: has 2 items"),
        ({"labels": [["Diving"], [], []]}, "video_validation_1 has 1 labels and 3 segments"),
        ({"segments": [[[1.0], [2.0], [3.0]], [], [1.0, 2.0]]}, "not a start and an end"),
        ({"labels": [[1.0, 2.0, 3.0], [], []]}, "a float where a text should be"),
        ({"subset": None}, "subset.npy: cannot be read"),
        ({"labels": None}, "labels.npy: cannot be read"),
        ({"segments": np.ones((3, 2))}, "one plain array"),
        ({"videoname": np.array(["a", "b", "a"])}, "'a' occurs twice"),
        ({"subset": np.ones(3)}, "should be one of texts"),
        ({"duration": np.array(["a"] * 3)}, "should be one of numbers"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path: Path, files: dict[str, Any], match: str) -> None:
    with pytest.raises(AnnotationError, match=match):
        read_annotations(make_folder(tmp_path, save_today, **files))


class RunsWhenRead:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


def test_what_would_run_is_refused_by_name(tmp_path: Path) -> None:
    make_folder(tmp_path, save_today, segments=[RunsWhenRead(tmp_path / "ran"), [], []])
    with pytest.raises(AnnotationError, match=r"segments\.npy: refused: reading it would call .*mkdir"):
        read_annotations(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_damaged_arrays_are_told(tmp_path: Path) -> None:
    whole = (make_folder(tmp_path, save_objects) / "segments.npy").read_bytes()
    for length in (0, 5, 40, 130, len(whole) - 20):
        (tmp_path / "segments.npy").write_bytes(whole[:length])
        with pytest.raises(AnnotationError, match=r"segments\.npy"):
            read_annotations(tmp_path)


OTHER_LABELS = {
    "video_validation_0000171": ["CricketBowling"], "video_validation_0000173": ["CricketBowling"],
    "video_validation_0000178": ["CricketBowling"], "video_validation_0000183": ["CricketShot"],
    "video_validation_0000316": ["HammerThrow", "ThrowDiscus"], "video_validation_0000665": ["PoleVault"],
    "video_validation_0000786": ["Shotput"], "video_validation_0000932": ["TennisSwing"],
}  # fmt: skip
"""The official labels of the eight training videos of THUMOS14 that are not those of their instances."""


def write_thumos_arrays(folder: Path, annotations: Annotations) -> Path:
    """The real annotation in the layout of arrays, as Python 2 wrote it, with the official video labels."""
    videos = list(annotations.videos.values())
    return make_folder(
        folder,
        save_objects,
        videoname=np.array([video.video_id for video in videos], "S24"),
        subset=np.array([video.split for video in videos], "S10"),
        duration=np.array([[video.duration_seconds] for video in videos]),
        original_fps=np.array([[video.fps] for video in videos]),
        classlist=np.array(list(annotations.label_ids), "S17"),
        labels_all=[OTHER_LABELS.get(video.video_id, list(video_labels(video))) for video in videos],
        labels=[[item.label for item in video.instances] for video in videos],
        segments=[[[item.start, item.end] for item in video.instances] for video in videos],
    )


def test_thumos14_as_arrays_tells_the_same_and_its_eight_other_labels_are_counted(shared: Path, tmp_path: Path) -> None:
    real = read_annotations(shared / "data/annotations/thumos14/thumos14.json", DATASETS["thumos14"].class_names)
    found = read_annotations(write_thumos_arrays(tmp_path, real), DATASETS["thumos14"].class_names)
    assert found.label_ids == real.label_ids
    for name, video in real.videos.items():
        other = found.videos[name]
        assert (other.split, other.duration_seconds) == (video.split, video.duration_seconds)
        assert [item[:3] for item in other.instances] == [item[:3] for item in video.instances]
    assert read_object_array(tmp_path / "labels_all.npy")
    counted = {finding.text: finding.count for finding in check_annotations(found) if finding.kind == "other-labels"}
    assert counted == {"videos of the split validation have stated labels that are not those of their instances": 8}
