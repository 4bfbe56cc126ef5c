"""Submissions to EPIC-KITCHENS-100's action detection: the layout to the letter, and how verbs meet nouns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evaluation_runs import flat, run
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.data.verb_noun import LEAST_TIOU, MOST_ACTIONS, join_verbs_and_nouns
from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.workflows.convert_annotations import convert_annotations


def results(path: Path, videos: dict[str, list[tuple]]) -> Path:
    content = {
        name: [{"label": label, "score": score, "segment": [start, end]} for label, start, end, score in rows]
        for name, rows in videos.items()
    }
    path.write_text(json.dumps({"version": "VERSION 1.3", "results": content}))
    return path


@pytest.fixture
def verbs(tmp_path: Path) -> Path:
    rows = [("take", 0, 10, 0.9), ("wash", 20, 30, 0.4), ("put", 100, 101, 0.8)]
    return results(tmp_path / "verbs.json", {"P01_11": rows, "P02_12": []})


@pytest.fixture
def nouns(tmp_path: Path) -> Path:
    rows = [("tap", 0, 10, 0.1), ("knife", 2, 12, 0.9), ("tap", 20, 30, 0.9), ("spoon", 100.9, 110, 0.9)]
    return results(tmp_path / "nouns.json", {"P01_11": rows, "P03_01": []})


def test_the_file_by_hand(verbs: Path, nouns: Path, tmp_path: Path):
    out = tmp_path / "submission.json"
    found = run("convert-annotations", verbs, "--to", "epic", "--nouns", nouns, "--supervision", "2,3,3", "--out", out)
    assert found.exit_code == 0, found.output
    assert "4 actions of 3 videos" not in flat(found.stderr)
    assert "3 actions of 3 videos" in flat(found.stderr)
    content = json.loads(out.read_text())
    assert {name: value for name, value in content.items() if name != "results"} == {
        "version": "0.2", "challenge": "action_detection", "sls_pt": 2, "sls_tl": 3, "sls_td": 3,
    }  # fmt: skip
    assert set(content["results"]) == {"P01_11", "P02_12", "P03_01"}
    first, second, third = content["results"]["P01_11"]
    # take (0) and knife (4): equal scores, tIoU 8/12; wash (2) and tap (0): the same times; take and tap.
    assert (first["verb"], first["noun"], first["action"]) == (2, 0, "2,0")
    assert first["score"] == pytest.approx((0.4 * 0.9) ** 0.5)
    assert first["segment"] == pytest.approx([20, 30])
    assert (second["action"], second["segment"]) == ("0,4", pytest.approx([1, 11]))
    assert second["score"] == pytest.approx(0.9 * 8 / 12)
    assert (third["action"], third["score"]) == ("0,0", pytest.approx((0.9 * 0.1) ** 0.5))
    assert all(list(row) == ["verb", "noun", "action", "score", "segment"] for row in content["results"]["P01_11"])
    assert all(type(row["verb"]) is int and type(row["noun"]) is int for row in content["results"]["P01_11"])


def test_times_lie_nearer_to_the_surer_one(tmp_path: Path):
    verbs = results(tmp_path / "v.json", {"a": [("take", 0, 10, 0.9)]})
    nouns = results(tmp_path / "n.json", {"a": [("tap", 1, 11, 0.3)]})
    convert_annotations(verbs, to="epic", out=tmp_path / "o.json", nouns=nouns)
    (row,) = json.loads((tmp_path / "o.json").read_text())["results"]["a"]
    assert row["segment"] == pytest.approx([0.25, 10.25])


def test_min_score_and_levels(verbs: Path, nouns: Path, tmp_path: Path):
    out = tmp_path / "o.json"
    found = run("convert-annotations", verbs, "--to", "epic", "--nouns", nouns, "--min-score", 0.5, "--out", out)
    assert len(json.loads(out.read_text())["results"]["P01_11"]) == 2
    assert json.loads(out.read_text())["sls_td"] == -1
    assert "--supervision PT,TL,TD" in flat(found.stderr)
    for wrong in ("2,3", "2,3,6", "a,b,c", "-2,0,0"):
        with pytest.raises(UsageError, match="three levels"):
            convert_annotations(verbs, to="epic", out=out, nouns=nouns, supervision=wrong)


def test_what_does_not_go_together_is_said(verbs: Path, nouns: Path, tmp_path: Path):
    out = tmp_path / "o.json"
    with pytest.raises(UsageError, match="joins detections"):
        convert_annotations(verbs, to="epic", out=out)
    with pytest.raises(UsageError, match="belong to the format epic"):
        convert_annotations(verbs, to="csv", out=out, nouns=nouns)
    with pytest.raises(AnnotationError, match=r"class tap is none of the 97"):
        convert_annotations(nouns, to="epic", out=out, nouns=verbs)
    with pytest.raises(AnnotationError, match="no video in common"):
        convert_annotations(verbs, to="epic", out=out, nouns=results(tmp_path / "x.json", {"P09_01": []}))
    with pytest.raises(UsageError, match="is a file that is read"):
        convert_annotations(verbs, to="epic", out=nouns, nouns=nouns)
    assert not out.exists()


def test_numbers_serve_as_classes(verbs: Path, tmp_path: Path):
    (tmp_path / "n.txt").write_text("P01_11 0 10 299 0.9\n")
    convert_annotations(verbs, to="epic", out=tmp_path / "o.json", nouns=tmp_path / "n.txt")
    assert json.loads((tmp_path / "o.json").read_text())["results"]["P01_11"][0]["action"] == "0,299"
    (tmp_path / "n.txt").write_text("P01_11 0 10 300 0.9\n")
    with pytest.raises(AnnotationError, match="none of the 300"):
        convert_annotations(verbs, to="epic", out=tmp_path / "o.json", nouns=tmp_path / "n.txt")


segments = st.lists(
    st.tuples(st.sampled_from("xy"), st.integers(0, 20), st.integers(0, 9), st.integers(-1, 10)), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(segments, segments)
def test_every_pair_that_overlaps_is_there_once(tmp_path_factory, verbs, nouns):
    from cltdr_cli.data.prediction_files import read_predictions

    folder = tmp_path_factory.mktemp("j")
    tables = [
        read_predictions(results(folder / f"{i}.json", {"a": [(c, s, s + n, k / 10) for c, s, n, k in rows]}))
        for i, rows in enumerate((verbs, nouns))
    ]
    found = join_verbs_and_nouns(*tables, ("x", "y"), ("x", "y"))["a"]
    wanted = 0
    for _, a, length, score in verbs:
        for _, b, other, value in nouns:
            shared = max(0, min(a + length, b + other) - max(a, b))
            wanted += score > 0 and value > 0 and shared > 0 and shared / (length + other - shared) >= LEAST_TIOU
    assert len(found) == min(wanted, MOST_ACTIONS)
    assert [action.score for action in found] == sorted((action.score for action in found), reverse=True)
    assert all(0 < action.score <= 1 and action.start < action.end for action in found)
