"""Learning from video labels through the command line: what is learned from, how long, and what survives a kill."""

from __future__ import annotations

import json
import signal
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from training_processes import assert_equal_weights, finished, kill_after, records, started, weights

from cltdr_cli.data.label_set import LabelledVideo
from cltdr_cli.data.samples import LabelSample
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.training.label_batches import LabelBatch
from cltdr_cli.training.learner import Learner
from cltdr_cli.zoo.checkpoint import load_checkpoint
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset, load_preset

WIDTH, STEP_SECONDS, CLASSES = 16, 0.64, ("bow", "jump", "wave")
WEAK = ("co2net", "hamnet")

SETTINGS = (
    "benchmark.dataset=custom", "features.extractor=made", f"features.width={WIDTH}", f"model.input_dim={WIDTH}",
    "model.attention_dim=8", "training.sampled_steps=24", "training.learning_rate=0.002", "training.batch_size=6",
)  # fmt: skip
"""What an outside check sets: everything else stays as the preset in the box has it."""


def settings_of(network: str, *more: str) -> list[str]:
    return [*SETTINGS, *([f"model.rgb_dim={WIDTH // 2}"] if network == "co2net" else []), *more]


def make_video(rng: np.random.Generator) -> tuple[np.ndarray, list[dict]]:
    """Features on a grid of 16 frames at 25 a second that show their labels, and the actions in them."""
    steps = int(rng.integers(18, 40))
    features = rng.normal(0, 0.5, (steps, WIDTH)).astype(np.float32)
    rows = []
    for label in rng.choice(len(CLASSES), int(rng.integers(1, 3)), replace=False):
        start = int(rng.integers(0, steps - 6))
        end = start + int(rng.integers(3, 6))
        features[start:end, label] += 3
        features[start:end, WIDTH // 2 + label] += 3
        rows.append({"label": CLASSES[label], "segment": [start * STEP_SECONDS, end * STEP_SECONDS]})
    return features, rows


def labels_only(rows: list[dict]) -> list[dict]:
    return [{"label": label} for label in sorted({row["label"] for row in rows})]


def nonsense(rows: list[dict]) -> list[dict]:
    times = ([9e3, -5.0], [0.0, 0.0], [-1e6, 1e6])
    return [{**row, "segment": times[i % 3]} for i, row in enumerate(labels_only(rows))]


CHANGES = {"real": lambda rows: rows, "nonsense": nonsense, "none": labels_only}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Features, and annotations that differ in the segments of their training videos."""
    folder = tmp_path_factory.mktemp("weak")
    (folder / "features").mkdir()
    rng, videos = np.random.default_rng(0), {}
    for index in range(15):
        features, rows = make_video(rng)
        np.save(folder / f"features/video{index:02}.npy", features)
        facts = {"duration": len(features) * STEP_SECONDS, "fps": 25.0}
        videos[f"video{index:02}"] = {"subset": "training" if index < 10 else "test", **facts, "annotations": rows}
    for name, change in CHANGES.items():
        database = {
            key: {**video, "annotations": change(video["annotations"]) if video["subset"] == "training" else
                  video["annotations"]}
            for key, video in videos.items()
        }  # fmt: skip
        (folder / name).mkdir()
        (folder / name / "truth.json").write_text(json.dumps({"database": database}))
    return folder


def words(world: Path, out: Path, network: str = "co2net", segments: str = "real", *more: object) -> list[str]:
    paths = {"annotations": world / segments / "truth.json", "features": world / "features", "out": out}
    given = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    sets = [word for setting in settings_of(network) for word in ("--set", setting)]
    fixed = ["--labels", "annotations", "--device", "cpu", "--workers", "1"]
    return ["train", "--preset", f"thumos14-{network}", *given, *fixed, *sets, *map(str, more)]


@pytest.mark.parametrize("kind", [LabelSample, LabelBatch, LabelledVideo])
def test_the_types_that_training_sees_have_no_times(kind):
    names = {field.name for field in fields(kind)}
    assert not [name for name in names if "segment" in name or "start" in name or "end" in name or "instance" in name]


@pytest.mark.parametrize("network", WEAK)
def test_segments_of_training_videos_change_nothing(network, cltdr, world, tmp_path):
    scores = {}
    for segments in CHANGES:
        out = tmp_path / segments
        done = cltdr(*words(world, out, network, segments, "--set", "training.iterations=6", "--quiet"))
        assert done.code == 0, done.err
        report = tmp_path / f"{segments}.json"
        done = cltdr(
            "eval", "--dataset", "custom", "--annotations", world / segments / "truth.json", "--split", "test",
            "--features", world / "features", "--checkpoint", out / "last.safetensors", "--tiou", "0.1:0.7:0.1",
            "--json-out", report,
        )  # fmt: skip
        assert done.code == 0, done.err
        scores[segments] = json.loads(report.read_text())
        scores[segments].pop("made_by")  # date and paths
    ours = {name: load_checkpoint(tmp_path / name / "last.safetensors") for name in CHANGES}
    for name in ("nonsense", "none"):
        assert_equal_weights(ours["real"].state, ours[name].state)
        assert ours["real"].facts == ours[name].facts
    assert scores["real"] == scores["none"] == scores["nonsense"]


def test_labels_of_training_videos_change_the_weights(cltdr, world, tmp_path):
    """The check above could pass on a network that learns nothing."""
    truth = json.loads((world / "real/truth.json").read_text())
    for video in truth["database"].values():
        if video["subset"] == "training":
            video["labels"] = ["wave"]
    changed = tmp_path / "world/real"
    changed.mkdir(parents=True)
    (changed / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "world/features").symlink_to(world / "features")
    for place, out in ((world, tmp_path / "one"), (tmp_path / "world", tmp_path / "two")):
        done = cltdr(*words(place, out, "co2net", "real", "--set", "training.iterations=3", "--quiet"))
        assert done.code == 0, done.err
    one, two = (weights(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    assert any(not one[name].equal(two[name]) for name in one)


@pytest.mark.parametrize("network", WEAK)
def test_a_killed_run_resumes_to_the_same_weights(network, cltdr, world, tmp_path):
    more = ("--set", "training.iterations=9", "--eval-split", "test", "--eval-every", 4)
    whole = started(words(world, tmp_path / "whole", network, "real", *more))
    again = words(world, tmp_path / "killed", network, "nonsense", *more, "--save-every", 1, "--resume")
    log = tmp_path / "killed/log.jsonl"
    assert kill_after(process := started(again), log, 6) == -signal.SIGKILL, process
    finished(whole)
    again[again.index(str(world / "nonsense/truth.json"))] = str(world / "none/truth.json")
    finished(started(again))
    for name in ("last.safetensors", "best.safetensors"):
        assert_equal_weights(weights(tmp_path / "whole" / name), weights(tmp_path / "killed" / name))
    assert records(tmp_path / "whole", "step") == records(tmp_path / "killed", "step")
    evaluations = records(tmp_path / "killed", "evaluation")
    assert [record["iteration"] for record in evaluations] == [4, 8, 9], "every 4, and at the end"
    assert set(evaluations[0]) >= {f"mAP@0.{tenth}0" for tenth in range(1, 8)}
    mean = np.mean([value for name, value in evaluations[0].items() if name.startswith("mAP@")])
    assert evaluations[0]["score"] == pytest.approx(mean)


def test_another_label_is_another_run(cltdr, world, tmp_path):
    given = words(world, tmp_path / "run", "co2net", "real", "--set", "training.iterations=2", "--quiet", "--resume")
    assert cltdr(*given).code == 0
    assert cltdr(*given).code == 0, "the same labels go on"
    truth = json.loads((world / "real/truth.json").read_text())
    truth["database"]["video00"]["labels"] = ["bow", "jump", "wave"]
    (tmp_path / "other.json").write_text(json.dumps(truth))
    given[given.index(str(world / "real/truth.json"))] = str(tmp_path / "other.json")
    done = cltdr(*given)
    assert done.code == 1
    assert "another training data" in done.err


def test_the_split_that_results_are_reported_on_is_named(cltdr, world, tmp_path):
    given = words(world, tmp_path / "run", "co2net", "none", "--set", "training.iterations=1", "--eval-split", "test")
    done = cltdr(*given)
    assert done.code == 0, done.err
    assert "chosen on test, the split that results are reported on" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--epochs", 3), "--set training.iterations=N"),
        (("--warmup-epochs", 3), "--set training.iterations=N"),
        (("--accumulate", 2), "2 parts cannot share"),
        (("--set", "training.iterations=0"), "must be at least 1, got 0"),
        (("--set", "model.rgb_dim=4"), "rgb_dim must be half of input_dim 16"),
        (("--set", "training.pairs=4"), "pairs 4 need a batch_size of 8 or more, got 6"),
    ],
)
def test_what_does_not_go_with_video_labels_is_refused(more, said, cltdr, world, tmp_path):
    done = cltdr(*words(world, tmp_path / "run", "co2net", "real", *more))
    assert done.code == 2, done.err
    assert said in " ".join(done.err.split())
    assert not (tmp_path / "run/last.safetensors").exists()


def test_several_processes_are_refused(cltdr, world, tmp_path, monkeypatch):
    from cltdr_cli.errors import UsageError
    from cltdr_cli.training.processes import Processes
    from cltdr_cli.workflows.training_data import read_training_data
    from cltdr_cli.workflows.training_schedule import RunSettings, make_schedule

    data = read_training_data(
        "thumos14-co2net", world / "none/truth.json", world / "features", settings_of("co2net"), "annotations"
    )
    run = RunSettings("fp32", 1, False, 1, 0, None, 0)
    assert make_schedule(data, run, Processes(), False).timetable.round_steps == 200
    with pytest.raises(UsageError, match="2 processes cannot share"):
        make_schedule(data, run, Processes(0, 2), False)


def test_a_label_that_is_no_class_is_named(cltdr, world, tmp_path):
    given = words(world, tmp_path / "run", "co2net", "none")
    given[given.index("annotations")] = "preset"
    done = cltdr(*given)
    assert done.code == 1
    assert "3 labels are none of the 20 classes: bow, jump, wave" in " ".join(done.err.split())


@pytest.mark.parametrize("network", WEAK)
def test_mixed_precision_and_every_way_of_sampling_train(network, cltdr, world, tmp_path):
    done = cltdr(
        *words(world, tmp_path / "run", network, "none", "--set", "training.iterations=2", "--amp", "--quiet"),
        "--set", "training.local_sampling=window",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert all(value.isfinite().all() for value in weights(tmp_path / "run/last.safetensors").values())


def toy_preset(network: str, *more: str) -> Preset:
    labels = ("benchmark.labels=null", f"model.num_classes={len(CLASSES)}")
    return with_overrides(load_preset(f"thumos14-{network}"), settings_of(network, *labels, *more))


@pytest.mark.parametrize("network", WEAK)
def test_the_loss_falls_and_classes_are_told_apart(network):
    light = ["model.feature_dropout=0.2", *(["model.attention_dropout=0.1"] if network == "co2net" else [])]
    preset = toy_preset(network, "training.learning_rate=0.01", *light)
    method, rng = find_method("wtal"), np.random.default_rng(0)
    learner = Learner(
        build_network(method, preset.model, seed=1), method.objective(preset.model, preset.training),
        preset.training, 1, torch.device("cpu"),
    )  # fmt: skip
    labels = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2, 2]]
    features = rng.normal(0, 0.3, (6, 24, WIDTH)).astype(np.float32)
    for row, label in enumerate(labels.argmax(1)):
        features[row, 4:12, [label, WIDTH // 2 + label]] += 3
    batch = LabelBatch(torch.from_numpy(features), torch.from_numpy(labels), tuple(range(6)), 3)
    losses = [learner.train_step([batch]).total_loss for _ in range(100)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    if network == "co2net":  # 16 channels are too few for it to tell classes apart in so few steps
        return
    with torch.inference_mode():
        found = learner.model.eval()(batch.features, batch.mask)
    inside = found.logits[:, 4:12, :3].mean(1)
    assert inside.argmax(1).tolist() == labels.argmax(1).tolist()
