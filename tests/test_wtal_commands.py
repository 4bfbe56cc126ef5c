"""Weights, detections and scores of weakly supervised networks through the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from test_wtal import proposals
from test_wtal_training import CLASSES, WEAK, WIDTH, toy_preset
from wtal_cases import SMALL, network_of, preset_of, read_case

from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.zoo.checkpoint import load_checkpoint, save_checkpoint
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset, load_preset


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden/wtal"


@pytest.mark.parametrize("name", WEAK)
def test_presets_have_the_specified_values(name):
    preset = load_preset(f"thumos14-{name}")
    grid = preset.features
    assert (grid.extractor, grid.width, grid.stride_frames, grid.window_frames, grid.rate) == ("i3d", 2048, 16, 16, 25)
    assert len(preset.class_names or ()) == 20
    assert list(preset.class_names) == sorted(preset.class_names), "the order of published checkpoints"
    assert Preset.from_yaml(preset.to_yaml()) == preset
    training, inference = preset.training, preset.inference
    expected = {"co2net": (5000, 10, 7, 5e-5), "hamnet": (1000, 20, 10, 1e-5)}[name]
    assert (training.iterations, training.batch_size, training.topk_divisor, training.learning_rate) == expected
    assert (inference.class_fallback, inference.nms_unit) == {"co2net": ("best", "steps")}.get(
        name, ("none", "seconds")
    )


@pytest.mark.parametrize("case", SMALL)
def test_published_weights_convert_and_detect(golden, case, cltdr, tmp_path):
    folder, ours = golden / case, tmp_path / "ours.safetensors"
    preset = preset_of(folder)
    (tmp_path / "small.yaml").write_text(preset.to_yaml())
    done = cltdr(
        "convert", next(folder.glob("checkpoint.*")), "--preset", tmp_path / "small.yaml", "--out", ours,
    )  # fmt: skip
    assert done.code == 0, done.err
    wanted = network_of(folder, preset).state_dict()
    state = load_checkpoint(ours).state
    assert state.keys() == wanted.keys()
    assert not [name for name in state if "feat_encoder" in name]
    assert all(state[name].equal(wanted[name]) for name in wanted)
    features = np.load(sorted(folder.glob("forward_T*.npz"))[-1])["features"]
    np.save(tmp_path / "video.npy", features)
    done = cltdr(
        "detect", tmp_path / "video.npy", "--checkpoint", ours, "--duration", len(features) * 0.64,
        "--out", tmp_path / "found.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "found.json").read_text())["results"]["video"]
    steps = np.array([row["segment"] for row in rows]).reshape(-1, 2) / 0.64
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6, err_msg="whole windows")


def test_a_training_program_s_options_beside_the_weights_are_not_in_the_way(golden, cltdr, tmp_path):
    import argparse

    folder = golden / "hamnet"
    content = torch.load(folder / "checkpoint.ckpt", weights_only=True)
    torch.save({**content, "hyper_parameters": argparse.Namespace(lr=1e-5)}, tmp_path / "latest.ckpt")
    (tmp_path / "small.yaml").write_text(preset_of(folder).to_yaml())
    done = cltdr(
        "convert", tmp_path / "latest.ckpt", "--preset", tmp_path / "small.yaml", "--out", tmp_path / "o.safetensors"
    )
    assert done.code == 0, done.err


def test_weights_of_the_other_network_are_refused_on_one_screen(golden, cltdr, tmp_path):
    (tmp_path / "small.yaml").write_text(preset_of(golden / "co2net").to_yaml())
    done = cltdr(
        "convert", golden / "hamnet/checkpoint.ckpt", "--preset", tmp_path / "small.yaml",
        "--out", tmp_path / "o.safetensors",
    )  # fmt: skip
    assert done.code != 0
    assert "keys missing" in done.err
    assert len(done.err.splitlines()) < 12
    assert not (tmp_path / "o.safetensors").exists()


def save_random(path, preset, scale=0.3):
    network = build_network(find_method("wtal"), preset.model, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=generator)
    save_checkpoint(path, network.state_dict(), preset, CLASSES, {"trained": True})
    return path


@pytest.fixture
def detected(tmp_path):
    """A checkpoint, and a feature file in which it finds segments of positive and of negative score."""
    checkpoint = save_random(tmp_path / "weak.safetensors", toy_preset("co2net"))
    features = np.random.default_rng(1).normal(0, 2, (60, WIDTH)).astype(np.float32)
    np.save(tmp_path / "video.npy", features)
    return checkpoint, tmp_path / "video.npy"


def test_negative_scores_are_kept_by_every_writer(detected, cltdr, tmp_path):
    checkpoint, file = detected
    given = ("detect", file, "--checkpoint", checkpoint, "--duration", 60 * 0.64)
    folder = tmp_path / "out"
    formats = [word for name in ("json", "csv", "srt", "vtt", "svg") for word in ("--format", name)]
    default = cltdr(*given, "--out", tmp_path / "default", *formats)
    assert "left out; --min-score -" in default.err
    least = default.err.partition("--min-score ")[2].split()[0]  # the command says from which score on all are shown
    done = cltdr(*given, "--out", folder, *formats, "--min-score", least)
    assert done.code == 0, done.err
    rows = json.loads((folder / "video.json").read_text())["results"]["video"]
    scores = [row["score"] for row in rows]
    assert json.loads((tmp_path / "default/video.json").read_text())["results"]["video"] == rows
    assert min(scores) < 0 < max(scores)
    assert scores == sorted(scores, reverse=True)
    with (folder / "video.csv").open() as stream:
        assert [float(row["score"]) for row in csv.DictReader(stream)] == scores
    for name in ("srt", "vtt"):
        assert (folder / f"video.{name}").read_text(encoding="utf-8").count("-->") == len(rows)
    assert "<svg" in (folder / "video.svg").read_text(encoding="utf-8")
    table = cltdr(*given, "--max-segments", 500, "--min-score", least)
    assert table.code == 0, table.err
    assert f"{min(scores):.3f}" in table.out
    for least in (0, -0.01, max(scores)):
        done = cltdr(*given, "--min-score", least, "--out", tmp_path / "some.json")
        assert done.code == 0, done.err
        kept = [row["score"] for row in json.loads((tmp_path / "some.json").read_text())["results"]["video"]]
        assert kept == [score for score in scores if np.float32(score) >= np.float32(least)]


@pytest.mark.parametrize("network", WEAK)
def test_detects_from_features_and_from_video(network, cltdr, sample_video, tmp_path):
    """From raw video on the preset's own grid: 16 frames a step at 25 a second."""
    sizes = ["model.input_dim=256", "features.width=256", "features.extractor=demo", "features.flow=null"]
    sizes += ["model.rgb_dim=128"] if network == "co2net" else ["inference.class_fallback=best"]
    preset = with_overrides(toy_preset(network), sizes)
    checkpoint = save_random(tmp_path / "weak.safetensors", preset, 0.05)
    made = cltdr(
        "extract-features", sample_video, "--extractor", "demo", "--out", tmp_path, "--fps", 25, "--stride", 16,
        "--window", 16,
    )  # fmt: skip
    assert made.code == 0, made.err
    found = []
    for source in (sample_video, tmp_path / f"{sample_video.stem}.npy"):
        done = cltdr("detect", source, "--checkpoint", checkpoint, "--out", tmp_path / "found.json", "--device", "cpu")
        assert done.code == 0, done.err
        content = json.loads((tmp_path / "found.json").read_text())
        found.append(content["results"][sample_video.stem])
    assert found[0]
    assert found[0] == found[1]


def test_sparser_steps_of_dense_features_land_where_they_belong(detected, cltdr, tmp_path):
    """Features with a stride of 4 frames, of which every fourth is taken: the grid goes with them."""
    _, file = detected
    dense = np.repeat(np.load(file), 4, axis=0)
    np.save(tmp_path / "dense.npy", dense)
    preset = toy_preset("co2net", "features.stride_frames=4", "features.downsample_rate=4")
    checkpoint = save_random(tmp_path / "dense.safetensors", preset)
    results = []
    for source, weights in ((file, detected[0]), (tmp_path / "dense.npy", checkpoint)):
        out = tmp_path / "found.json"
        done = cltdr("detect", source, "--checkpoint", weights, "--duration", 60 * 0.64, "--out", out)
        assert done.code == 0, done.err
        results.append(json.loads(out.read_text())["results"][source.stem])
    assert results[0] == results[1]


def write_truth(path, split="test"):
    videos = {
        "video": {"subset": split, "duration": 60.0, "fps": 25.0,
                  "annotations": [{"label": "HighJump", "segment": [5.0, 9.0]},
                                  {"label": "LongJump", "segment": [20.0, 31.0]}]},
    }  # fmt: skip
    path.write_text(json.dumps({"database": videos}))
    return path


def test_both_averages_are_told_on_thumos14(cltdr, tmp_path):
    preset = with_overrides(
        load_preset("thumos14-co2net"),
        ["features.extractor=made", f"features.width={WIDTH}", f"model.input_dim={WIDTH}",
         f"model.rgb_dim={WIDTH // 2}", "model.attention_dim=8"],
    )  # fmt: skip
    network = build_network(find_method("wtal"), preset.model, seed=1)
    save_checkpoint(tmp_path / "w.safetensors", network.state_dict(), preset, preset.class_names, {"trained": True})
    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features/video.npy", np.random.default_rng(0).normal(size=(90, WIDTH)).astype(np.float32))
    given = (
        "eval", "--dataset", "thumos14", "--annotations", write_truth(tmp_path / "truth.json"), "--features",
        tmp_path / "features", "--checkpoint", tmp_path / "w.safetensors", "--json-out", tmp_path / "scores.json",
    )  # fmt: skip
    done = cltdr(*given)
    assert done.code == 0, done.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["tiou"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert scores["averages"] == pytest.approx(
        {"0.1:0.5": np.mean(scores["mAP"][:5]), "0.1:0.7": np.mean(scores["mAP"])}
    )
    assert scores["average_mAP"] == pytest.approx(np.mean(scores["mAP"]))
    assert "0.1:0.5" in done.out
    assert "0.1:0.7" in done.out
    done = cltdr(*given, "--tiou", "0.5")
    assert done.code == 0, done.err
    assert "averages" not in json.loads((tmp_path / "scores.json").read_text())


def test_scores_of_the_golden_predictions(golden, cltdr, tmp_path):
    """Our evaluator is HAM-Net's in seconds, with repeated instances once."""
    expected = read_case(golden / "evaluation", "expected.json")
    done = cltdr(
        "eval", "--dataset", "custom", "--annotations", golden / "evaluation/ground_truth.json", "--split", "test",
        "--predictions", golden / "evaluation/predictions.json", "--tiou", "0.1:0.9:0.1",
        "--json-out", tmp_path / "scores.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["mAP"] == pytest.approx(expected["hamnet_seconds_duplicates_once"], abs=1e-6)


def list_results(rows, labels):
    items = [
        {"label": labels[label], "score": score, "segment": [start * 0.64, end * 0.64]}
        for start, end, score, label in rows
    ]
    return {"results": {"video_test_0000001": items}}


def test_ambiguous_rows_drop_the_detections_they_touch(golden, cltdr, tmp_path):
    """The rule through the command line: dropping leaves just the published proposals."""
    name, case = next((n, c) for n, c in proposals(golden).items() if c["ambiguous"])
    labels = {0: "HighJump", 1: "LongJump"}
    every = [row for row in case["co2net_snippets_without_ambiguous_rule"] if row[3] in labels]
    left = [row for row in case["co2net_snippets"] if row[3] in labels]
    assert len(left) < len(every)
    (tmp_path / "annotation_test").mkdir()
    for label, segments in (("HighJump", [(5, 9)]), ("LongJump", [(20, 31)]), ("Ambiguous", case["ambiguous"])):
        lines = "".join(f"video_test_0000001  {start} {end}\n" for start, end in segments)
        (tmp_path / f"annotation_test/{label}_test.txt").write_text(lines)
    results = {kind: list_results(rows, labels) for kind, rows in (("every", every), ("left", left))}
    counts = {}
    for kind, more in (("every", ()), ("left", ()), ("every", ("--ambiguous", "drop"))):
        (tmp_path / f"{kind}.json").write_text(json.dumps(results[kind]))
        done = cltdr(
            "eval", "--dataset", "thumos14", "--annotations", tmp_path / "annotation_test", "--predictions",
            tmp_path / f"{kind}.json", *more,
        )  # fmt: skip
        assert done.code == 0, f"{name}: {done.err}"
        counts[kind, bool(more)] = int(done.out.split(" predictions")[0].split()[-1])
    assert counts["every", False] == len(every)
    assert counts["every", True] == counts["left", False] == len(left)


def test_dropping_where_nothing_is_marked_says_so(cltdr, tmp_path):
    found = {"results": {"video": [{"label": "HighJump", "score": 0.5, "segment": [5.0, 9.0]}]}}
    (tmp_path / "found.json").write_text(json.dumps(found))
    done = cltdr(
        "eval", "--dataset", "thumos14", "--annotations", write_truth(tmp_path / "truth.json"), "--predictions",
        tmp_path / "found.json", "--ambiguous", "drop",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "marks nothing as Ambiguous" in " ".join(done.err.split())
