"""cltdr detect beside an annotation, which tells rates, durations and ids; and ids with folders on the way to eval."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from evaluation_runs import flat, run, write

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.errors import AnnotationError
from cltdr_cli.video.inputs import find_inputs
from cltdr_cli.workflows.annotated_inputs import match_inputs
from cltdr_cli.workflows.detect import detect
from cltdr_cli.workflows.evaluate import evaluate
from cltdr_cli.zoo.preset import load_preset

RATES = {"v": 25.0, "sub/v": 30.0, "sub/w": 24.0}
STEPS = {"v": 120, "sub/v": 90, "sub/w": 150}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Features without sidecars, two of them in a folder, and their annotation."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    database = {}
    for name, steps in STEPS.items():
        path = folder / "features" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.normal(size=(steps, 256)).astype(np.float32))
        items = [{"segment": [k, k + 2.5], "label": label} for k, label in enumerate(("wave", "jump", "wave", "bow"))]
        seconds = (4 * steps + 12) / RATES[name]
        database[name] = {"subset": "test", "duration": seconds, "fps": RATES[name], "annotations": items}
    write(folder, "truth.json", {"database": database})
    return folder


@pytest.fixture(scope="module")
def direct(data):
    """What evaluation finds in the features itself."""
    return evaluate("custom", features=data / "features", preset="demo", annotations=data / "truth.json",
                    device="cpu", tiou="0.1,0.2")  # fmt: skip


def scored(data, predictions):
    return evaluate("custom", predictions=predictions, annotations=data / "truth.json", tiou="0.1,0.2")


def rows_of(scores):
    """Video, label, start, end and score of every prediction; files write a score in the digits that float32 has."""
    found, names = scores.predictions, scores.reference.video_ids
    columns = (found.videos, found.labels, *found.segments_seconds.T, found.scores.astype(np.float32))
    return sorted((names[int(row[0])], *row[1:]) for row in zip(*(c.tolist() for c in columns), strict=True))


@pytest.mark.parametrize("name", ["p.json", "p.csv"])
def test_detection_and_evaluation_agree_to_the_last_digit(data, direct, tmp_path, name):
    done = run("detect", data / "features", "--annotations", data / "truth.json", "--preset", "demo", "--device",
               "cpu", "--out", tmp_path / name)  # fmt: skip
    assert done.exit_code == 0, done.output
    scores = scored(data, tmp_path / name)
    assert scores.mean_ap == direct.mean_ap
    assert scores.mean_ap[0] > 0
    assert rows_of(scores) == rows_of(direct)
    assert {row[0] for row in rows_of(scores)} == set(RATES)


def test_results_have_the_ids_of_the_annotation(data, tmp_path):
    results = detect(data / "features", annotations=data / "truth.json", preset="demo", device="cpu", out=tmp_path)
    assert [result.video_id for result in results] == ["sub/v", "sub/w", "v"]
    facts = {result.video_id: result.provenance for result in results}
    assert {name: facts[name]["fps"] for name in facts} == RATES
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["sub_v.json", "sub_w.json", "v.json"]
    single = detect(data / "features/sub/v.npy", annotations=data / "truth.json", preset="demo", device="cpu")
    assert [result.video_id for result in single] == ["sub/v"]


def test_given_rates_and_durations_go_before_those_of_the_annotation(data):
    (result,) = detect(data / "features/v.npy", annotations=data / "truth.json", preset="demo", device="cpu",
                       fps=50, duration=9.5)  # fmt: skip
    assert (result.provenance["fps"], result.duration_seconds) == (50, 9.5)


def test_inputs_that_are_not_annotated_are_named_with_the_id_that_was_meant(data, tmp_path):
    for name in ("V2", "0007"):
        shutil.copy(data / "features/v.npy", tmp_path / f"{name}.npy")
    truth = json.loads((data / "truth.json").read_text())["database"]
    annotations = write(tmp_path, "t.json", {"database": {"v2": truth["v"], "7": truth["v"]}})
    found = run("detect", tmp_path, "--annotations", annotations, "--preset", "demo", "--device", "cpu")
    assert found.exit_code == 1  # nothing tells their rate
    assert "2 inputs are not in t.json" in flat(found.stderr)
    assert "did you mean 0007 → 7, V2 → v2?" in flat(found.stderr)


def test_ids_with_folders_are_found_again_without_an_annotation(data, direct, tmp_path):
    """Detection of ``sub/w`` alone writes ``w``; evaluation finds the one video that is meant."""
    fps = RATES["sub/w"]
    seconds = (4 * STEPS["sub/w"] + 12) / fps
    done = run("detect", data / "features/sub/w.npy", "--fps", fps, "--duration", seconds, "--preset", "demo",
               "--device", "cpu", "--out", tmp_path / "p.json")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert list(json.loads((tmp_path / "p.json").read_text())["results"]) == ["w"]
    scores = scored(data, tmp_path / "p.json")
    assert rows_of(scores) == [row for row in rows_of(direct) if row[0] == "sub/w"]
    assert any(finding.kind == "respelled" for finding in scores.findings)


def test_a_folder_of_features_is_taken_where_there_are_no_videos(data, tmp_path):
    found = find_inputs([str(data / "features")], take_features=True)
    assert [entry.path.relative_to(data / "features").as_posix() for entry in found.files] == [
        "sub/v.npy", "sub/w.npy", "v.npy",
    ]  # fmt: skip
    (tmp_path / "a.npy").touch()
    (tmp_path / "z.zarr").mkdir()
    (tmp_path / "z.zarr/0.npy").touch()
    assert [entry.path.name for entry in find_inputs([str(tmp_path)], take_features=True).files] == ["a.npy", "z.zarr"]
    (tmp_path / "a.mp4").touch()
    assert [entry.path.name for entry in find_inputs([str(tmp_path)], take_features=True).files] == ["a.mp4"]
    assert find_inputs([str(data / "features")]).failures


def test_names_of_published_files_lead_to_ids(data, tmp_path):
    """``v_`` before the id, a video's suffix, and signs that file names cannot have."""
    for name in ("v_a.npy", "b.mp4", "c_d.npy", "e.npy"):
        (tmp_path / name).touch()
    database = {name: {"subset": "test", "annotations": []} for name in ("a", "b", "c:d", "f/e")}
    read = read_annotations(write(tmp_path, "t.json", {"database": database}))
    files = load_preset("activitynet13-tsp").features
    words = [str(tmp_path / name) for name in ("v_a.npy", "b.mp4", "c_d.npy", "e.npy")]
    found = match_inputs(find_inputs(words), read, files)
    assert [entry.video_id for entry in found.inputs.files] == ["a", "b", "c:d", "e"]
    assert [finding.count for finding in found.findings] == [1]
    assert "e → f/e" in found.findings[0].consequence


def test_the_check_sees_features_in_folders(data):
    done = run("datasets", "check", "--annotations", data / "truth.json", "--features", data / "features",
               "--preset", "demo")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "have no file" not in done.output


def test_an_annotation_that_is_not_there_is_said_before_the_work(data):
    with pytest.raises(AnnotationError, match=r"lost\.json"):
        detect(data / "features", annotations="lost.json", preset="demo", device="cpu")


def test_one_split_is_detected_in_as_it_is_scored(data, tmp_path):
    content = json.loads((data / "truth.json").read_text())
    content["database"]["v"]["subset"] = "training"
    annotations = write(tmp_path, "t.json", content)
    words = {"annotations": annotations, "preset": "demo", "device": "cpu"}
    results = detect(data / "features", split="test", out=tmp_path / "p.json", **words)
    assert [result.video_id for result in results] == ["sub/v", "sub/w"]
    direct = evaluate("custom", features=data / "features", tiou="0.1,0.2", **words)
    read = evaluate("custom", predictions=tmp_path / "p.json", annotations=annotations, tiou="0.1,0.2")
    assert read.mean_ap == direct.mean_ap
    assert rows_of(read) == rows_of(direct)
    refused = run("detect", data / "features", "--split", "test", "--preset", "demo")
    assert refused.exit_code == 2
    assert "--annotations" in flat(refused.stderr)
