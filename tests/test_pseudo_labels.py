"""Training on the detections of another model in place of annotated segments."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from training_processes import assert_equal_weights, weights
from training_toys import LABELS, ToyWorld, toy_world

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.prediction_files import read_predictions
from cltdr_cli.data.pseudo_labels import place_pseudo_labels
from cltdr_cli.errors import AnnotationError
from cltdr_cli.zoo.checkpoint import load_checkpoint

SETTINGS = ("--epochs", "1", "--warmup-epochs", "0", "--min-score", "0.5", "--quiet")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> ToyWorld:
    return toy_world(tmp_path_factory.mktemp("world"))


def truth(world: ToyWorld) -> dict[str, dict]:
    return json.loads(world.annotations.read_text())["database"]


def write_detections(path: Path, results: dict[str, list[dict]]) -> Path:
    path.write_text(json.dumps({"results": results}))
    return path


def as_detections(database: dict[str, dict], score: float = 0.9, split: str = "training") -> dict[str, list[dict]]:
    return {
        name: [{**item, "score": score} for item in video["annotations"]]
        for name, video in database.items()
        if video["subset"] == split
    }


def place(world: ToyWorld, path: Path, min_score: float | None = 0.5):
    return place_pseudo_labels(read_annotations(world.annotations), "training", read_predictions(path), min_score)


def test_detections_from_a_score_on_become_the_instances(world, tmp_path):
    results = {"video0": [
        {"label": "jump", "segment": [1, 2], "score": 0.5},
        {"label": "wave", "segment": [3, 4], "score": 0.49},
    ]}  # fmt: skip
    placed = place(world, write_detections(tmp_path / "found.json", results))
    instances = placed.annotations.videos["video0"].instances
    assert [(item.start, item.end, item.label) for item in instances] == [(1, 2, "jump")]
    assert (placed.videos, placed.instances) == (1, 1)
    assert "1 instances in 1 training videos" in str(placed)


def test_training_videos_without_detections_are_left_out_and_named_and_others_stay(world, tmp_path):
    results = as_detections(truth(world))
    low = [{**item, "score": 0.1} for item in results.pop("video1")]
    placed = place(world, write_detections(tmp_path / "found.json", {**results, "video1": low}))
    assert "video1" not in placed.annotations.videos
    assert [str(finding) for finding in placed.findings] == [
        "1 training videos have no detection that counts (video1): not trained on"
    ]
    original = read_annotations(world.annotations).videos
    assert placed.annotations.videos["video10"] == original["video10"], "videos of other splits stay as they are"


def test_detections_in_other_videos_are_named_and_not_used(world, tmp_path):
    results = as_detections(truth(world)) | {"elsewhere": [{"label": "bow", "segment": [0, 1], "score": 0.9}]}
    placed = place(world, write_detections(tmp_path / "found.json", results))
    assert [finding.examples for finding in placed.findings] == [("elsewhere",)]
    assert "elsewhere" not in placed.annotations.videos


def test_unknown_labels_are_named(world, tmp_path):
    results = {"video0": [{"label": "fly", "segment": [0, 1], "score": 0.9}]}
    with pytest.raises(AnnotationError, match=r"1 labels of detections are none of the 3 classes: fly"):
        place(world, write_detections(tmp_path / "found.json", results))


def test_labels_below_the_least_score_do_not_matter(world, tmp_path):
    results = as_detections(truth(world))
    results["video0"] = [*results["video0"], {"label": "fly", "segment": [0, 1], "score": 0.1}]
    place(world, write_detections(tmp_path / "found.json", results))


def test_a_number_names_a_class_where_there_is_no_name(world, tmp_path):
    path = tmp_path / "found.csv"
    path.write_text("video_id,start,end,label_id,score\nvideo0,1,2,2,0.9\n")
    (instance,) = place(world, path).annotations.videos["video0"].instances
    assert instance.label == LABELS[2]


def test_without_a_least_score_the_message_says_between_which_to_choose(world, tmp_path):
    path = write_detections(tmp_path / "found.json", as_detections(truth(world), 0.25))
    with pytest.raises(AnnotationError) as refused:
        place(world, path, None)
    assert "from 0.25 to 0.25" in (refused.value.hint or "")


def test_scores_that_nobody_reaches_are_refused(world, tmp_path):
    path = write_detections(tmp_path / "found.json", as_detections(truth(world), 0.25))
    with pytest.raises(AnnotationError, match="no detection with a score from"):
        place(world, path)


def test_the_true_segments_as_detections_train_the_same_weights_and_the_annotations_own_are_not_read(
    cltdr, world, tmp_path
):
    database = truth(world)
    detections = write_detections(tmp_path / "found.json", as_detections(database))
    plain = cltdr(*world.words(tmp_path / "plain", *SETTINGS[:4], "--quiet"))
    assert plain.code == 0, plain.err
    rng = np.random.default_rng(1)
    for video in database.values():
        if video["subset"] == "training":
            for item in video["annotations"]:
                item["segment"] = sorted(rng.uniform(0, 8, 2).tolist())
    nonsense = tmp_path / "nonsense.json"
    nonsense.write_text(json.dumps({"database": database}))
    other = ToyWorld(world.preset, nonsense, world.features)
    done = cltdr(*other.words(tmp_path / "pseudo", "--pseudo-labels", str(detections), *SETTINGS))
    assert done.code == 0, done.err
    assert_equal_weights(*(weights(tmp_path / name / "last.safetensors") for name in ("plain", "pseudo")))


def test_the_run_says_how_many_and_the_checkpoint_remembers(cltdr, world, tmp_path):
    detections = write_detections(tmp_path / "found.json", as_detections(truth(world)))
    words = [word for word in SETTINGS if word != "--quiet"]
    done = cltdr(*world.words(tmp_path / "run", "--pseudo-labels", str(detections), *words))
    assert done.code == 0, done.err
    assert "18 instances in 9 training videos" in " ".join(done.err.split())
    facts = load_checkpoint(tmp_path / "run" / "last.safetensors").facts
    assert facts["pseudo_labels"] == {"source": "found.json", "instances": 18, "min_score": 0.5}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--min-score", "0.5"), "--pseudo-labels"),
        (("--pseudo-labels", "found.json", "--min-score", "0.5", "--eval-split", "training"), "cannot be evaluated on"),
        (("--pseudo-labels", "found.json"), "--min-score"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(cltdr, world, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    write_detections(tmp_path / "found.json", as_detections(truth(world)))
    done = cltdr(*world.words(tmp_path / "run", *words))
    assert done.code != 0
    assert message in " ".join(done.err.split())
    assert not (tmp_path / "run").exists()
