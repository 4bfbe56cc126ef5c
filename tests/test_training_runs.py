"""Whole runs of cltdr train: killed and resumed, on two processes, in parts; and what a run folder holds."""

from __future__ import annotations

import json
import math
import signal

import pytest
import torch
from training_processes import assert_equal_weights, finished, kill_after, records, started, weights
from training_toys import LABELS, toy_world
from typer.testing import CliRunner

from cltdr_cli.main import app
from cltdr_cli.training.processes import join_processes
from cltdr_cli.workflows.training_evaluation import SplitEvaluation
from cltdr_cli.zoo.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return toy_world(tmp_path_factory.mktemp("world"))


def run(world, out, *more):
    result = CliRunner().invoke(app, world.words(out, *more))
    assert result.exit_code == 0, result.output
    return result


def test_a_run_folder_holds_what_the_interface_says(world, tmp_path):
    out = tmp_path / "run"
    run(world, out, "--eval-split", "validation", "--set", "epochs=2")
    assert {path.name for path in out.iterdir() if "tfevents" not in path.name} == {
        "last.safetensors", "best.safetensors", "resume.pt", "log.jsonl", "preset.yaml",
    }  # fmt: skip
    last, best = load_checkpoint(out / "last.safetensors"), load_checkpoint(out / "best.safetensors")
    assert last.labels == LABELS
    assert last.preset.training.epochs == 2
    assert last.preset.to_yaml() == (out / "preset.yaml").read_text()
    evaluations = records(out, "evaluation")
    assert last.preset.display_score == evaluations[-1]["display_score"]
    assert best.preset.display_score == max(evaluations, key=lambda record: record["score"])["display_score"]
    assert [record["epoch"] for record in evaluations] == [1, 2, 3]
    assert {record["split"] for record in evaluations} == {"validation"}
    assert best.facts["epoch"] == max(evaluations, key=lambda record: record["score"])["epoch"]
    assert last.facts["epoch"] == 3
    assert last.facts["chosen_by_split"] == "validation"
    assert [record["step"] for record in records(out, "step")] == list(range(1, 7))
    assert records(out, "step")[0]["learning_rate"] == 0
    words = world.words(out, "--eval-split", "validation", "--resume")  # preset.yaml is the run's own settings
    words[words.index("--preset") + 1] = str(out / "preset.yaml")
    assert CliRunner().invoke(app, words).exit_code == 0


def test_a_trained_detector_detects(world, tmp_path):
    out = tmp_path / "run"
    run(world, out, "--set", "epochs=1")
    found = CliRunner().invoke(
        app,
        ["detect", str(world.features / "video0.npy"), "--checkpoint", str(out / "last.safetensors"), "--fps",
         "25", "--duration", "6", "--out", str(tmp_path / "a.json"), "--device", "cpu"],
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "video0" in json.loads((tmp_path / "a.json").read_text())["results"]


def test_a_killed_run_resumes_to_the_same_weights(world, tmp_path):
    """Killed twice with SIGKILL at arbitrary moments, states saved after every step."""
    options = ("--eval-split", "validation", "--eval-every", "2", "--set", "epochs=4")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    reference = started(world.words(whole, *options))
    for step in (3, 7):
        process = started(world.words(killed, *options, "--save-every", "1", "--resume"))
        assert kill_after(process, killed / "log.jsonl", step) == -signal.SIGKILL
        assert not (killed / "last.safetensors").exists() or weights(killed / "last.safetensors")
    finished(reference)
    output = finished(started(world.words(killed, *options, "--save-every", "1", "--resume")))
    assert "resumed after step" in output
    for name in ("last.safetensors", "best.safetensors"):
        assert_equal_weights(weights(whole / name), weights(killed / name))
    assert records(whole, "step") == records(killed, "step")
    assert records(whole, "evaluation") == records(killed, "evaluation")
    assert not list(killed.glob(".*.part"))


def test_two_processes_do_what_one_does(world, tmp_path):
    """The same losses, gradient norms and weights; noise, crops and drop path included."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    process = started(world.words(together, "--eval-split", "validation"), *launcher)
    run(world, alone, "--eval-split", "validation")
    finished(process)
    for one, two in zip(records(alone, "step"), records(together, "step"), strict=True):
        for name in ("class_loss", "regression_loss", "total_loss", "gradient_norm", "loss_normalizer"):
            assert two[name] == pytest.approx(one[name], rel=1e-4), (name, one["step"])
    first, second = weights(alone / "last.safetensors"), weights(together / "last.safetensors")
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-5)
    scores = [[record["score"] for record in records(out, "evaluation")] for out in (alone, together)]
    assert scores[1] == pytest.approx(scores[0], abs=0.02)


def test_parts_of_a_batch_do_what_the_batch_does(world, tmp_path):
    run(world, tmp_path / "whole", "--set", "epochs=1")
    run(world, tmp_path / "parts", "--set", "epochs=1", "--accumulate", "4")
    for one, two in zip(records(tmp_path / "whole", "step"), records(tmp_path / "parts", "step"), strict=True):
        for name in ("total_loss", "gradient_norm", "loss_normalizer"):
            assert two[name] == pytest.approx(one[name], rel=1e-4), (name, one["step"])


@pytest.mark.parametrize("options", [("--amp",), ("--precision", "fp16")])
def test_mixed_precision_trains_alike(world, tmp_path, options):
    run(world, tmp_path / "full", "--set", "epochs=1")
    run(world, tmp_path / "mixed", "--set", "epochs=1", *options)
    full, mixed = records(tmp_path / "full", "step"), records(tmp_path / "mixed", "step")
    assert mixed[-1]["total_loss"] == pytest.approx(full[-1]["total_loss"], rel=0.05)
    assert mixed[-1]["total_loss"] != full[-1]["total_loss"]


def test_a_finished_run_is_left_as_it_is(world, tmp_path):
    out = tmp_path / "run"
    run(world, out, "--set", "epochs=1")
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.suffix in (".safetensors", ".pt")}
    run(world, out, "--set", "epochs=1", "--resume")
    assert before == {name: (out / name).stat().st_mtime_ns for name in before}


def refused(world, out, *more):
    result = CliRunner().invoke(app, world.words(out, *more))
    return result.exit_code, result.output.replace("\n", " ")


def test_another_run_is_not_written_over(world, tmp_path):
    out = tmp_path / "run"
    run(world, out, "--set", "epochs=1")
    code, output = refused(world, out, "--set", "epochs=1")
    assert code == 2
    assert "holds a run already" in output
    assert "--resume" in output


def test_resuming_with_another_choosing_split_is_refused(world, tmp_path):
    """Scores of two splits cannot be compared, and the best would be that of neither."""
    out = tmp_path / "run"
    run(world, out, "--set", "epochs=1", "--eval-split", "validation")
    for words in (["--eval-split", "training"], []):
        code, output = refused(world, out, "--set", "epochs=1", "--resume", *words)
        assert code == 1
        assert "another choosing split" in output
    run(world, out, "--set", "epochs=1", "--eval-split", "validation", "--resume")


def test_resuming_with_other_settings_is_refused(world, tmp_path):
    out = tmp_path / "run"
    run(world, out, "--set", "epochs=1")
    code, output = refused(world, out, "--set", "epochs=1", "--seed", "5", "--set", "mlp_dim=32", "--resume")
    assert code == 1
    assert "another preset" in output
    assert "model.mlp_dim was 16, is 32" in output
    assert "training.seed was" in output


def test_tensorboard_events_are_written_where_it_is_installed(world, tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra: train")
    out = tmp_path / "run"
    run(world, out, "--set", "epochs=1")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out)).Reload()
    assert [event.step for event in events.Scalars("step/total_loss")] == [1, 2, 3, 4]


def test_wrong_words_are_answered_with_the_right_ones(world, tmp_path):
    cases = {
        ("--set", "iou_weight_powr=1"): (2, "iou_weight_power"),
        ("--train-split", "trainig"): (2, "training (9 videos)"),
        ("--eval-split", "test"): (2, "validation (4 videos)"),
        ("--set", "num_classes=4"): (2, "num_classes=3"),
        ("--set", "max_seq_len=30"): (2, "multiple"),
        ("--accumulate", "3"): (2, "multiple of 3"),
        ("--labels", str(tmp_path / "none.txt")): (1, "none.txt"),
    }
    for options, (status, words) in cases.items():
        code, output = refused(world, tmp_path / "run", *options)
        assert words in output, (options, output)
        assert code == status, (options, output)
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_presets_that_are_not_trained_are_refused(world, tmp_path):
    words = world.words(tmp_path / "run")
    words[words.index("--preset") + 1] = "kinetics400-i3d-rgb"
    result = CliRunner().invoke(app, words)
    assert result.exit_code != 0
    assert "not trained" in result.output.replace("\n", " ")


def test_the_annotations_own_classes(world, tmp_path):
    """A preset of other classes takes those of the annotation, in number and name."""
    out = tmp_path / "run"
    run(world, out, "--labels", "annotations", "--set", "epochs=1", "--set", "warmup_epochs=0")
    checkpoint = load_checkpoint(out / "last.safetensors")
    assert checkpoint.labels == LABELS
    assert checkpoint.preset.model.num_classes == 3
    assert checkpoint.preset.benchmark.labels is None
    listed = tmp_path / "names.txt"
    listed.write_text("bow\njump\nwave\n")
    run(world, tmp_path / "listed", "--labels", str(listed), "--set", "epochs=1", "--set", "warmup_epochs=0")
    assert load_checkpoint(tmp_path / "listed" / "last.safetensors").labels == ("bow", "jump", "wave")


def test_class_agnostic_training_is_scored_without_labels(world, tmp_path):
    agnostic = ("--set", "class_agnostic=true", "--set", "num_classes=1", "--set", "epochs=1")
    run(world, tmp_path / "run", *agnostic, "--eval-split", "validation")
    assert load_checkpoint(tmp_path / "run" / "last.safetensors").labels == ("action",)
    assert len(records(tmp_path / "run", "evaluation")) == 2


def test_a_loss_that_is_not_finite_stops_the_run(world, tmp_path):
    code, output = refused(world, tmp_path / "run", "--lr", "1e30", "--set", "eta_min=0", "--set", "epochs=9")
    assert code == 1
    assert "cannot go on" in output
    assert "--resume" in output


def test_training_learns(world, tmp_path):
    """Features that show their labels: far above chance after a minute's worth of tiny steps."""
    run(world, tmp_path / "run", "--eval-split", "validation", "--set", "epochs=40", "--set", "ema_decay=0.9",
        "--lr", "0.01", "--eval-every", "43")  # fmt: skip
    scores = [record["score"] for record in records(tmp_path / "run", "evaluation")]
    steps = records(tmp_path / "run", "step")
    assert steps[-1]["total_loss"] < 0.3 * steps[2]["total_loss"]
    assert scores[-1] > 0.5


def test_a_file_that_is_no_saved_state_is_refused_by_its_name(world, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    torch.save({"epoch": 3}, out / "resume.pt")
    done = CliRunner().invoke(app, world.words(out, "--resume"))
    assert done.exit_code == 1
    assert "resume.pt cannot be read" in " ".join(done.stderr.split())


def test_a_score_that_is_no_number_is_never_the_best(world, tmp_path, monkeypatch):
    scores = iter([math.nan, 0.5, 0.4])
    monkeypatch.setattr(SplitEvaluation, "__call__", lambda *_: {"score": next(scores)})
    run(world, tmp_path / "run", "--eval-split", "validation", "--set", "epochs=3", "--set", "warmup_epochs=0")
    assert [record["is_best"] for record in records(tmp_path / "run", "evaluation")] == [False, True, False]


@pytest.mark.parametrize(("kind", "count", "place"), [("cuda", 2, "cuda:1"), ("cpu", 2, "cpu"), ("cuda", 1, "cuda")])
def test_each_process_takes_its_own_gpu(monkeypatch, kind, count, place):
    """Also where the device is not named: what --device auto resolves to."""
    begun = []
    monkeypatch.setenv("WORLD_SIZE", str(count))
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("torch.cuda.set_device", begun.append)
    monkeypatch.setattr("torch.distributed.init_process_group", lambda backend, **_: begun.append(backend))
    monkeypatch.setattr("torch.distributed.destroy_process_group", lambda: None)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 1)
    with join_processes(torch.device(kind)) as (_, device):
        assert device == torch.device(place)
    expected = {"cuda:1": [torch.device("cuda:1"), "nccl"], "cpu": ["gloo"], "cuda": []}
    assert begun == expected[place]


def test_a_short_run_whose_average_lags_behind_is_warned_of(world, tmp_path):
    lagging = run(world, tmp_path / "a", "--set", "epochs=1", "--set", "ema_decay=0.999")
    assert "training.ema_warmup=true" in lagging.stderr
    assert "still be 100% the random initial ones" in " ".join(lagging.stderr.split())
    following = run(world, tmp_path / "b", "--set", "epochs=1", "--set", "ema_decay=0.999", "--set", "ema_warmup=true")
    assert "ema_warmup" not in following.stderr
