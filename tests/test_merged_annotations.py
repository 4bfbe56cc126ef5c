"""An older annotation and reviewed files as one: reviews win video by video, and contradictions are told."""

from __future__ import annotations

import json

import pytest
from pages_made import write_results
from training_toys import toy_world

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.merged_annotations import merge_annotations
from cltdr_cli.errors import AnnotationError

NO_CLASSES = ClassList()


def write_old(path, videos, **facts):
    """Videos by id, each a list of (label, start, end)."""
    database = {
        name: {**facts, "annotations": [{"label": label, "label_id": "jwb".index(label[0]), "segment": [start, end]}
                                        for label, start, end in rows]}
        for name, rows in videos.items()
    }  # fmt: skip
    path.write_text(json.dumps({"database": database}))
    return path


def write_reviewed(path, videos, at="2026-01-02T03:04:05Z"):
    rows = {
        name: [{"label": label, "label_id": 7, "score": 1.0, "segment": [start, end]} for label, start, end in found]
        for name, found in videos.items()
    }
    review = {"by": "Ada"} | ({"at": at} if at else {})
    facts = {name: {"duration": 9.0, "review": review} for name in videos}
    path.write_text(json.dumps({"results": rows, "external_data": {"reviewed": True, "videos": facts}}))
    return path


def merge(*paths):
    return merge_annotations([read_annotations(path) for path in paths], NO_CLASSES)


def rows(merged, name):
    return [(i.label, i.start, i.end) for i in merged.videos[name].instances]


OLD = {"a": [("jump", 0, 1), ("wave", 2, 3)], "v_b": [("bow", 1, 2)], "c": [("jump", 4, 5)]}
NEW = {"a": [("jump", 0, 1), ("wave", 2.1, 3)], "b": [], "d": [("wave", 0, 2), ("weave", 3, 4)]}


@pytest.mark.parametrize("order", [1, -1])
def test_reviewed_videos_win_whatever_the_order(tmp_path, order):
    old = write_old(tmp_path / "old.json", OLD, subset="validation", fps=25.0, duration=8.0)
    new = write_reviewed(tmp_path / "new.reviewed.json", NEW)
    merged = merge(*[old, new][::order])
    assert set(merged.videos) == {"a", "v_b", "c", "d"}  # b is v_b
    assert rows(merged, "a") == [("jump", 0, 1), ("wave", 2.1, 3)]
    assert rows(merged, "v_b") == []
    assert rows(merged, "c") == [("jump", 4, 5)]
    video = merged.videos["a"]
    assert (video.split, video.fps, video.duration_seconds) == ("validation", 25.0, 9.0)
    assert merged.videos["d"].split == "training"
    assert merged.label_ids == {"jump": 0, "wave": 1, "weave": 2}  # the detector's 7 is no number of this annotation
    assert not merged.number_conflicts
    assert merged.source.name == "old.json and 1 more"
    assert merged.notes == (
        "3 reviewed videos: 1 are new, 2 replace older segments (3 before, 2 now, 1 of them the same)",
        "labels that only reviewed files have: weave",
    )


def test_reviewed_videos_join_those_of_an_annotation_without_splits(tmp_path):
    old, new = write_old(tmp_path / "old.json", OLD), write_reviewed(tmp_path / "new.reviewed.json", NEW)
    assert merge(old, new).count_splits() == {"": 4}
    assert merge(new, new).count_splits() == {"training": 3}


def test_the_later_of_two_reviews_counts(tmp_path):
    first = write_reviewed(tmp_path / "x.reviewed.json", {"a": [("jump", 0, 1)]}, "2026-01-02T12:00:00+02:00")
    later = write_reviewed(tmp_path / "y.reviewed.json", {"a": [("wave", 0, 1)]}, "2026-01-02T10:30:00Z")
    for merged in (merge(first, later), merge(later, first), read_annotations(tmp_path)):
        assert rows(merged, "a") == [("wave", 0, 1)]
        assert merged.notes == ("a was reviewed twice: y.reviewed.json is later and counts, x.reviewed.json does not",)
    write_reviewed(later, {"a": [("wave", 0, 1)]}, at=None)
    with pytest.raises(AnnotationError, match="does not say when it was reviewed"):
        merge(first, later)


def test_files_that_nobody_reviewed_must_agree(tmp_path):
    one = write_old(tmp_path / "one.json", OLD)
    same = write_old(tmp_path / "same.json", {"a": OLD["a"]})
    assert set(merge(one, same).videos) == {"a", "v_b", "c"}
    more = write_old(tmp_path / "more.json", {"a": OLD["a"][:1]})
    with pytest.raises(AnnotationError, match=r"more.json contradict each other about the video 'a': 2 and 1 segments"):
        merge(one, more)
    with pytest.raises(AnnotationError, match="their segments differ"):
        merge(one, write_old(tmp_path / "moved.json", {"a": [("jump", 0, 1), ("wave", 2, 4)]}))
    with pytest.raises(AnnotationError, match="split, duration, rate or labels differ"):
        merge(one, write_old(tmp_path / "split.json", {"a": OLD["a"]}, subset="test"))


def test_a_folder_of_reviewed_files_is_one_annotation(tmp_path):
    write_results(tmp_path / "found.json", "a")  # what the reviews came from lies beside them
    for name in ("a", "b"):
        write_reviewed(tmp_path / f"{name}.reviewed.json", {name: [("jump", 0, 1)]})
    assert set(read_annotations(tmp_path).videos) == {"a", "b"}


def test_training_takes_several(cltdr, tmp_path):
    world = toy_world(tmp_path)
    content = json.loads(world.annotations.read_text())
    name = next(iter(content["database"]))
    duration = content["database"][name]["duration"]
    new = write_reviewed(tmp_path / "new.reviewed.json", {name: [("wave", 1.0, 2.0)]})
    text = new.read_text().replace('"duration": 9.0', f'"duration": {duration}')
    new.write_text(text)
    done = cltdr(*world.words(tmp_path / "run", "--annotations", new, "--epochs", 1))
    assert done.code == 0, done.err
    assert "1 reviewed videos: 0 are new, 1 replace older segments" in done.err
