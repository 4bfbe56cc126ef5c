"""cltdr eval where the detections are made on the way, from the features or videos of a split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from evaluation_runs import flat, run, write
from localizer_cases import build_cltdr

from cltdr_cli.workflows.split import find_video
from cltdr_cli.zoo.catalog import labels
from cltdr_cli.zoo.checkpoint import save_checkpoint
from cltdr_cli.zoo.preset import load_preset


def test_detect_in_features_then_score(tmp_path: Path) -> None:
    """The annotation gives rate and duration where the features have no sidecar; a missing file is one failure."""
    features = tmp_path / "features"
    features.mkdir()
    items = [{"segment": [1, 3], "label": "wave"}, {"segment": [4, 6], "label": "jump"}]
    video = {"subset": "test", "duration": 20.0, "fps": 25.0, "annotations": items}
    annotations = write(tmp_path, "a.json", {"database": {"v": video, "w": video}})
    rng = np.random.default_rng(0)
    for name in ("v", "w"):
        np.save(features / f"{name}.npy", rng.normal(size=(120, 256)).astype(np.float32))
    words = (
        "eval",
        "--dataset",
        "custom",
        "--annotations",
        annotations,
        "--features",
        features,
        "--preset",
        "demo",
    )
    found = run(*words, "--device", "cpu", "--json-out", tmp_path / "out.json")
    assert found.exit_code == 0, found.output
    assert "2 videos, 4 instances" in found.stdout
    assert list(json.loads((tmp_path / "out.json").read_text())["per_class"]) == ["jump", "wave"]
    (features / "w.npy").unlink()
    found = run(*words, "--device", "cpu")
    assert found.exit_code == 1
    assert "w: no feature file of that name" in flat(found.stderr)
    assert "2 videos, 4 instances" in found.stdout
    (features / "v.npy").unlink()
    found = run(*words, "--device", "cpu")
    assert found.exit_code == 1
    assert "no video of the split could be detected" in flat(found.stderr)


def test_a_detector_that_names_no_classes_is_scored_with_those_of_the_videos(tmp_path: Path) -> None:
    features = tmp_path / "features"
    features.mkdir()
    names = [name for name in labels("activitynet13") if name in ("Drum corps", "Surfing")]
    items = [{"segment": [1, 30], "label": name} for name in names]
    video = {"subset": "validation", "duration": 40.0, "annotations": items}
    annotations = write(tmp_path, "a.json", {"database": {"v": video}})
    np.save(features / "v_v.npy", np.random.default_rng(0).normal(size=(37, 512)).astype(np.float32))
    preset = load_preset("activitynet13-tsp")
    state = build_cltdr(preset.model, 0).state_dict()
    save_checkpoint(tmp_path / "m.safetensors", state, preset, preset.class_names, {})
    words = ("eval", "--dataset", "activitynet-1.3", "--annotations", annotations, "--features", features,
             "--checkpoint", tmp_path / "m.safetensors", "--device", "cpu")  # fmt: skip
    refused = run(*words)
    assert refused.exit_code == 2
    assert "class scores of whole videos as --video-scores" in flat(refused.stderr)
    scores = write(tmp_path, "scores.json", {"v": [{"label": name, "score": 0.9} for name in names]})
    found = run(*words, "--video-scores", scores, "--json-out", tmp_path / "out.json")
    assert found.exit_code == 0, found.output
    per_class = json.loads((tmp_path / "out.json").read_text())["per_class"]
    assert sorted(per_class) == sorted(names)
    assert "no class" not in flat(found.stderr)
    assert ", 0 predictions" not in found.stdout


def test_videos_of_a_split_are_found_by_suffixes_of_any_case(tmp_path: Path) -> None:
    for name in ("v.MP4", "v.json", "v.2.mp4", "w[1].webm"):
        (tmp_path / name).touch()
    assert find_video(tmp_path, "v") == tmp_path / "v.MP4"
    assert find_video(tmp_path, "w[1]") == tmp_path / "w[1].webm"
    assert find_video(tmp_path, "w") is None
