"""Our reconstruction of DFE through the command line: segments are never read, a killed run resumes, results hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from training_processes import assert_equal_weights, finished, kill_after, records, started, weights
from training_toys import toy_preset

from cltdr_cli.training.run_folder import RunFolder

ITERATIONS, WARMUP = 12, 3
SETTINGS = (
    "features.extractor=toy", "features.width=16", "model.input_dim=16", "model.rgb_dim=8", "model.attention_dim=8",
    "model.memory_slots=2", "benchmark.dataset=custom", "training.sampled_steps=16", "training.batch_size=6",
    "training.pairs=2", f"training.iterations={ITERATIONS}", "training.warmup_share=0.25",
    "training.learning_rate=1e-3",
)  # fmt: skip
LABELS = ("run", "jump", "throw")


def write_world(folder: Path) -> dict[str, dict]:
    """Features of ten training and three test videos; returns the annotation."""
    rng, database = np.random.default_rng(0), dict[str, dict]()
    (folder / "features").mkdir()
    for index in range(13):
        steps = int(rng.integers(15, 40))
        features = rng.normal(size=(steps, 16)).astype(np.float32)
        items = []
        for label in {index % 3, (index // 2) % 3}:
            first = int(rng.integers(0, steps - 6))
            features[first : first + 5, label] += 3
            items.append({"label": LABELS[label], "segment": [first * 0.64, (first + 5) * 0.64]})
        np.save(folder / "features" / f"v{index}.npy", features)
        split = "training" if index < 10 else "test"
        database[f"v{index}"] = {"subset": split, "duration": steps * 0.64, "fps": 25, "annotations": items}
    return database


def changed(database: dict[str, dict], change) -> dict[str, dict]:
    """The same annotation, its training segments changed."""
    return {
        name: {**video, "annotations": [change(item) for item in video["annotations"]]}
        if video["subset"] == "training"
        else video
        for name, video in database.items()
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    real = write_world(folder)
    nonsense = changed(real, lambda item: {**item, "segment": [50.0, -3.0]})
    none = changed(real, lambda item: {"label": item["label"]})
    for name, database in (("real", real), ("nonsense", nonsense), ("none", none)):
        (folder / f"{name}.json").write_text(json.dumps({"database": database}))
    return folder


def words(world: Path, out: Path, annotation: str = "real", *more: str) -> list[str]:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return [
        "train", "--preset", "thumos14-dfe", "--annotations", str(world / f"{annotation}.json"), "--features",
        str(world / "features"), "--labels", "annotations", "--out", str(out), "--device", "cpu", *settings, *more,
    ]  # fmt: skip


def test_segments_of_training_videos_are_never_read_past_the_warm_up_either(cltdr, world, tmp_path):
    for name in ("real", "nonsense", "none"):
        done = cltdr(*words(world, tmp_path / name, name))
        assert done.code == 0, done.err
    memory = [record["memory_filled"] for record in records(tmp_path / "real", "step")]
    assert [share > 0 for share in memory] == [False] * WARMUP + [True] * (ITERATIONS - WARMUP)
    real = weights(tmp_path / "real" / "last.safetensors")
    for name in ("nonsense", "none"):
        assert_equal_weights(real, weights(tmp_path / name / "last.safetensors"))
        ours, theirs = (RunFolder(tmp_path / run).load_state() for run in ("real", name))
        assert ours is not None
        assert theirs is not None
        for key, value in ours["learner"]["objective"].items():
            assert torch.equal(value, theirs["learner"]["objective"][key]), key


def test_the_checkpoint_detects_and_has_nothing_of_the_teacher(cltdr, world, tmp_path):
    assert cltdr(*words(world, tmp_path / "run")).code == 0
    checkpoint = tmp_path / "run" / "last.safetensors"
    assert not [name for name in weights(checkpoint) if "memory" in name or "teacher" in name]
    done = cltdr(
        "eval", "--dataset", "custom", "--annotations", world / "real.json", "--features", world / "features",
        "--checkpoint", checkpoint, "--split", "test", "--json-out", tmp_path / "scores.json", "--device", "cpu",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "scores.json").read_text())["videos"] == 3


def test_a_killed_run_resumes_to_the_same_weights_past_the_warm_up(world, tmp_path):
    often = ("--save-every", "1")
    finished(started(words(world, tmp_path / "whole", "real", *often)))
    killed = started(words(world, tmp_path / "killed", "real", *often))
    assert kill_after(killed, tmp_path / "killed" / "log.jsonl", WARMUP + 3) != 0, "it was killed, not done"
    finished(started(words(world, tmp_path / "killed", "real", *often, "--resume")))
    assert_equal_weights(*(weights(tmp_path / name / "last.safetensors") for name in ("whole", "killed")))
    whole, resumed = (RunFolder(tmp_path / name).load_state() for name in ("whole", "killed"))
    assert whole is not None
    assert resumed is not None
    for key, value in whole["learner"]["objective"].items():
        assert torch.equal(value, resumed["learner"]["objective"][key]), key


def test_its_detections_train_a_supervised_detector(cltdr, world, tmp_path):
    assert cltdr(*words(world, tmp_path / "weak")).code == 0
    database, results = json.loads((world / "real.json").read_text())["database"], {}
    for name in ("v0", "v1", "v2"):
        done = cltdr(
            "detect", world / "features" / f"{name}.npy", "--checkpoint", tmp_path / "weak" / "last.safetensors",
            "--fps", 25, "--duration", database[name]["duration"], "--out", tmp_path / f"{name}.json",
        )  # fmt: skip
        assert done.code == 0, done.err
        results |= json.loads((tmp_path / f"{name}.json").read_text())["results"]
    (tmp_path / "pseudo.json").write_text(json.dumps({"results": results}))
    scores = [item["score"] for items in results.values() for item in items]
    supervised = toy_preset(
        "features.width=16", "input_dim=16", "features.stride_frames=16", "features.rate=25.0", "batch_size=2",
        "epochs=1", "warmup_epochs=0",
    )  # fmt: skip
    (tmp_path / "toy.yaml").write_text(supervised.to_yaml())
    done = cltdr(
        "train", "--preset", tmp_path / "toy.yaml", "--annotations", world / "none.json", "--labels", "annotations",
        "--features", world / "features", "--out", tmp_path / "bridge", "--device", "cpu",
        "--pseudo-labels", tmp_path / "pseudo.json", "--min-score", min(scores),
    )  # fmt: skip
    assert done.code == 0, done.err
    said = " ".join(done.err.split())
    assert f"{len(scores)} instances in 3 training videos" in said
    assert "7 training videos have no detection that counts" in said
