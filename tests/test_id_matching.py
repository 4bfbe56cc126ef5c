"""Ids and labels that are spelled otherwise in two files: matched where that is sure, else the one that was meant."""

from __future__ import annotations

import pytest
from evaluation_runs import flat, run, write
from training_toys import toy_world

from cltdr_cli.data.class_lists import suggest_names
from cltdr_cli.data.id_matching import guess_id, guess_ids, match_by_folder
from cltdr_cli.workflows.page_videos import find_video


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("12", "0012"), ("0012.mp4", "0012"), ("00012", "0012"), ("RUN_01", "run_01"), ("run_01.MOV", "run_01"),
        ("sub/run_01", "run_01"), ("a\\run_01", "run_01"), ("run_1", "run_01"), ("v_run_01", "run_01"),
        ("13", None), ("swim", None), ("0", None),
    ],
)  # fmt: skip
def test_the_id_that_was_meant(wanted, meant):
    assert guess_id(wanted, ["0012", "run_01", "jump"]) == meant


def test_a_few_guesses_are_shown():
    known = [f"{number:04}" for number in range(100)]
    assert guess_ids(["12", "x", "7", "8", "9"], known) == "12 → 0012, 7 → 0007, 8 → 0008"
    assert guess_ids(["x", "y"], known) == ""


def test_large_sets_are_not_compared_letter_by_letter():
    known = [f"video{number:05}" for number in range(6000)]
    assert guess_id("VIDEO00017.mp4", known) == "video00017"
    assert guess_id("vidoe00017", known) is None


def test_folders_may_stand_on_one_side_only():
    assert match_by_folder(["v", "sub/w", "x"], ["sub/v", "w", "y"]) == {"v": "sub/v", "sub/w": "w"}
    assert match_by_folder(["v"], ["a/v", "b/v"]) == {}
    assert match_by_folder(["a/v"], ["b/v"]) == {}
    assert match_by_folder(["a/v", "v"], ["b/v"]) == {}


def test_near_labels_are_suggested():
    assert suggest_names(["jmup", "Run", "?"], ["jump", "run"]) == "jmup → jump, Run → run"


@pytest.fixture
def truth(tmp_path):
    video = {"subset": "test", "duration": 9.0, "annotations": [{"segment": [1, 3], "label": "jump"}]}
    return write(tmp_path, "truth.json", {"database": dict.fromkeys(("0012", "sub/v", "other/w"), video)})


def scored(truth, folder, *video_ids, label="jump"):
    rows = {name: [{"segment": [1, 3], "label": label, "score": 0.9}] for name in video_ids}
    predictions = write(folder, "p.json", {"results": rows})
    return run("eval", "--dataset", "custom", "--annotations", truth, "--predictions", predictions)


def test_evaluation_matches_ids_without_their_folders_and_says_so(truth, tmp_path):
    found = scored(truth, tmp_path, "0012", "v", "w")
    assert found.exit_code == 0, found.output
    assert "100.00" in found.stdout
    assert "2 video ids differ from the annotation's by the prefix v_, a file suffix or folders" in flat(found.stderr)


def test_evaluation_suggests_ids_and_labels(truth, tmp_path):
    found = scored(truth, tmp_path, "0012", "12")
    assert "did you mean 12 → 0012?" in flat(found.stderr)
    found = scored(truth, tmp_path, "0012", label="jmup")
    assert "did you mean jmup → jump?" in flat(found.stderr)
    found = scored(truth, tmp_path, "12")
    assert found.exit_code == 1
    assert "Did you mean 12 → 0012?" in flat(found.stderr)


def test_training_suggests_the_feature_files_that_were_meant(tmp_path):
    world = toy_world(tmp_path / "toys")
    for path in list(world.features.iterdir()):
        path.rename(path.with_name(path.name.upper().replace(".NPY", ".npy")))
    done = run(*world.words(tmp_path / "run"))
    assert done.exit_code == 1
    assert "did you mean video0 → VIDEO0" in flat(done.stderr)


def test_a_report_finds_videos_in_folders(tmp_path):
    there = {"v": tmp_path / "a/v.mp4", "b_v": tmp_path / "b/v.mp4", "w": tmp_path / "w.mp4"}
    assert find_video("b/v", there) == tmp_path / "b/v.mp4"
    assert find_video("a/v", there) == tmp_path / "a/v.mp4"
    assert find_video("w", there) == tmp_path / "w.mp4"
    assert find_video("c/v", there) is None


def test_clips_suggest_a_label_and_find_a_video_in_a_folder(tmp_path, sample_video):
    import shutil

    video = tmp_path / "sub/v.mp4"
    video.parent.mkdir()
    shutil.copy(sample_video, video)
    items = {"segment": [0.2, 0.8], "score": 0.9}
    results = {"sub/v": [{**items, "label": "jump"}], "other/v": [{**items, "label": "bow"}]}
    segments = write(tmp_path, "p.json", {"results": results})
    done = run("clips", video, segments, "--out", tmp_path / "clips", "--labels", "Jmup")
    assert done.exit_code == 2
    assert "Did you mean Jmup → jump?" in flat(done.stderr)
