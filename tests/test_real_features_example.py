"""examples/real_features.py on a small part of real GTEA: trains, evaluates, skips what is done, draws the table."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "examples" / "real_features.py"


@pytest.fixture
def data(shared: Path, tmp_path: Path) -> Path:
    """Nine videos of split 1: a part of the real features and their annotation."""
    source, target = shared / "data/real-features/gtea/split-1", tmp_path / "data/gtea/split-1"
    (target / "features").mkdir(parents=True)
    content = json.loads((source / "annotations.json").read_text())
    chosen = [f"S{person}_{dish}_C1" for person in (1, 2, 3) for dish in ("Hotdog", "Tea", "Peanut")]
    for name in chosen:
        shutil.copy(source / f"features/{name}.npy", target / f"features/{name}.npy")
    database = {name: content["database"][name] for name in chosen}
    (target / "annotations.json").write_text(json.dumps({**content, "database": database}))
    return tmp_path / "data"


def example(data: Path, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--data", str(data), "--out", str(out), "--sets", "gtea", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_plain_users_path_on_real_videos(data: Path, shared: Path, tmp_path: Path) -> None:
    """Features and annotation in; model, scores and table out; what is done is not done again."""
    out, published = tmp_path / "out", shared / "golden/segmentation/expected.json"
    words = ("--variants", "temporalmaxer", "--splits", "1", "--seeds", "1", "--published", str(published),
             "--set", "epochs=1", "--set", "warmup_epochs=0")  # fmt: skip
    first = example(data, out, *words)
    run = out / "gtea/temporalmaxer/split-1-seed-1"
    assert first.returncode == 0, first.stdout + first.stderr + (run / "output.txt").read_text()
    assert "1 runs, 1 of them to do" in first.stdout
    scores = json.loads((run / "scores.json").read_text())
    assert (scores["videos"], scores["made_by"]["seed"]) == (3, 1)
    assert scores["segmentation"].keys() >= {"accuracy", "edit", "f1@50"}
    table = (out / "results.md").read_text()
    assert "| temporalmaxer | 1 split, 1 seed |" in table
    assert "| ED-TCN, splits 1 to 3 | 3 splits | 47.8 |" in table
    written = (run / "last.safetensors").stat().st_mtime_ns
    assert "1 runs, 0 of them to do" in example(data, out, *words).stdout
    assert (run / "last.safetensors").stat().st_mtime_ns == written


def test_features_and_a_table_become_a_model_and_a_report(data: Path, cltdr, tmp_path: Path) -> None:
    """The README's commands on the user's own data: no preset, no split, no sidecar."""
    folder, run = data / "gtea/split-1", tmp_path / "run"
    database = json.loads((folder / "annotations.json").read_text())["database"]
    rows = [
        [name, *action["segment"], action["label"], video["duration"], video["fps"]]
        for name, video in database.items()
        for action in video["annotations"]
    ]
    table = tmp_path / "actions.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["video_id", "start", "end", "label", "duration", "fps"], *rows])
    own = ["--annotations", table, "--features", folder / "features", "--device", "cpu"]
    trained = cltdr(
        "train", "--preset", "auto", *own, "--out", run, "--hold-out", "0.2", "--patience", 5,
        "--set", "epochs=1", "--set", "warmup_epochs=0",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert "videos of the annotation, 10 classes" in trained.err
    words = ["--dataset", "custom", *own, "--checkpoint", run / "best.safetensors", "--report", tmp_path / "report"]
    scored = cltdr("eval", *words)
    assert scored.code == 0, scored.err
    assert scored.out.startswith("custom: 9 videos")
    assert {"report.json", "learning.svg", "recall.svg"} <= {file.name for file in (tmp_path / "report").iterdir()}


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = example(tmp_path, tmp_path / "out", "--splits", "1", "--seeds", "1", "--variants", "temporalmaxer")
    assert done.returncode == 1
    assert "cltdr datasets import" in done.stderr
