"""Frame-wise scores: golden numbers, labels from overlapping detections, and the choice of the least score."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import tables
from evaluation_runs import flat, run, write
from hypothesis import given
from hypothesis import strategies as st
from segmentation_cases import as_lines, as_segments, plain_edit_score, published

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.evaluation.segmentation import (
    BACKGROUND,
    compute_edit_score,
    count_matches,
    find_runs,
    score_segmentation,
)
from cltdr_cli.evaluation.step_labels import (
    LabellingRule,
    Steps,
    find_least_score,
    label_predictions,
    label_steps,
    label_truth,
)

NAMES = ["gtea-ed-tcn", "gtea-svm", "50salads-mid-ed-tcn", "50salads-mid-dilated-tcn"]


@pytest.mark.parametrize("name", NAMES)
def test_the_scores_are_the_published_ones(shared: Path, name: str) -> None:
    expected = json.loads((shared / "golden/segmentation/expected.json").read_text())[name]
    everything: list[dict] = []
    for split in sorted(expected.keys() - {"all"}):
        videos = list(published(shared, name, split)["videos"].values())
        everything += videos
        check_scores(videos, expected[split])
    check_scores(everything, expected["all"])


def check_scores(videos: list[dict], expected: dict) -> None:
    assert len(videos) == expected["videos"]
    truth, found = ([as_lines(video[key]) for video in videos] for key in ("truth", "predicted"))
    scores = score_segmentation(truth, found).to_json()
    assert scores.keys() == expected.keys() - {"videos"}
    for key, value in scores.items():
        assert value == pytest.approx(expected[key], rel=0, abs=1e-9), key


@pytest.mark.parametrize("name", NAMES)
def test_the_command_gives_the_published_scores(shared: Path, tmp_path: Path, name: str) -> None:
    content, out = published(shared, name, "split-1"), tmp_path / "out.json"
    step = content["step_seconds"]
    truth = {
        video: {
            "subset": "test", "duration": len(item["truth"]) * step, "fps": 1 / step,
            "annotations": as_segments(item["truth"], step),
        }
        for video, item in content["videos"].items()
    }  # fmt: skip
    results = {video: as_segments(item["predicted"], step) for video, item in content["videos"].items()}
    done = run(
        "eval", "--dataset", "custom", "--annotations", write(tmp_path, "t.json", {"database": truth}),
        "--predictions", write(tmp_path, "p.json", {"version": "1", "results": results, "external_data": {}}),
        "--segmentation", "--json-out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    expected = json.loads((shared / "golden/segmentation/expected.json").read_text())[name]["split-1"]
    written = json.loads(out.read_text())
    assert written["segmentation"] == pytest.approx({k: v for k, v in expected.items() if k != "videos"}, abs=1e-9)
    assert written["segmentation_min_score"] == 0
    assert f"{expected['f1@50']:.2f}" in done.stdout
    assert written["average_mAP"] > 0, "the usual scores are still there"


LINES = st.lists(st.integers(-1, 3), min_size=1, max_size=40)


@given(LINES, LINES)
def test_the_edit_score_is_the_textbook_one(a: list[int], b: list[int]) -> None:
    runs = [find_runs(np.array(line, np.int64)).labels for line in (a, b)]
    assert compute_edit_score(*runs) == pytest.approx(plain_edit_score(*(run.tolist() for run in runs)))


@given(LINES)
def test_a_line_agrees_with_itself(line: list[int]) -> None:
    labels = np.array(line, np.int64)
    assert set(score_segmentation([labels], [labels]).to_json().values()) == {100.0}


def test_runs_leave_out_background() -> None:
    runs = find_runs(np.array([BACKGROUND, 2, 2, 1, BACKGROUND, 1]))
    assert (runs.labels.tolist(), runs.starts.tolist(), runs.ends.tolist()) == ([2, 1, 1], [1, 3, 5], [3, 4, 6])
    assert not len(find_runs(np.array([BACKGROUND, BACKGROUND])))


def test_a_run_is_found_once() -> None:
    truth = find_runs(np.array([0, 0, 0, 0, 0, 0, -1, 1]))
    twice = find_runs(np.array([0, 0, 0, -1, 0, 0, -1, -1]))
    assert count_matches(truth, twice, 0.25) == (1, 1, 1)
    assert count_matches(truth, twice, 0.5) == (1, 1, 1)
    assert count_matches(truth, twice, 0.51) == (0, 2, 2)


def test_unequal_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="same videos"):
        score_segmentation([np.zeros(3, np.int64)], [np.zeros(4, np.int64)])
    with pytest.raises(ValueError, match="same videos"):
        score_segmentation([], [])


def test_a_step_belongs_to_the_segment_that_holds_its_centre() -> None:
    line = label_steps(np.array([[0.3, 1.9], [2.1, 9.0]]), np.array([4, 5]), np.array([1.0, 1.0]), Steps(6, 2.0))
    assert line.tolist() == [-1, 4, 4, 4, 5, 5]  # centres 0.25, 0.75, 1.25, 1.75, 2.25, 2.75


def test_the_best_of_overlapping_segments_wins() -> None:
    segments, labels = np.array([[0.0, 4.0], [1.0, 3.0], [2.0, 6.0]]), np.array([0, 1, 2])
    assert label_steps(segments, labels, np.array([0.5, 0.9, 0.7]), Steps(6, 1.0)).tolist() == [0, 1, 1, 2, 2, 2]
    assert label_steps(segments, labels, np.array([0.5, 0.5, 0.5]), Steps(6, 1.0)).tolist() == [0, 0, 0, 0, 2, 2]


def test_a_segment_that_better_ones_mostly_hold_may_be_left_out() -> None:
    segments, labels, scores = (
        np.array([[0.0, 4.0], [2.0, 6.0], [3.0, 9.0]]),
        np.array([0, 1, 2]),
        np.array([3, 2, 1.0]),
    )
    line = [label_steps(segments, labels, scores, Steps(10, 1.0), share).tolist() for share in (0.0, 0.5, 0.6)]
    assert line[0] == [0, 0, 0, 0, 1, 1, 2, 2, 2, -1]
    assert line[1] == line[0], "half of their steps are free: the least that counts"
    assert line[2] == [0, 0, 0, 0, 2, 2, 2, 2, 2, -1], "the second is left out, so the third has more steps to itself"


def test_unknown_videos_and_labels_paint_nothing() -> None:
    truth, found = tables(
        [("v", "a", 0, 2), ("v", "b", 1, 4)],
        [("v", "a", 0, 4, 0.5), ("v", "z", 0, 4, 0.9), ("w", "a", 0, 4, 0.9), ("v", "b", 2, 4, 0.1)],
    )
    steps = (Steps(4, 1.0),)
    assert [line.tolist() for line in label_truth(truth, steps)] == [[0, 1, 1, 1]]
    assert [line.tolist() for line in label_predictions(found, steps, LabellingRule())] == [[0, 0, 0, 0]]
    assert [line.tolist() for line in label_predictions(found, steps, LabellingRule(0.6))] == [[-1, -1, -1, -1]]


def test_the_least_score_keeps_the_right_detections() -> None:
    truth, found = tables(
        [("v", "a", 0, 4), ("v", "b", 6, 9)],
        [("v", "a", 0, 4, 0.8), ("v", "b", 6, 9, 0.7), ("v", "a", 10, 12, 0.31), ("v", "b", 4, 5, 0.2)],
    )
    chosen = find_least_score(truth, found, (Steps(12, 1.0),))
    assert 0.31 < chosen < 0.34, "the lowest of the candidates that leave out both false ones"


@pytest.fixture
def two_splits(tmp_path: Path) -> list[object]:
    """One video in each split; the false detections have lower scores."""

    def video(subset: str, **more: object) -> dict:
        items = [{"segment": [0, 10], "label": "wave"}, {"segment": [20, 30], "label": "jump"}]
        return {"subset": subset, "duration": 40.0, "fps": 10.0, "annotations": items, **more}

    def found(label: str, start: float, score: float) -> dict:
        return {"label": label, "segment": [start, start + 10], "score": score}

    every = [found("wave", 0, 0.9), found("jump", 20, 0.8), found("jump", 11, 0.2), found("wave", 30, 0.3)]
    truth = write(tmp_path, "t.json", {"database": {"v": video("test"), "w": video("training")}})
    results = write(tmp_path, "p.json", {"version": "1", "results": {"v": every, "w": every}, "external_data": {}})
    return ["eval", "--dataset", "custom", "--annotations", truth, "--predictions", results, "--segmentation"]


def test_the_least_score_is_chosen_on_other_videos(two_splits: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    all_kept = run(*two_splits, "--json-out", out)
    assert all_kept.exit_code == 0
    assert json.loads(out.read_text())["segmentation"]["f1@50"] < 100
    chosen = run(*two_splits, "--segmentation-choose-on", "training", "--json-out", out)
    written = json.loads(out.read_text())
    assert chosen.exit_code == 0
    assert written["segmentation"]["f1@50"] == 100
    assert 0.3 < written["segmentation_min_score"] <= 0.34
    assert "chosen on training" in flat(chosen.stdout)
    given = run(*two_splits, "--segmentation-min-score", "0.5", "--json-out", out)
    assert given.exit_code == 0
    assert json.loads(out.read_text())["segmentation"]["accuracy"] == 100
    shared = run(*two_splits, "--segmentation-min-share", "0.95", "--json-out", out)
    assert shared.exit_code == 0
    written = json.loads(out.read_text())
    assert written["segmentation_min_share"] == 0.95
    assert written["segmentation"]["f1@50"] == pytest.approx(80.0), "only the one at 30 seconds is still false"


def test_the_least_score_is_never_chosen_on_the_scored_videos(two_splits: list[object]) -> None:
    refused = run(*two_splits, "--segmentation-choose-on", "test")
    assert refused.exit_code == 2
    assert "would flatter the result" in flat(str(refused.exception) + refused.stderr)
    alone = run(*two_splits[:-1], "--segmentation-choose-on", "training")
    assert alone.exit_code == 2


def test_frames_need_a_rate(tmp_path: Path) -> None:
    truth = write(tmp_path, "t.csv", "video_id,start,end,label,duration\nv,0,1,wave,5\n")
    results = write(tmp_path, "p.csv", "video_id,start,end,label,score\nv,0,1,wave,0.5\n")
    words = ["eval", "--dataset", "custom", "--annotations", truth, "--predictions", results, "--segmentation"]
    refused = run(*words)
    assert refused.exit_code == 1
    assert "how many frames a second" in flat(str(refused.exception) + refused.stderr)
    assert run(*words, "--fps", "25").exit_code == 0


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Label files as the releases of Breakfast, GTEA and 50Salads have them."""
    folder = tmp_path / "groundTruth"
    folder.mkdir()
    write(tmp_path, "mapping.txt", "0 take\n1 open\n2 background\n")
    write(folder, "S1.txt", "background\n" * 5 + "open\n" * 10 + "take\n" * 15)
    write(folder, "S2.txt", "take\n" * 30 + "\n")
    return folder


def test_label_files_become_instances(release: Path) -> None:
    read = read_annotations(release, fps=10.0, background=["background"])
    assert read.layout == "frame-labels"
    assert read.label_ids == {"take": 0, "open": 1}
    assert [item[:3] for item in read.videos["S1"].instances] == [(0.5, 1.5, "open"), (1.5, 3.0, "take")]
    assert [item[:3] for item in read.videos["S2"].instances] == [(0.0, 3.0, "take")]
    assert (read.videos["S1"].duration_seconds, read.videos["S1"].fps) == (3.0, 10.0)
    assert read_annotations(release, fps=10.0).label_ids == {"take": 0, "open": 1, "background": 2}


def test_label_files_are_scored(release: Path, tmp_path: Path) -> None:
    results = write(tmp_path, "p.csv", "video_id,start,end,label,score\nS1,0.5,1.5,open,0.9\nS2,0,1.5,take,0.8\n")
    out = tmp_path / "out.json"
    words = ["eval", "--annotations", release, "--predictions", results, "--segmentation", "--json-out", out]
    done = run(*words, "--dataset", "custom", "--fps", "10", "--background", "background")
    assert done.exit_code == 0, done.stderr
    assert json.loads(out.read_text())["segmentation"]["accuracy"] == pytest.approx(50.0)
    known = run(*words, "--dataset", "gtea")
    assert known.exit_code == 0, "the record of the data set knows rate and background"
    assert json.loads(out.read_text())["instances"] == 3


def test_lists_of_videos_tell_the_splits(release: Path, tmp_path: Path) -> None:
    lists = [
        write(tmp_path, "train.split1.bundle", "S2.txt\n"),
        write(tmp_path, "test.split1.bundle", "data/groundTruth/S1.txt\n"),
    ]
    read = read_annotations(release, fps=10.0, video_info=lists)
    assert {name: video.split for name, video in read.videos.items()} == {"S1": "test", "S2": "training"}
    features = tmp_path / "features"
    features.mkdir()
    for name in ("S1", "S2"):
        np.save(features / f"{name}.npy", np.random.default_rng(0).normal(size=(30, 16)).astype(np.float32))
    words = ["train", "--preset", "auto", "--annotations", release, "--features", features, "--out", tmp_path / "run"]
    given = ["--fps", 10, "--background", "background", *(word for file in lists for word in ("--video-info", file))]
    short = ["--set", "epochs=1", "--set", "warmup_epochs=0", "--device", "cpu", "--eval-split", "test"]
    trained = run(*words, *given, *short)
    assert trained.exit_code == 0, trained.stderr
    assert "1 videos of training, 2 classes" in flat(trained.stderr)


def test_bad_label_files_are_named(release: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one label per frame"):
        read_annotations(release)
    write(release, "S2.txt", "take\nwave\n")
    with pytest.raises(AnnotationError, match=r"S2\.txt: line 2: the label 'wave'"):
        read_annotations(release, fps=10.0)
    write(release, "S2.txt", "")
    with pytest.raises(AnnotationError, match=r"S2\.txt is empty"):
        read_annotations(release, fps=10.0)
    for text in ("take\n\nopen\n\n", "take\n \nopen\n"):  # would move all later labels by a frame
        write(release, "S2.txt", text)
        with pytest.raises(AnnotationError, match=r"S2\.txt: line 2 is empty"):
            read_annotations(release, fps=10.0)


def test_a_rate_that_contradicts_the_annotation_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "video_id,start,end,label,fps\nv,0,1,wave,25\n")
    assert read_annotations(path, fps=25.0).videos["v"].fps == 25
    with pytest.raises(AnnotationError, match="25 frames per second, not 30"):
        read_annotations(path, fps=30.0)
