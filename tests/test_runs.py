"""Mean and spread over runs: what cltdr eval writes for a run, and what --runs makes of many."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from evaluation_runs import flat, run
from training_toys import toy_world
from typer.testing import CliRunner

from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.main import app
from cltdr_cli.workflows.runs import Spread, summarize_runs
from cltdr_cli.workflows.runs_video import find_rows


def write_scores(folder: Path, average: float, **made_by: object) -> None:
    folder.mkdir(parents=True)
    content = {
        "tiou": [0.5, 0.7], "mAP": [average + 0.1, average - 0.1], "average_mAP": average,
        "segmentation": {"f1@50": 100 * average}, **({"made_by": made_by} if made_by else {}),
    }  # fmt: skip
    (folder / "scores.json").write_text(json.dumps(content))


def test_splits_are_averaged_for_each_seed_before_the_range_is_taken(tmp_path: Path) -> None:
    for seed, split, average in ((1, "a", 0.2), (1, "b", 0.6), (2, "a", 0.3), (2, "b", 0.7)):
        write_scores(tmp_path / f"{split}-{seed}", average, seed=seed, annotations=split, training_seconds=10.0 * seed)
    summary = summarize_runs(tmp_path)
    assert summary.description == "2 splits, 2 seeds"
    assert summary.values["average mAP"] == pytest.approx(Spread(45.0, 40.0, 50.0))
    assert summary.values["mAP@0.7"] == pytest.approx(Spread(35.0, 30.0, 40.0))
    assert summary.values["f1@50"].mean == pytest.approx(45.0)
    assert summary.values["training_seconds"] == Spread(15.0, 10.0, 20.0)
    assert summarize_runs(tmp_path, "a-*").values["average mAP"] == pytest.approx(Spread(25.0, 20.0, 30.0))


@pytest.mark.parametrize("last", [{"seed": 2, "annotations": "b"}, {"seed": 1, "annotations": "a"}, {}])
def test_runs_that_do_not_go_together_are_taken_singly(tmp_path: Path, last: dict) -> None:
    write_scores(tmp_path / "1", 0.2, seed=1, annotations="a")
    write_scores(tmp_path / "2", 0.3, seed=2, annotations="a")
    write_scores(tmp_path / "3", 0.7, **last)
    summary = summarize_runs(tmp_path)
    assert summary.description == "3 runs"
    assert summary.values["average mAP"] == pytest.approx(Spread(40.0, 20.0, 70.0))


def test_the_command_shows_a_row_for_each_folder(tmp_path: Path) -> None:
    write_scores(tmp_path / "a/1", 0.2, seed=1, annotations="x")
    write_scores(tmp_path / "a/2", 0.4, seed=2, annotations="x")
    write_scores(tmp_path / "b/1", 0.5)
    shown = run("eval", "--runs", tmp_path / "a", "--runs", tmp_path / "b")
    assert shown.exit_code == 0, shown.stderr
    text = flat(shown.stdout)
    assert "a 1 split, 2 seeds 30.0 (20.0 to 40.0)" in text
    assert "b 1 runs 50.0 60.0 40.0 50.0" in text


def test_groups_of_runs_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: plots")
    write_scores(tmp_path / "first/1", 0.2)
    write_scores(tmp_path / "first/2", 0.4)
    write_scores(tmp_path / "second/1", 0.5)
    words = ["eval", "--runs", tmp_path / "first", "--runs", tmp_path / "second", "--report", tmp_path / "plots"]
    assert run(*words).exit_code == 0
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"runs.svg", "runs.png"}
    assert "<svg" in (tmp_path / "plots/runs.svg").read_text()


def keep_detections(folder: Path, truth: Path, *segments: list[float]) -> None:
    write_scores(folder, 0.5, seed=1, annotations=str(truth))
    items = [
        {"label": "a", "segment": list(segment), "score": 1 / (1 + place)} for place, segment in enumerate(segments)
    ]
    (folder / "predictions.json").write_text(json.dumps({"results": {"v": items}}))


def test_a_video_has_a_row_for_the_annotation_and_as_many_detections_of_each_group(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    video = {"subset": "test", "duration": 9, "fps": 25, "annotations": [{"label": "a", "segment": [1, 3]}]}
    truth.write_text(json.dumps({"database": {"v": video}}))
    keep_detections(tmp_path / "one/1", truth, [1, 2], [5, 6])
    keep_detections(tmp_path / "two/1", truth, [2, 4])
    groups = {name: summarize_runs(tmp_path / name).files for name in ("one", "two")}
    found = find_rows(groups, None)
    assert found is not None
    assert found[0] == "v"
    assert [(row.name, [(bar.start, bar.end, bar.label) for bar in row.bars]) for row in found[1]] == [
        ("annotation", [(1, 3, "a")]), ("one", [(1, 2, "a")]), ("two", [(2, 4, "a")]),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="not all groups have detections in w"):
        find_rows(groups, "w")
    write_scores(tmp_path / "three/1", 0.5)
    groups["three"] = summarize_runs(tmp_path / "three").files
    assert find_rows(groups, None) is None
    with pytest.raises(UsageError, match="to draw v from"):
        find_rows(groups, "v")


def test_the_video_is_drawn_beside_the_scores(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: plots")
    world = toy_world(tmp_path / "world", training=4, validation=2)
    done = CliRunner().invoke(app, world.words(tmp_path / "run", "--set", "epochs=1", "--set", "warmup_epochs=0"))
    assert done.exit_code == 0, done.output
    scored = run(
        "eval", "--dataset", "custom", "--annotations", world.annotations, "--features", world.features,
        "--checkpoint", tmp_path / "run/last.safetensors", "--split", "validation", "--device", "cpu",
        "--json-out", tmp_path / "run/scores.json", "--predictions-out", tmp_path / "run/predictions.json",
    )  # fmt: skip
    assert scored.exit_code == 0, scored.stderr
    again = run(
        "eval", "--dataset", "custom", "--annotations", world.annotations, "--split", "validation",
        "--predictions", tmp_path / "run/predictions.json", "--json-out", tmp_path / "again.json",
    )  # fmt: skip
    assert again.exit_code == 0, again.stderr
    one, two = (json.loads(path.read_text()) for path in (tmp_path / "run/scores.json", tmp_path / "again.json"))
    assert one["mAP"] == two["mAP"], "what was written is what was scored"
    assert run("eval", "--runs", tmp_path / "run", "--report", tmp_path / "plots").exit_code == 0
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "runs.svg", "runs.png", "video.svg", "video.png",
    }  # fmt: skip


def test_folders_without_runs_and_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no scores\.json"):
        summarize_runs(tmp_path)
    (tmp_path / "scores.json").write_text('{"tiou": [0.5]}')
    with pytest.raises(AnnotationError, match="no mAP, average_mAP"):
        summarize_runs(tmp_path)
    assert run("eval").exit_code == 2, "neither a data set nor runs"


@pytest.mark.parametrize(
    "wrong",
    [
        {"mAP": "x"}, {"mAP": [0.1]}, {"mAP": [50, 40]}, {"mAP": [0.1, float("nan")]}, {"average_mAP": float("inf")},
        {"tiou": [0.5, float("nan")]}, {"tiou": 0.5}, {"average_mAP": None}, {"segmentation": []},
        {"segmentation": {"f1@50": "x"}}, {"made_by": []}, {"made_by": {"parameters": "many"}},
        {"made_by": {"seed": "1"}},
    ],
)  # fmt: skip
def test_results_with_other_things_in_them_are_named(tmp_path: Path, wrong: dict) -> None:
    write_scores(tmp_path / "a", 0.5)
    file = tmp_path / "a/scores.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | wrong))
    with pytest.raises(AnnotationError, match=r"scores\.json is not the result of an evaluation"):
        summarize_runs(tmp_path)


def test_what_is_no_folder_of_runs_is_told(tmp_path: Path) -> None:
    write_scores(tmp_path / "a", 0.5)
    with pytest.raises(UsageError, match="is a file, where a folder"):
        summarize_runs(tmp_path / "a/scores.json")
    with pytest.raises(UsageError, match="does not exist, where a folder"):
        summarize_runs(tmp_path / "b")


def test_runs_of_other_thresholds_or_subsets_have_no_mean(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        write_scores(tmp_path / name, 0.5, seed=seed, annotations="x", split="test")
    assert summarize_runs(tmp_path).description == "1 split, 2 seeds"
    file = tmp_path / "b/scores.json"
    right = json.loads(file.read_text())
    file.write_text(json.dumps(right | {"tiou": [0.5, 0.75]}))
    with pytest.raises(UsageError, match="different tIoU thresholds"):
        summarize_runs(tmp_path)
    done = run("eval", "--runs", tmp_path / "a", "--runs", tmp_path / "b")
    assert done.exit_code == 0
    assert "different tIoU thresholds" in flat(done.stderr)
    assert done.stdout.index("mAP@0.5") < done.stdout.index("mAP@0.7") < done.stdout.index("mAP@0.75")
    assert done.stdout.index("mAP@0.75") < done.stdout.index("f1@50")
    file.write_text(json.dumps(right | {"made_by": right["made_by"] | {"split": "training"}}))
    with pytest.raises(UsageError, match=r"different subsets .* test and training"):
        summarize_runs(tmp_path)


def test_a_result_says_how_it_came_about(tmp_path: Path) -> None:
    world = toy_world(tmp_path / "world")
    done = CliRunner().invoke(app, world.words(tmp_path / "run", "--set", "epochs=1", "--seed", "7"))
    assert done.exit_code == 0, done.output
    out = tmp_path / "run/scores.json"
    scored = run(
        "eval", "--dataset", "custom", "--annotations", world.annotations, "--features", world.features,
        "--checkpoint", tmp_path / "run/last.safetensors", "--split", "validation", "--json-out", out,
        "--device", "cpu",
    )  # fmt: skip
    assert scored.exit_code == 0, scored.stderr
    made_by = json.loads(out.read_text())["made_by"]
    assert (made_by["seed"], made_by["preset"], made_by["split"]) == (7, "toy", "validation")
    assert made_by["settings"]["training"]["epochs"] == 1
    assert made_by["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert made_by["parameters"] > 1000
    assert made_by["training_seconds"] > 0
    assert made_by["training_processor_seconds"] > 0
    assert made_by["annotations"] == str(world.annotations)
    assert summarize_runs(tmp_path / "run").description == "1 split, 1 seed"


def test_a_report_has_the_learning_curve_of_the_run(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: plots")
    world = toy_world(tmp_path / "world")
    words = world.words(tmp_path / "run", "--set", "epochs=2", "--eval-split", "validation")
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    scored = run(
        "eval", "--dataset", "custom", "--annotations", world.annotations, "--features", world.features,
        "--checkpoint", tmp_path / "run/last.safetensors", "--split", "validation", "--report", tmp_path / "report",
        "--device", "cpu",
    )  # fmt: skip
    assert scored.exit_code == 0, scored.stderr
    curve = json.loads((tmp_path / "report/report.json").read_text())["learning_curve"]
    assert [record["epoch"] for record in curve if record["kind"] == "epoch"] == [1, 2, 3]
    assert [record["split"] for record in curve if record["kind"] == "evaluation"] == ["validation"] * 3
    svg = (tmp_path / "report/learning.svg").read_text()
    assert "<svg" in svg
