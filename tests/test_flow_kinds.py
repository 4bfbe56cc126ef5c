"""Features of another flow: recorded, refused, taken with --force; detection in video with the flow that fits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from localizer_cases import build_cltdr
from seeded_weights import seeded_i3d
from training_toys import LABELS, STRIDE, WINDOW, toy_preset, toy_world

from cltdr_cli.errors import FeatureError, UsageError
from cltdr_cli.features.kinds import describe_other_kind, find_kind_difference
from cltdr_cli.features.sidecar import Recipe, Sidecar, read_sidecar, sidecar_path
from cltdr_cli.features.store import check_sidecar, load_features
from cltdr_cli.zoo import flow as flow_zoo
from cltdr_cli.zoo.checkpoint import save_checkpoint
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.flow import flow_of
from cltdr_cli.zoo.preset import load_preset

RECIPE = Recipe(
    extractor="i3d", weights_digest=None, transform="t", layer="l", precision="fp32", stride_frames=4,
    window_frames=16, requested_fps=None, source="v.mp4", source_size=1, source_mtime=1.0, flow="raft",
    flow_transform="RAFT large",
)  # fmt: skip
SIDECAR = Sidecar(RECIPE, 25.0, 56, 2.24, 11, 2048, "0.1.0")
MODEL = load_preset("thumos14-i3d").features


def write_sidecars(folder, **recipe):
    """Sidecars beside bare feature files, as if cltdr had made them by this recipe."""
    for path in folder.glob("*.npy"):
        steps, width = np.load(path).shape
        frames = (steps - 1) * STRIDE + WINDOW
        sidecar = replace(SIDECAR, frame_count=frames, duration_seconds=frames / 25, steps=steps, width=width)
        sidecar_path(path).write_text(replace(sidecar, recipe=replace(RECIPE, **recipe)).to_json())


# sidecars


def test_the_flow_stands_in_the_sidecar(tmp_path):
    path = tmp_path / "v.json"
    path.write_text(SIDECAR.to_json())
    assert json.loads(path.read_text())["flow"] == "raft"
    assert read_sidecar(path) == SIDECAR
    content = json.loads(path.read_text())
    del content["flow"], content["flow_transform"]
    path.write_text(json.dumps(content))
    older = read_sidecar(path)
    assert older is not None
    assert (older.recipe.flow, older.recipe.flow_transform) == (None, None)


def test_recipes_of_different_flow_differ():
    other = replace(RECIPE, flow="tvl1")
    assert RECIPE.describe_difference(other) == "flow is raft, and tvl1 is wanted"
    assert "flow_transform" in RECIPE.describe_difference(replace(RECIPE, flow_transform="RAFT small"))
    assert not RECIPE.describe_difference(RECIPE)


@pytest.mark.parametrize(
    ("found", "expected", "differs"),
    [
        ({}, {}, "flow"),
        ({"flow": "tvl1"}, {}, ""),
        ({"flow": None}, {}, ""),  # of an older version: nobody knows
        ({}, {"flow": None}, ""),
        ({}, {"flow": "raft"}, ""),
        ({"extractor": "i3d-rgb", "flow": None}, {}, "extractor"),
        ({"extractor": "i3d-rgb"}, {"extractor": "unknown", "flow": None}, ""),
    ],
)
def test_which_kinds_contradict_each_other(tmp_path, found, expected, differs):
    recipe, model = replace(RECIPE, **found), replace(MODEL, **expected)
    difference = find_kind_difference(recipe, model)
    assert (difference.aspect if difference else "") == differs
    assert find_kind_difference(recipe, model.of_any_kind()) is None
    path = tmp_path / "v.npy"
    sidecar_path(path).write_text(replace(SIDECAR, recipe=recipe).to_json())
    assert bool(describe_other_kind(path, model)) == bool(differs)
    if differs:
        with pytest.raises(FeatureError, match=rf"was made with {differs} .*the model needs {differs}") as caught:
            check_sidecar(replace(SIDECAR, recipe=recipe), model, path)
        assert "force=" in caught.value.hint
    else:
        check_sidecar(replace(SIDECAR, recipe=recipe), model, path)


def test_force_is_not_for_width_and_grid(tmp_path):
    forced, path = MODEL.of_any_kind(), tmp_path / "v.npy"
    for change in ({"stride_frames": 8}, {"window_frames": 64}):
        with pytest.raises(FeatureError, match="the model needs"):
            check_sidecar(replace(SIDECAR, recipe=replace(RECIPE, **change)), forced, path)
    np.save(path, np.zeros((11, 1024), np.float32))
    with pytest.raises(FeatureError, match="has 1024 channels"):
        load_features(path, forced, fps=25, duration_seconds=2)


def test_published_features_say_nothing_and_are_taken(tmp_path):
    np.save(tmp_path / "v.npy", np.zeros((11, 2048), np.float32))
    assert len(load_features(tmp_path / "v.npy", MODEL, fps=25, duration_seconds=2.24)) == 11
    assert describe_other_kind(tmp_path / "v.npy", MODEL) == ""


# which flow a preset needs


def test_the_flow_of_a_preset(monkeypatch):
    loaded = []
    monkeypatch.setattr(flow_zoo, "load_flow", lambda name, sources: loaded.append(name))
    two_streams = load_preset("thumos14-i3d")
    flow_of(two_streams, ModelSources())
    flow_of(two_streams, ModelSources(flow="tvl1"))
    flow_of(two_streams, ModelSources(flow="raft", any_kind=True))
    unknown = replace(two_streams, features=replace(two_streams.features, flow=None))
    flow_of(unknown, ModelSources(flow="raft"))
    assert loaded == ["tvl1", "tvl1", "raft", "raft"]
    assert flow_of(load_preset("demo"), ModelSources()) is None
    for preset, flow, match in (
        (two_streams, "raft", "trained on features with flow tvl1; raft makes another kind"),
        (unknown, None, "does not say which"),
        (load_preset("demo"), "tvl1", "looks at RGB only"),
    ):
        with pytest.raises(UsageError, match=match):
            flow_of(preset, ModelSources(flow=flow))
    assert len(loaded) == 4


# commands on feature files


@pytest.fixture(scope="module")
def raft_world(tmp_path_factory):
    world = toy_world(
        tmp_path_factory.mktemp("raft"),
        "features.extractor=i3d",
        "features.flow=tvl1",
        "epochs=1",
        "warmup_epochs=0",
    )
    write_sidecars(world.features)
    return world


def test_train_detect_and_eval_refuse_another_flow_and_take_it_when_forced(cltdr, raft_world, tmp_path):
    out, said = tmp_path / "run", "made with flow raft"
    words = raft_world.words(out, "--eval-split", "validation")
    refused = cltdr(*words)
    assert refused.code == 1
    assert said in refused.err
    assert "--force" in refused.err
    done = cltdr(*words, "--force")
    assert done.code == 0, done.err
    assert f"and 8 more: {said}, the model needs flow tvl1; --force uses them all the same" in " ".join(
        done.err.split()
    )
    checkpoint = ("--checkpoint", out / "last.safetensors", "--device", "cpu")

    detect = ("detect", raft_world.features / "video0.npy", *checkpoint)
    refused = cltdr(*detect)
    assert refused.code == 1
    assert said in refused.err
    done = cltdr(*detect, "--force")
    assert done.code == 0, done.err
    assert said in done.err
    assert "video0" in done.out

    score = (
        "eval", "--dataset", "custom", "--annotations", raft_world.annotations, "--split", "validation",
        "--features", raft_world.features, *checkpoint,
    )  # fmt: skip
    assert cltdr(*score).code == 1
    done = cltdr(*score, "--force")
    assert done.code == 0, done.err
    assert said in done.err
    assert "mAP" in done.out


# commands on video


class Still:
    """A cheap stand-in for flow on real frames."""

    name = "still"

    def describe(self):
        return "nothing moves"

    def fields(self, frames):
        return np.full((len(frames) - 1, *frames.shape[1:3], 2), 128, np.uint8)


@pytest.fixture(scope="module")
def two_stream(tmp_path_factory):
    """Words of the command line for an untrained two-stream detector on seeded I3D weights, and a short video."""
    from cltdr_cli.demo.script import draw_script
    from cltdr_cli.demo.world import write_video

    folder = tmp_path_factory.mktemp("two")
    (folder / "videos").mkdir()
    write_video(folder / "videos" / "short.mp4", draw_script("test", 7, 1, duration_seconds=0.8))
    preset = toy_preset("features.extractor=i3d", "features.width=2048", "input_dim=2048", "features.flow=tvl1")
    torch.manual_seed(0)
    save_checkpoint(folder / "toy.safetensors", build_cltdr(preset.model).state_dict(), preset, LABELS, {})
    weights = []
    for name in ("rgb", "flow"):
        torch.save(seeded_i3d(f"piergiaj_{name}"), folder / f"{name}.pt")
        weights += ["--extractor-weights", f"i3d-{name}={folder / name}.pt"]
    truth = {"short": {"subset": "test", "duration": 0.8, "annotations": [{"label": "bow", "segment": [0.1, 0.6]}]}}
    (folder / "truth.json").write_text(json.dumps({"database": truth}))
    return folder, ["--checkpoint", folder / "toy.safetensors", "--device", "cpu"], weights


def test_detect_computes_the_flow_of_the_preset(cltdr, two_stream, tmp_path, monkeypatch):
    folder, detector, weights = two_stream
    engines = {"tvl1": Still(), "raft": Still()}
    monkeypatch.setattr(flow_zoo, "_tvl1", lambda: engines.pop("tvl1"))
    monkeypatch.setattr(flow_zoo, "_raft", lambda sources: engines.pop("raft"))
    words = ("detect", folder / "videos" / "short.mp4", *detector, *weights, "--out", tmp_path / "r.json")
    done = cltdr(*words)
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "r.json").read_text())["external_data"]["videos"]["short"]
    assert facts["flow"] == "nothing moves"
    assert facts["feature_grid"]["width"] == 2048
    assert list(engines) == ["raft"]
    refused = cltdr(*words, "--flow", "raft")
    assert refused.code == 2
    assert "raft makes another kind" in refused.err
    assert list(engines) == ["raft"]
    done = cltdr(*words, "--flow", "raft", "--force")
    assert done.code == 0, done.err
    assert "flow raft makes features of another kind" in done.err
    assert not engines


def test_eval_on_videos_computes_it_too(cltdr, two_stream, monkeypatch):
    from cltdr_cli.workflows import evaluate

    folder, detector, weights = two_stream
    files = {word.partition("=")[0]: folder / word.rpartition("/")[2] for word in weights[1::2]}
    real = evaluate.find_models
    monkeypatch.setattr(evaluate, "find_models", lambda *a, **k: replace(real(*a, **k), files=files))
    monkeypatch.setattr(flow_zoo, "_tvl1", Still)
    words = ("eval", "--dataset", "custom", "--annotations", folder / "truth.json", "--split", "test", *detector)
    done = cltdr(*words, "--videos", folder / "videos")
    assert done.code == 0, done.err
    assert "1 videos, 1 instances" in done.out
    refused = cltdr(*words, "--videos", folder / "videos", "--flow", "raft")
    assert refused.code == 2
    assert "raft makes another kind" in refused.err
