"""What cltdr datasets check finds wrong with annotations, made up and real."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotations_made import activitynet, read, write

from cltdr_cli.data.annotation_checks import check_annotations
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.class_lists import read_packaged_class_list
from cltdr_cli.data.datasets import DATASETS
from cltdr_cli.data.feature_files import feature_file
from cltdr_cli.data.ground_truth import select_scored_split
from cltdr_cli.data.training_set import training_split
from cltdr_cli.data.video_info import VideoFacts
from cltdr_cli.errors import AnnotationError, CltdrError
from cltdr_cli.workflows.split import find_video
from cltdr_cli.zoo.preset import load_preset


def kinds(tmp_path: Path, content: dict, names=(), measured=None) -> dict[str, int]:
    annotations = read_annotations(write(tmp_path, "a.json", content))
    return {finding.kind: finding.count for finding in check_annotations(annotations, names, measured)}


def test_nothing_wrong(tmp_path: Path) -> None:
    assert kinds(tmp_path, activitynet((1, 5, "a"), (4, 9, "a"))) == {}


@pytest.mark.parametrize(
    ("instance", "kind"),
    [
        ((50, 60.5, "a"), "past-end"),
        ((60, 70, "a"), "outside"),
        ((-5, -1, "a"), "outside"),
        ((-1, 4, "a"), "before-start"),
        ((9, 4, "a"), "reversed"),
        ((9, 9, "a"), "empty"),
        ((float("nan"), 9, "a"), "not-a-number"),
        ((1.0004, 5, "a"), "duplicate"),
        ((1.1, 5.1, "a"), "near-duplicate"),
        ((1, 5, "unknown"), "unknown-label"),
    ],
)
def test_each_defect_is_found_once(tmp_path: Path, instance: tuple[float, float, str], kind: str) -> None:
    assert kinds(tmp_path, activitynet((1, 5, "a"), instance), ["a", "b"]) == {kind: 1}


def test_a_double_is_found_behind_a_short_neighbour(tmp_path: Path) -> None:
    assert kinds(tmp_path, activitynet((10, 20, "a"), (10.2, 11, "a"), (10.4, 20, "a"))) == {"near-duplicate": 1}


def test_rates_durations_and_files_are_compared(tmp_path: Path) -> None:
    content = activitynet((1, 5, "a"), fps=30)
    assert kinds(tmp_path, content, measured={"v": VideoFacts(60.4, 29.97)}) == {}
    assert kinds(tmp_path, content, measured={"v": VideoFacts(62, 25)}) == {"fps": 1, "duration": 1}
    assert kinds(tmp_path, content, measured={}) == {"no-file": 1}
    content["database"]["v.mp4"] = content["database"].pop("v")
    assert kinds(tmp_path, content, measured={"v": VideoFacts(60, 30)}) == {}


def test_missing_facts_and_untrained_classes(tmp_path: Path) -> None:
    content = activitynet((1, 5, "a"))
    content["database"]["v"].pop("duration")
    content["database"]["v"].pop("subset")
    content["database"]["w"] = {"subset": "train", "duration": 9, "annotations": []}
    assert kinds(tmp_path, content) == {"no-duration": 1, "no-split": 1, "no-instance": 1}
    two = {**activitynet((1, 5, "a"))["database"], "w": activitynet((1, 5, "b"), subset="train")["database"]["v"]}
    assert kinds(tmp_path, {"database": two}) == {"untrained-class": 1}


def test_severe_findings_come_first(tmp_path: Path) -> None:
    content = activitynet((50, 60.5, "a"), (9, 4, "a"))
    findings = check_annotations(read_annotations(write(tmp_path, "a.json", content)))
    assert [(finding.kind, finding.severe) for finding in findings] == [("reversed", True), ("past-end", False)]
    assert str(findings[0]) == "1 instances end before they start (v a 9..4 s): left out of training and scoring"


def test_known_defects_of_real_annotations(shared: Path) -> None:
    thumos = check_annotations(read(shared, "thumos14/thumos14.json", "thumos14"), read_packaged_class_list("thumos14"))
    assert {finding.kind: finding.count for finding in thumos} == {"outside": 30}
    charades = check_annotations(
        read(shared, "charades/charades.json", "charades"), read_packaged_class_list("charades")
    )
    assert {f.kind: f.count for f in charades} == {"reversed": 7, "past-end": 19618, "no-instance": 223}


def label_kinds(tmp_path: Path, *labels: object) -> dict[str, tuple[int, bool]]:
    items = [{"segment": [n, n + 1], "label": label} for n, label in enumerate(labels)]
    found = check_annotations(read_annotations(write(tmp_path, "a.json", activitynet(annotations=items))))
    return {finding.kind: (finding.count, finding.severe) for finding in found}


def test_labels_that_name_nothing(tmp_path: Path) -> None:
    assert label_kinds(tmp_path, "", "  ", None, "run") == {"no-label": (3, True)}
    assert label_kinds(tmp_path, "run", None) == {"no-label": (1, True)}


def test_spellings_of_one_label(tmp_path: Path) -> None:
    assert label_kinds(tmp_path, "Run", "run", "run ", "long  jump", "long jump", "swim") == {
        "label-variants": (2, True),
        "label-blanks": (1, False),
    }


def test_background_as_a_label(tmp_path: Path) -> None:
    assert label_kinds(tmp_path, "Background", "no_action", "backgrounds") == {"background-label": (2, False)}


def test_blank_labels_are_neither_trained_on_nor_scored(tmp_path: Path) -> None:
    items = [{"segment": [1, 2], "label": "run"}, {"segment": [3, 4], "label": None}]
    found = read_annotations(write(tmp_path, "a.json", activitynet(annotations=items)))
    with pytest.raises(AnnotationError, match="1 instances have no label or a blank one, first in v"):
        select_scored_split(found, DATASETS["custom"])
    with pytest.raises(AnnotationError, match="1 annotations have no label or a blank one, first in v"):
        training_split(found, tmp_path, load_preset("demo").features, tuple(found.label_ids))


@pytest.mark.parametrize("name", ["../v", "/etc/v", "sub/../../v", "C:\\v", "..\\v", "c:v"])
def test_ids_that_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """A file is there under that id, and is not read."""
    inside = tmp_path / "features"
    (inside / "sub").mkdir(parents=True)
    np.save(tmp_path / "v.npy", np.ones((3, 4), np.float32))
    for look in (lambda: feature_file(inside, name, load_preset("demo").features), lambda: find_video(inside, name)):
        with pytest.raises(CltdrError, match="leads out of the folder"):
            look()
    content = {"database": {name: activitynet((1, 2, "a"))["database"]["v"]}}
    assert kinds(tmp_path, content) == {"id-leads-out": 1}


def test_ids_with_folders_are_found_in_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    np.save(tmp_path / "sub" / "v..1.npy", np.ones((3, 4), np.float32))
    found = feature_file(tmp_path, "sub/v..1", load_preset("demo").features)
    assert found == tmp_path / "sub" / "v..1.npy"
