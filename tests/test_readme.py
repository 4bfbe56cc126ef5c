"""README and examples keep their word: the models table, the commands, the scripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from features_made import RECIPE, array, stored

from cltdr_cli.main import SUBCOMMANDS, load_subcommand
from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.preset import Preset, load_preset

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def models_row(preset: Preset) -> str:
    reported = f"{preset.reported.average_map_percent:.1f}" if preset.reported else "-"
    ours = f"{preset.reproduced.average_map_percent:.1f}" if preset.reproduced else "-"
    features = f"{preset.features.extractor}, {preset.features.width}"
    cells = (f"`{preset.name}`", preset.benchmark.dataset, features, preset.model.num_classes, reported, ours)
    return f"| {' | '.join(map(str, cells))} |"


def test_models_table_is_that_of_the_presets():
    rows = [models_row(load_preset(name)) for name in catalog.presets()]
    assert "\n".join(rows) in README, "put this into README.md:\n" + "\n".join(rows)


def readme_commands() -> list[list[str]]:
    code = re.findall(r"`(cltdr [^`]+)`", README) + re.findall(r"^\$ (cltdr .+)$", README, re.MULTILINE)
    return [line.split("#")[0].split() for line in code]


@pytest.mark.parametrize("words", readme_commands(), ids=" ".join)
def test_readme_commands_and_options_exist(words):
    if words[1] not in SUBCOMMANDS:
        assert words[1].startswith("-")
        return
    command = load_subcommand(words[1])
    for name in words[2:]:
        if name in getattr(command, "commands", {}):
            command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def run(*words: object, folder: Path) -> str:
    environment = {**os.environ, "CLTDR_HOME": str(folder / "home"), "CLTDR_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_run_one_after_the_other(tmp_path):
    examples = REPOSITORY / "examples"
    drawn = run(examples / "make_sample_video.py", tmp_path / "sample.mp4", folder=tmp_path)
    assert "20.0 s" in drawn
    printed = run(examples / "detect_one_video.py", tmp_path / "sample.mp4", folder=tmp_path)
    assert printed.splitlines()[-1].endswith("sample.srt")
    assert "-->" in (tmp_path / "sample.srt").read_text()
    run(
        "-m",
        "cltdr_cli",
        "detect",
        tmp_path / "sample.mp4",
        "--preset",
        "demo",
        "--out",
        "r.json",
        folder=tmp_path,
    )
    compared = run(examples / "compare_with_truth.py", "r.json", "sample.truth.json", folder=tmp_path)
    truth = json.loads((tmp_path / "sample.truth.json").read_text())["database"]["sample"]["annotations"]
    assert len(compared.splitlines()) == 1 + len(truth)


SMALL = ("max_seq_len=64", "embd_dim=16", "fpn_dim=16", "head_dim=16", "mlp_dim=16", "epochs=1", "warmup_epochs=1")


def test_the_recipe_for_own_data(tmp_path, cltdr, monkeypatch):
    """Own CSV and features of i3d-rgb; the command as written, but for a network that trains in seconds."""
    monkeypatch.chdir(tmp_path)
    rows = [
        f"v{n},2,5,open,{split}\nv{n},8,12,close,{split}"
        for n, split in enumerate(["training"] * 4 + ["validation"] * 2)
    ]
    Path("features").mkdir()
    Path("annotations.csv").write_text("\n".join(["video_id,start,end,label,subset", *rows]) + "\n")
    for n in range(6):
        stored(Path("features"), f"v{n}", array(96, 1024, n), replace(RECIPE, extractor="i3d-rgb"))
    words = next(words for words in readme_commands() if words[1] == "train" and "runs/mine" in words)
    words = [word.replace("annotations.json", "annotations.csv") for word in words]
    done = cltdr(*words[1:], "--device", "cpu", *(f"--set={setting}" for setting in SMALL))
    assert done.code == 0, done.err
    assert "4 videos of training" in done.err
    detected = cltdr("detect", "features/v5.npy", "--checkpoint", "runs/mine/best.safetensors", "--out", "r.json")
    assert detected.code == 0, detected.err
    found = json.loads(Path("r.json").read_text())["results"]["v5"]
    assert {segment["label"] for segment in found} <= {"open", "close"}
    words[words.index("benchmark.dataset=custom")] = "benchmark.dataset=thumos14"
    words[words.index("runs/mine")] = "runs/other"
    refused = cltdr(*words[1:], "--device", "cpu")
    assert refused.code == 2
    assert "has a split 'training', and the preset's data set, thumos14, trains on 'validation'" in refused.err
