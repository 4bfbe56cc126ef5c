"""cltdr eval and cltdr datasets as users call them: tables, files, exit statuses, and bad input."""

from __future__ import annotations

import importlib.util
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from evaluation_runs import flat, run, write
from typer.testing import Result

GOLDEN = Path(__file__).parent / "golden" / "evaluation"


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    def video(subset: str, *items: tuple[float, float, str]) -> dict:
        annotations = [{"segment": [start, end], "label": label} for start, end, label in items]
        return {"subset": subset, "duration": 60.0, "fps": 25.0, "annotations": annotations}

    database = {
        "v": video("test", (0, 10, "wave"), (20, 30, "jump")),
        "w": video("test", (0, 10, "wave")),
        "t": video("train", (0, 10, "wave")),
    }
    return write(tmp_path, "truth.json", {"database": database})


def results(folder: Path, rows: dict[str, list], name: str = "results.json") -> Path:
    items = {
        video: [{"segment": list(row[:2]), "label": row[2], "score": row[3]} for row in found]
        for video, found in rows.items()
    }
    return write(folder, name, {"version": "1", "results": items, "external_data": {}})


PERFECT = {"v": [(0, 10, "wave", 0.9), (20, 30, "jump", 0.8)], "w": [(0, 10, "wave", 0.7)]}


def score(truth: Path, predictions: Path, *words: object) -> Result:
    return run("eval", "--dataset", "custom", "--annotations", truth, "--predictions", predictions, *words)


def test_the_table_and_the_json(truth: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    found = score(truth, results(tmp_path, {**PERFECT, "w": []}), "--tiou", "0.5,0.9", "--json-out", out)
    assert found.exit_code == 0
    assert flat(found.stdout) == (
        "custom test: 2 videos, 3 instances, 2 predictions 0.50 0.90 average mAP (%) 75.00 75.00 75.00"
    )
    assert json.loads(out.read_text()) == {
        "tiou": [0.5, 0.9],
        "mAP": [0.75, 0.75],
        "average_mAP": 0.75,
        "per_class": {"jump": [1.0, 1.0], "wave": [0.5, 0.5]},
        "videos": 2,
        "instances": 3,
    }
    assert "1 videos have no prediction (w)" in found.stderr


def test_golden_numbers_through_the_command(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    for case, expected in json.loads((GOLDEN / "expected.json").read_text()).items():
        tious = ",".join(map(repr, expected["tiou"]))
        found = score(GOLDEN / "ground_truth.json", GOLDEN / "predictions.json", "--split", case.split("/")[0],
                      "--tiou", tious, "--json-out", out)  # fmt: skip
        assert found.exit_code == 0
        numbers = json.loads(out.read_text())
        np.testing.assert_allclose(numbers["mAP"], expected["mAP"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(list(numbers["per_class"].values()), np.transpose(expected["AP"]), rtol=0, atol=1e-9)
        assert "another split" in found.stderr
        assert "52 predictions have a label that is not in the annotation (class 7)" in flat(found.stderr)


@pytest.mark.parametrize("name", ["results.csv", "results.json", "results.txt"])
def test_the_three_formats_say_the_same(shared: Path, tmp_path: Path, name: str) -> None:
    rows = [("video_test_0000004", 0.2, 1.1, "CricketBowling", 5, 23, 0.9),
            ("video_test_0000004", 1.0, 1.5, "CricketShot", 6, 24, 0.5)]  # fmt: skip
    text = {
        "results.csv": "video_id,start,end,label,label_id,score\n"
        + "".join(f"{v},{s},{e},{label},{i},{p}\n" for v, s, e, label, i, _, p in rows),
        "results.json": {"results": {rows[0][0]: [{"segment": [s, e], "label_id": i, "score": p}
                                                  for _, s, e, _, i, _, p in rows]}},
        "results.txt": "".join(f"{v}\t{s} {e}  {kit} {p}\n" for v, s, e, _, _, kit, p in rows),
    }[name]  # fmt: skip
    out = tmp_path / "out.json"
    annotation = shared / "data/annotations/thumos14/thumos14.json"
    words = ("--annotations", annotation, "--predictions", write(tmp_path, name, text), "--json-out", out)
    assert run("eval", "--dataset", "thumos14", *words).exit_code == 0
    per_class = json.loads(out.read_text())["per_class"]
    assert {label for label, ap in per_class.items() if ap[0]} == {"CricketBowling", "CricketShot"}


def test_protocols_change_the_videos(shared: Path) -> None:
    predictions = shared / "data/predictions/turn_tap/TURN-FLOW-16_SCNN_thumos14_iou0.5.txt"
    annotation = shared / "data/annotations/thumos14/annotation_test"
    for protocol, videos, left in (("opentad", 211, 16539), ("gtad", 210, 16485), ("full", 213, 16565)):
        found = run("eval", "--dataset", "thumos14", "--annotations", annotation, "--predictions", predictions,
                    "--protocol", protocol, "--ties", "stable")  # fmt: skip
        assert f"protocol {protocol}: {videos} videos" in found.stdout
        assert f"{left} predictions" in found.stdout


def test_equal_scores_are_told_when_they_matter(truth: Path, tmp_path: Path) -> None:
    rows = {"v": [(40, 50, "wave", 0.5)] * 40 + [(0, 10, "wave", 0.5)], "w": [(0, 10, "wave", 0.5)]}
    found = score(truth, results(tmp_path, rows), "--tiou", "0.5", "--ties", "stable")
    assert "42 of 42 predictions share their score" in flat(found.stderr)
    alone = score(truth, results(tmp_path, PERFECT))
    assert "share their score" not in alone.stderr


def test_the_number_does_not_depend_on_the_order_of_videos_without_ties(truth: Path, tmp_path: Path) -> None:
    rows = {"v": [(0, 9, "wave", 0.3), (21, 30, "jump", 0.8)], "w": [(2, 12, "wave", 0.7), (40, 50, "jump", 0.9)]}
    forward = score(truth, results(tmp_path, rows))
    backward = score(truth, results(tmp_path, dict(reversed(rows.items()))))
    assert forward.stdout == backward.stdout


def test_outside_predictions_count_or_not(truth: Path, tmp_path: Path) -> None:
    path = results(tmp_path, {"elsewhere": [(0, 10, "wave", 1.0)], "t": [(0, 10, "wave", 0.95)], **PERFECT})
    counted = score(truth, path, "--tiou", "0.5")
    assert "81.67" not in counted.stdout
    assert "75.00" in flat(counted.stdout)  # jump 1, wave: hits at ranks 3 and 4 of 4, so 1/2
    assert "1 predictions are in videos of another split (t)" in flat(counted.stderr)
    assert "1 predictions are in videos without annotation (elsewhere)" in flat(counted.stderr)
    ignored = score(truth, path, "--tiou", "0.5", "--outside", "ignore")
    assert "100.00" in ignored.stdout


def test_respelled_ids_are_taken_for_the_same_videos(truth: Path, tmp_path: Path) -> None:
    renamed = {"v_v": PERFECT["v"], "w.npy": PERFECT["w"]}
    found = score(truth, results(tmp_path, renamed))
    assert "100.00" in found.stdout
    assert "2 video ids differ" in found.stderr


def test_unknown_labels_and_odd_segments_are_counted_and_named(truth: Path, tmp_path: Path) -> None:
    rows = {"v": [(0, 10, "swim", 0.9), (9, 3, "wave", 0.8), (5, 5, "wave", 0.7), (-2, 9, "wave", 0.6)]}
    stderr = flat(score(truth, results(tmp_path, rows)).stderr)
    assert "1 predictions have a label that is not in the annotation (swim): ignored" in stderr
    assert "1 predictions end before they start (v 9..3): counted as false positives" in stderr
    assert "1 predictions have no length (v 5..5)" in stderr
    assert "1 predictions start before their video (v -2..9)" in stderr


def test_a_number_is_no_name(truth: Path, tmp_path: Path) -> None:
    """An unknown name is not rescued by a number that happens to fit: it may be another list's."""
    item = {"segment": [0, 10], "label": "swim", "label_id": 1, "score": 0.9}
    found = score(truth, write(tmp_path, "r.json", {"results": {"v": [item]}}))
    assert "(swim)" in found.stderr
    item["label"] = "1"
    found = score(truth, write(tmp_path, "r.json", {"results": {"v": [item]}}), "--tiou", "0.5")
    assert "25.00" in found.stdout


def test_nothing_predicted_scores_zero_and_says_so(truth: Path, tmp_path: Path) -> None:
    for name, text in (
        ("r.json", '{"results": {}}'),
        ("r.txt", ""),
        ("r.csv", "video_id,start,end,label,score\n"),
    ):
        found = score(truth, write(tmp_path, name, text))
        assert found.exit_code == 0
        assert "average mAP (%) 0.00" in flat(found.stdout)
        assert "0 predictions (" in found.stderr


ITEM = {"segment": [0, 10], "label": "wave", "score": 0.9}


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("r.json", "{", "is not JSON"),
        ("r.json", {"database": {}}, "holds annotations"),
        ("r.json", {"results": {"v": {"segment": [0, 1]}}}, "but not results"),
        ("r.json", {"results": {"v": [ITEM, {**ITEM, "score": None}]}}, "1 rows cannot be read: v[1]"),
        ("r.json", {"results": {"v": [{k: v for k, v in ITEM.items() if k != "score"}]}}, "v[0]: no score"),
        ("r.json", {"results": {"v": [{k: v for k, v in ITEM.items() if k != "label"}]}}, "v[0]: no label"),
        ("r.json", {"results": {"v": [{**ITEM, "segment": [1]}]}}, "v[0]"),
        (
            "r.json",
            {"results": {"v": [{**ITEM, "score": float("nan")}]}},
            "1 of 1 rows a time or score is not finite",
        ),
        ("r.json", {"results": {"v": [{**ITEM, "segment": [0, float("inf")]}]}}, "time or score is not finite"),
        ("r.json", '{"results": {"v": [], "v": []}}', "occurs twice"),
        ("r.csv", "video_id,start,end,label\nv,0,1,wave\n", "no column score"),
        ("r.csv", "video_id,start,end,score\nv,0,1,0.5\n", "no column label"),
        ("r.csv", "video_id,start,end,label,score\nv,0,1,wave,\n", "line 2"),
        ("r.csv", "video_id,start,end,label,score\nv,0,1\n", "line 2"),
        ("r.txt", "v 0 1 7\n", "line 1"),
        ("r.txt", "v 0 1 wave 0.5\n", "line 1"),
        ("r.json", {"results": {"t": [ITEM]}}, "none of its 1 videos (t, …) is in the split 'test'"),
        ("r.json", {"results": {"x": [ITEM]}}, "Is it the right data set?"),
    ],
)
def test_fatal_input_is_named(truth: Path, tmp_path: Path, name: str, content: object, match: str) -> None:
    found = score(truth, write(tmp_path, name, content))
    assert found.exit_code == 1
    assert match in flat(found.stderr)
    assert not found.stdout


class _Bomb:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("name", ["eval_results.pkl", "results.json"])
def test_pickles_are_refused_unopened_with_the_way_out(
    truth: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(_Bomb()))
    found = score(truth, tmp_path / name)
    assert found.exit_code == 1
    assert "is a pickle" in found.stderr
    assert "to_csv" in found.stderr
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "nothing to score"),
        (["--predictions", "r.json", "--features", "f"], "exclude each other"),
        (["--predictions", "r.json", "--tiou", "0.3:0.1:0.7"], "--tiou"),
        (["--predictions", "r.json", "--protocol", "gtad"], "custom has no protocol"),
        (["--predictions", "r.json", "--dataset", "thumos"], "unknown data set: thumos"),
    ],
)
def test_wrong_words(truth: Path, words: list[str], match: str) -> None:
    found = run("eval", "--dataset", "custom", "--annotations", truth, *words)
    assert found.exit_code == 2
    assert match in found.stderr


def test_outputs_are_checked_before_the_work(truth: Path, tmp_path: Path) -> None:
    found = score(truth, tmp_path / "absent.json", "--json-out", tmp_path)
    assert "is a folder" in found.stderr


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs the extra: plots")
def test_the_report(truth: Path, tmp_path: Path) -> None:
    found = score(truth, results(tmp_path, PERFECT), "--report", tmp_path / "report")
    assert found.exit_code == 0
    assert len(list((tmp_path / "report").iterdir())) == 11
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert (report["dataset"], report["split"], report["average_mAP"]) == ("custom", "test", 1.0)
    assert report["ties"] == {"rule": "published", "tied_predictions": 0}


def test_per_class_rows(truth: Path, tmp_path: Path) -> None:
    lines = score(truth, results(tmp_path, PERFECT), "--per-class", "--tiou", "0.5").stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["jump", "wave", "mAP"]


# --- datasets


def test_datasets_lists_splits_thresholds_video_sets_and_files(tmp_path: Path) -> None:
    text = flat(run("datasets").stdout)
    expected = [
        "thumos14 validation -> test 0.3:0.7:0.1 20",
        "hacs training -> validation 0.5:0.95:0.05 200",
        "multithumos training -> test 0.1:0.9:0.1 65",
        "gtad 210",
        "thumos14/thumos14.json",
    ]
    assert [words for words in expected if words not in text] == []
    (tmp_path / "charades").mkdir()
    write(tmp_path / "charades", "charades.json", "{}")
    listed = flat(run("datasets", "--data-root", tmp_path).stdout)
    assert "charades charades/charades.json found" in listed
    assert "thumos14 thumos14/thumos14.json missing" in listed


def test_datasets_check(truth: Path, tmp_path: Path) -> None:
    found = run("datasets", "check", "--annotations", truth)
    assert found.exit_code == 0
    assert "1 classes of another split are not in the training split (jump (test))" in flat(found.stderr)
    content = json.loads(truth.read_text())
    content["database"]["t"]["annotations"] = content["database"]["v"]["annotations"]
    right = write(tmp_path, "right.json", content)
    assert "found nothing wrong" in run("datasets", "check", "--annotations", right).stderr
    classes = write(tmp_path, "classes.txt", "wave\n")
    found = run("datasets", "check", "--annotations", truth, "--labels", classes)
    assert found.exit_code == 1
    assert "to correct: 1 instances have a label that is not in the class list (v jump 20..30 s)" in flat(found.stderr)


def test_datasets_check_compares_with_sidecars(truth: Path, tmp_path: Path) -> None:
    features = tmp_path / "features"
    features.mkdir()
    for name, fps in (("v", 25.0), ("w", 30.0)):
        np.save(features / f"{name}.npy", np.zeros((3, 2), np.float32))
        write(features, f"{name}.json", {"fps": fps, "duration": 60.2})
    found = run("datasets", "check", "--annotations", truth, "--features", features)
    assert found.exit_code == 1
    assert "1 videos have another frame rate than annotated (w: annotated 25, measured 30)" in flat(found.stderr)
    assert "1 annotated videos have no file (t)" in flat(found.stderr)
    assert run("datasets", "check", "--annotations", truth, "--features", tmp_path / "none").exit_code == 1


def test_datasets_check_knows_other_spellings_and_resampled_features(tmp_path: Path) -> None:
    """The published names of ActivityNet, and features at the extractor's own rate, are nothing wrong."""
    items = [{"segment": [1, 3], "label": "wave"}]
    video = {"subset": "training", "duration": 20.0, "fps": 30.0, "annotations": items}
    annotations = write(tmp_path, "a.json", {"database": {"v": video}})
    np.save(tmp_path / "v_v.npy", np.zeros((3, 2), np.float32))
    write(tmp_path, "v_v.json", {"fps": 15.0, "duration": 20.0, "requested_fps": 15.0})
    found = run("datasets", "check", "--annotations", annotations, "--features", tmp_path)
    assert found.exit_code == 0
    assert "found nothing wrong" in found.stderr
    write(tmp_path, "v_v.json", {"fps": 15.0, "duration": 30.0, "requested_fps": 15.0})
    found = run("datasets", "check", "--annotations", annotations, "--features", tmp_path)
    assert "annotated 20 s, measured 30 s" in flat(found.stderr)


def test_datasets_check_compares_with_videos(shared: Path) -> None:
    found = run("datasets", "check", "--annotations", shared / "data/annotations/videos_gt/bbformer_gt.json",
                "--videos", shared / "data/videos")  # fmt: skip
    assert found.exit_code == 0
    assert "2 annotated videos have no file (tennis26.npy, golf.npy)" in flat(found.stderr)
