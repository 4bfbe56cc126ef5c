"""Ego4D's moment queries in the published form: clips of videos, with the moments of several annotators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from annotations_made import write

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.datasets import DATASETS
from cltdr_cli.errors import AnnotationError


def moment(start: float, end: float, label: str, **more: Any) -> dict[str, Any]:
    return {"start_time": start, "end_time": end, "label": label, "primary": True, **more}


def clip(name: str, start: float, end: float, *annotators: list[dict[str, Any]]) -> dict[str, Any]:
    marked = [{"annotator_uid": f"p{n}", "labels": labels} for n, labels in enumerate(annotators)]
    return {"clip_uid": name, "video_start_sec": start, "video_end_sec": end, "annotations": marked}


def moments(*clips: dict[str, Any], split: str = "train") -> dict[str, Any]:
    return {"version": "v1", "videos": [{"video_uid": "v", "split": split, "clips": list(clips)}]}


TRAIN = moments(
    clip("c1", 30.0, 510.0, [moment(1.5, 9, "wash_dishes"), moment(2, 3, "talk", primary=False)],
         [moment(40, 44.25, "use_phone")]),
    clip("c2", 600.0, 1080.0),
)  # fmt: skip


def test_clips_become_videos_with_the_moments_of_all_annotators(tmp_path: Path) -> None:
    found = read_annotations(write(tmp_path, "moments_train.json", TRAIN))
    first, second = found.videos.values()
    assert (found.layout, first.video_id, first.split) == ("ego4d-moments", "c1", "training")
    assert (first.duration_seconds, first.fps) == (480.0, 30.0)
    assert [item[:3] for item in first.instances] == [(1.5, 9.0, "wash_dishes"), (40.0, 44.25, "use_phone")]
    assert second.instances == ()
    assert list(found.label_ids) == ["use_phone", "wash_dishes"]


def test_times_of_the_whole_video_are_shifted_where_there_are_no_others(tmp_path: Path) -> None:
    item = {"video_start_time": 35.5, "video_end_time": 40.0, "label": "a"}
    found = read_annotations(write(tmp_path, "a.json", moments(clip("c", 30.0, 60.0, [item]))))
    assert found.videos["c"].instances[0][:3] == (5.5, 10.0, "a")


def test_a_folder_of_the_published_files(tmp_path: Path) -> None:
    write(tmp_path, "moments_train.json", TRAIN)
    write(tmp_path, "moments_val.json", moments(clip("c3", 0.0, 300.0, [moment(1, 2, "use_phone")]), split="val"))
    test = clip("c4", 0.0, 300.0)
    del test["annotations"]
    write(tmp_path, "moments_test_unannotated.json", moments(test, split="test"))
    found = read_annotations(tmp_path)
    assert dict(found.count_splits()) == {"training": 2, "validation": 1, "test": 1}
    write(tmp_path, "moments_val.json", TRAIN)
    with pytest.raises(AnnotationError, match="the clip c1 stands in another file"):
        read_annotations(tmp_path)
    write(tmp_path, "moments_val.json", {"database": {}})
    with pytest.raises(AnnotationError, match="not an annotation of Ego4D"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("broken", ["clip_uid", "video_start_sec", "annotations.labels", "annotations.start_time"])
def test_what_is_missing_is_named(tmp_path: Path, broken: str) -> None:
    content = json.loads(json.dumps(TRAIN))
    place = content["videos"][0]["clips"][0]
    if broken == "annotations.labels":
        del place["annotations"][0]["labels"]
    elif broken == "annotations.start_time":
        del place["annotations"][0]["labels"][0]["start_time"]
    else:
        del place[broken]
    name = {"annotations.start_time": "video_start_time"}.get(broken, broken.split(".")[-1])
    with pytest.raises(AnnotationError, match=f"video 0 cannot be read as moment queries: KeyError: '{name}'"):
        read_annotations(write(tmp_path, "a.json", content))


def test_eval_prints_map_and_recall_at_kx(cltdr, tmp_path: Path) -> None:
    truth = clip("c", 0.0, 60.0, [moment(0, 10, "a"), moment(20, 30, "a"), moment(0, 10, "b")])
    annotation = write(tmp_path, "moments_val.json", moments(truth, split="val"))
    rows = [("c", 0, 10, "a", 0.9), ("c", 40, 50, "a", 0.8), ("c", 20, 30, "a", 0.7), ("c", 0, 4, "b", 0.5)]
    text = "video_id,start,end,label,score\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    words = ("--predictions", write(tmp_path, "found.csv", text), "--json-out", tmp_path / "scores.json")
    done = cltdr("eval", "--dataset", "ego4d-mq", "--annotations", annotation, *words)
    assert done.code == 0, done.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["tiou"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert scores["recall@kx"] == {"1x": 0.25, "5x": 0.5}
    assert "R@1x" in done.out
    assert "25.00" in done.out
    assert DATASETS["custom"].recall_multiples == ()
