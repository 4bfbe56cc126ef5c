"""Class-agnostic presets: "action" alone, or the classes of an outside classifier."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from localizer_cases import build_cltdr

from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.checkpoint import save_checkpoint
from cltdr_cli.zoo.preset import load_preset

LABELS = catalog.labels("activitynet13")


@pytest.fixture
def detect(cltdr, tmp_path):
    """Detect in random features with the ActivityNet preset at a small width; more words may follow."""
    preset = load_preset("activitynet13-tsp")
    model = replace(preset.model, embd_dim=32, fpn_dim=32, head_dim=32, mlp_dim=32, max_seq_len=96)
    preset = replace(preset, model=model)
    checkpoint = tmp_path / "anet.safetensors"
    save_checkpoint(checkpoint, build_cltdr(model, seed=1).state_dict(), preset, ["action"], {"trained": True})
    np.save(tmp_path / "v_abc.npy", np.random.default_rng(0).normal(size=(60, 512)).astype(np.float32))

    def run(*words):
        out = tmp_path / "r.json"
        done = cltdr(
            "detect", tmp_path / "v_abc.npy", "--checkpoint", checkpoint, "--duration", 64, "--out", out, *words
        )
        return done, json.loads(out.read_text())["results"].get("v_abc") if out.exists() else None

    return run


def test_without_scores_segments_are_called_action(detect):
    done, rows = detect()
    assert done.code == 0, done.err
    assert {row["label"] for row in rows} == {"action"}
    assert "--video-scores" in done.err


def test_scores_name_the_two_best_classes(detect, tmp_path):
    _, plain = detect()
    scores = np.full(200, 0.001)
    scores[[17, 42]] = 0.64, 0.25
    file = tmp_path / "scores.json"
    file.write_text(json.dumps({"results": {"abc": scores.tolist()}}))
    done, rows = detect("--video-scores", file)
    assert done.code == 0, done.err
    assert {row["label"] for row in rows} == {LABELS[17], LABELS[42]}
    assert len(rows) == 2 * min(200, len(plain))
    assert rows[0]["label_id"] == 17
    assert rows[0]["score"] == pytest.approx(math.sqrt(plain[0]["score"] * 0.64), abs=1e-6)
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_a_table_of_scores_gives_the_same(detect, tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text(f"video_id,label,score\nv_abc,{LABELS[17]},0.64\nv_abc,{LABELS[42]},0.25\n")
    done, rows = detect("--video-scores", table)
    assert done.code == 0, done.err
    assert {row["label_id"] for row in rows} == {17, 42}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"results": {"abc": [0.1] * 7}}, "7 scores for 200 classes"),
        ({"results": {"other": [0.1] * 200}}, "no row for v_abc"),
        ({"results": {"abc": [{"label": "Flying", "score": 0.5}]}}, "unknown labels: Flying"),
        ({"results": {"abc": [-1.0] * 200}}, "not negative"),
        ({"results": {"abc": [float("nan")] * 200}}, "finite"),
        ([1, 2], "cannot be read"),
    ],
)
def test_wrong_scores_say_what_is_wrong(detect, tmp_path, content, said):
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(content))
    done, _ = detect("--video-scores", file)
    assert done.code == 1
    assert said in done.err
    assert "unexpected" not in done.err
